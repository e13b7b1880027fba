"""Fields of SPDX 3.0.1 elements, read into values of the one model."""

from collections.abc import Iterator
from typing import Final

from tidegate.core.canonical import loads
from tidegate.core.digest import Digest
from tidegate.core.errors import VerificationError
from tidegate.interop.bom.model import Attestation, Considerations, Metric
from tidegate.interop.bom.reading import Node, digest_of, parse_digest, stage_of, whole
from tidegate.interop.bom.spdx_terms import (
    HASHES,
    considerations_from,
    from_lines,
    lines,
    metric_entries,
    metrics_from,
)

_ALGORITHMS: Final = {theirs: ours for ours, theirs in HASHES.items()}


class Properties:
    """The names and values that an element's extension carries."""

    def __init__(self, node: Node) -> None:
        self._found: dict[str, list[str]] = {}
        self._node = node
        for extension in node.each("extension"):
            if extension.text("type") != "extension_CdxPropertiesExtension":
                node.lose("extension")
                continue
            for item in extension.each("extension_cdxProperty"):
                name = item.text("extension_cdxPropName") or ""
                value = item.text("extension_cdxPropValue") or ""
                self._found.setdefault(name, []).append(value)

    def one(self, name: str) -> str | None:
        """Return a property's first value, and take it out."""
        return next(iter(self._found.pop(name, [])), None)

    def every(self, name: str) -> list[str]:
        """Return all values of a property, and take them out."""
        return self._found.pop(name, [])

    def close(self) -> None:
        """Count those that nobody took."""
        for values in self._found.values():
            for _ in values:
                self._node.lose("extension", "a property is not kept")


def hashes(node: Node) -> tuple[Digest, ...]:
    """Return the digests of an element; the algorithms that prove nothing are losses."""
    found = []
    for item in node.each("verifiedUsing"):
        name, value = item.text("algorithm") or "", item.text("hashValue") or ""
        item.skip("type")
        digest = digest_of(_ALGORITHMS.get(name, ""), value)
        if digest is None:
            node.losses.add(item.where, f"{name[:20] or 'a method'} is not kept")
        else:
            found.append(digest)
            item.close()
    return tuple(found)


def one_hash(node: Node) -> Digest | None:
    """Return the first digest of an element; further ones are losses."""
    found = hashes(node)
    if len(found) > 1:
        node.lose("verifiedUsing", "further hashes are not kept")
    return found[0] if found else None


def attestations(node: Node) -> Iterator[Attestation]:
    """Yield what an element refers to as attestations of a stage."""
    for item in node.each("externalRef"):
        locators = item.texts("locator")
        digest = parse_digest(locators[0]) if len(locators) == 1 else None
        stage, _, place = (item.text("comment") or "").partition("; log ")
        kind = item.text("externalRefType")
        if kind != "secureSoftwareAttestation" or digest is None or not stage_of(stage):
            node.losses.add(item.where, f"a reference of type {(kind or 'none')[:40]}")
            continue
        item.skip("type")
        item.close()
        yield Attestation(stage, digest, whole(place))


def metrics(node: Node, told: Properties) -> tuple[Metric, ...]:
    """Return metrics: with intervals, where the property that has them agrees with the field."""
    entries = []
    for item in node.each("ai_metric"):
        name, value = item.text("key") or "", item.number("value")
        item.skip("type")
        if value is None:
            node.losses.add(item.where, "a metric without a value")
        else:
            entries.append((name, value))
        item.close()
    native = tuple(Metric(name, value) for name, value in entries)
    text = told.one("tidegate:metrics")
    if text is None:
        return native
    try:
        full = metrics_from(loads(text.encode(), what="a property"))
    except (ValueError, VerificationError):
        full = ()
    if full and (metric_entries(full) == entries or node.text("type") != "ai_AIPackage"):
        return full
    node.lose("extension", "tidegate:metrics contradicts ai_metric, which counts")
    return native


def considerations(node: Node, told: Properties) -> Considerations:
    """Return considerations: whole, where the property that has them agrees with the fields."""
    uses, limits = node.text("ai_informationAboutApplication"), node.text("ai_limitation")
    native = Considerations(use_cases=from_lines(uses), limitations=from_lines(limits))
    text = told.one("tidegate:considerations")
    if text is None:
        return native
    try:
        full = considerations_from(loads(text.encode(), what="a property"))
    except (ValueError, VerificationError):
        full = Considerations()
    agree = (lines(full.use_cases), lines(full.limitations)) == (uses, limits)
    if full != Considerations() and (agree or node.text("type") != "ai_AIPackage"):
        return full
    node.lose("extension", "tidegate:considerations contradicts the fields, which count")
    return native
