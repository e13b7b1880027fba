"""Fields of CycloneDX documents, read into values of the one model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.interop.bom.cyclonedx import HASHES
from tidegate.interop.bom.model import (
    Attestation,
    Considerations,
    DataPart,
    Justification,
    Metric,
    State,
    Step,
)
from tidegate.interop.bom.reading import Node, digest_of, parse_digest, stage_of, whole

_ALGORITHMS: Final = {theirs: ours for ours, theirs in HASHES.items()}
_Word = TypeVar("_Word", State, Justification)


class Properties:
    """Properties of our own by name; those of others are losses."""

    def __init__(self, node: Node) -> None:
        self._found: dict[str, list[str]] = {}
        self._node = node
        for item in node.each("properties"):
            name, value = item.text("name") or "", item.text("value") or ""
            self._found.setdefault(name, []).append(value)
            item.close()

    def one(self, name: str) -> str | None:
        """Return a property's first value, and take it out."""
        return next(iter(self._found.pop(name, [])), None)

    def all(self, name: str) -> list[str]:
        """Return all values of a property, and take them out."""
        return self._found.pop(name, [])

    def time(self, name: str) -> Micros | None:
        """Return a property that is a time, and take it out."""
        value = self.one(name)
        return Node({name: value}, self._node.where, self._node.losses).time(name)

    def close(self, node: Node) -> None:
        """Count those that nobody took."""
        for values in self._found.values():
            for _ in values:
                node.lose("properties")


def tool(metadata: Node) -> str:
    """Return the version of Tidegate that wrote a document; other tools are losses."""
    tools = metadata.raw("tools")
    if not isinstance(tools, dict):
        if tools:
            metadata.lose("tools")
        return "0"
    node = Node(tools, metadata.place("tools"), metadata.losses)
    version = "0"
    for tool in node.each("components"):
        if tool.text("name") == "tidegate":
            tool.skip("type")
            version = tool.text("version") or "0"
            tool.close()
        else:
            metadata.losses.add(tool.where)
    node.close()
    return version


def attestation(reference: Node, url: str) -> Attestation | None:
    """Return an attestation of a stage, if a reference is one."""
    digest = parse_digest(url) or next(iter(hashes(reference)), None)
    stage, _, place = (reference.text("comment") or "").partition("; log ")
    if digest is None or stage_of(stage) is None:
        return None
    reference.skip("hashes")
    return Attestation(stage, digest, whole(place))


def hashes(node: Node) -> tuple[Digest, ...]:
    """Return digests; the algorithms that prove nothing are losses."""
    found = []
    for item in node.each("hashes"):
        name, content = item.text("alg") or "", item.text("content") or ""
        digest = digest_of(_ALGORITHMS.get(name, ""), content)
        if digest is None:
            node.losses.add(item.where, f"{name[:20]} is not kept")
        else:
            found.append(digest)
        item.close()
    return tuple(found)


def licence(node: Node) -> tuple[str | None, str | None]:
    """Return an SPDX expression, or what is stated in other words."""
    expressions: list[str] = []
    names: list[str] = []
    for item in node.each("licenses"):
        expression, licence = item.text("expression"), item.child("license")
        if expression:
            expressions.append(expression)
        elif licence is not None:
            spdx, name = licence.text("id"), licence.text("name")
            (expressions if spdx else names).append(spdx or name or "")
            licence.close()
        item.skip("bom-ref")
        item.close()
    if len(expressions) + len(names) > 1:
        node.lose("licenses", "several licences are joined by AND, as if all applied")
    if names:
        return None, " AND ".join([*expressions, *names]) or None
    if len(expressions) > 1:
        return " AND ".join(f"({one})" if " " in one else one for one in expressions), None
    return (expressions[0] if expressions else None), None


def owner(node: Node) -> str | None:
    """Return who answers for a part, by whichever field says so."""
    for key in ("supplier", "manufacturer"):
        if node.raw(key) is None:
            continue
        who = node.child(key)
        name = who.text("name") if who else None
        if who is not None and name:
            who.skip("bom-ref")
            who.close()
            return name
    return node.text("publisher") or node.text("author")


@dataclass
class Facts:
    """What is said inside a data component."""

    name: str | None = None
    label: str | None = None
    owner: str | None = None
    source: str | None = None


def facts(node: Node) -> Facts:
    """Read the first contents of a data component."""
    node.skip("type", "bom-ref")
    contents, governance = node.child("contents"), node.child("governance")
    found = Facts(node.text("name"), node.text("classification"))
    if contents is not None:
        found.source = contents.text("url")
        contents.close()
    if governance is not None:
        for owner in governance.each("owners"):
            organization = owner.child("organization")
            if found.owner is None and organization is not None:
                found.owner = organization.text("name")
                organization.close()
                owner.close()
            else:
                node.losses.add(owner.where)
        governance.close()
    node.close()
    return found


def inline(node: Node) -> DataPart:
    """Read a dataset that a model card holds itself."""
    said = facts(node)
    return DataPart(said.name or "", None, "data", None, said.label, said.owner, None, said.source)


def metrics(analysis: Node) -> Iterator[Metric]:
    """Yield what was measured."""
    for item in analysis.each("performanceMetrics"):
        interval = item.child("confidenceInterval")
        value = item.number("value")
        if value is None:
            analysis.losses.add(item.where, "a metric without a value")
            continue
        yield Metric(
            item.text("type") or "",
            value,
            interval.number("lowerBound") if interval else None,
            interval.number("upperBound") if interval else None,
            item.text("slice"),
        )
        for node in (item, *([interval] if interval else [])):
            node.close()


def considerations(node: Node) -> Considerations:
    """Read what a user should know."""
    ethics = tuple(_pairs(node, "ethicalConsiderations", "name"))
    fairness = tuple(_pairs(node, "fairnessAssessments", "groupAtRisk"))
    out = Considerations(
        node.texts("users"),
        node.texts("useCases"),
        node.texts("technicalLimitations"),
        node.texts("performanceTradeoffs"),
        ethics,
        fairness,
    )
    node.close()
    return out


def _pairs(node: Node, key: str, name: str) -> Iterator[tuple[str, str]]:
    for item in node.each(key):
        yield item.text(name) or "", item.text("mitigationStrategy") or ""
        item.close()


def steps(formula: Node) -> Iterator[Step]:
    """Yield the steps of a formula."""
    for node in formula.each("workflows"):
        told = Properties(node)
        name = stage_of(node.text("name"))
        node.skip("bom-ref", "uid", "taskTypes")
        if name is None:
            node.lose("name", "no name of a stage: read as other")
        yield Step(
            stage=name or "other",
            inputs=tuple(_resources(node, "inputs")),
            outputs=tuple(_resources(node, "outputs")),
            index=whole(told.one("tidegate:log-index")),
            at=node.time("timeStart"),
        )
        told.close(node)
        node.close()
    formula.skip("bom-ref")
    formula.close()


def _resources(node: Node, key: str) -> Iterator[Digest]:
    for item in node.each(key):
        resource = item.child("resource")
        reference = resource.child("externalReference") if resource else None
        digest = parse_digest(reference.text("url")) if reference else None
        if digest is None:
            node.losses.add(item.where, "a resource without a digest")
        else:
            yield digest


def word(node: Node, key: str, kind: type[_Word]) -> _Word | None:
    """Return one of a list of words; another one is a loss."""
    value = node.text(key)
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        node.lose(key, f"no such word: {value[:40]}")
        return None
