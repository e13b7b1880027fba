"""Whether a document is what its format says: by the schema, and by what no schema says.

CycloneDX 1.4 to 1.7 goes through the strict JSON schema of ``cyclonedx-python-lib``. SPDX 3.0.1
goes through the JSON schema of its model, and what a profile that is claimed demands beyond it.
SPDX 2.3 has no schema here: the rules of its specification that a reader relies on are checked one
by one. All but the last need the extra ``bom``.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, Final

from tidegate.core.canonical import Json
from tidegate.core.errors import SubjectError
from tidegate.interop.bom.cyclonedx_read import READ
from tidegate.interop.bom.document import format_of
from tidegate.interop.bom.model import State
from tidegate.interop.bom.reading import parse, printable
from tidegate.interop.bom.spdx import DEMANDED
from tidegate.interop.bom.spdx2_rules import spdx2_problems

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_PROBLEMS: Final = 100
"""Problems of one document that are shown; there may be more."""
MAX_ITEMS: Final = 50_000
"""Length of one list in a document that is checked; some thousand are checked in a second."""
_IRI: Final = re.compile(r"(?:[^\x00-\x20\x7f<>\"{}|\\^`%]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a document."""

    where: str
    """Path in the document."""
    what: str
    """What is wrong."""
    invalid: bool = True
    """Whether the document breaks its format; else it is only unwise."""

    def to_json(self) -> dict[str, Json]:
        """Return the three fields."""
        return {"where": self.where, "what": self.what, "invalid": self.invalid}


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of checking one document."""

    format: str
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether it keeps to its format."""
        return not any(problem.invalid for problem in self.problems)

    def to_json(self) -> dict[str, Json]:
        """Return the verdict and its reasons."""
        return {
            "format": self.format,
            "valid": self.valid,
            "problems": [problem.to_json() for problem in self.problems],
        }


def validate_bom(data: bytes) -> Validation:
    """Check a document.

    Raises:
        SubjectError: It is no bill of materials, or too big to be checked.
        ModuleNotFoundError: The extra ``bom`` is not installed.
    """
    document = parse(data)
    form = format_of(document)
    _bounded(document)
    if form == "spdx-2.3":
        found: Iterable[Problem] = (Problem(*pair) for pair in spdx2_problems(document))
    elif form.startswith("cyclonedx-"):
        found = _cyclonedx(document, form)
    else:
        found = _spdx(document)
    return Validation(form, tuple(islice(found, MAX_PROBLEMS)))


def _cyclonedx(document: Json, form: str) -> Iterator[Problem]:
    version = form.removeprefix("cyclonedx-")
    if version not in READ:
        yield Problem("specVersion", f"a version that is not checked: {', '.join(READ)} are")
        return
    broken = False
    for error in _cyclonedx_checker(version).iter_errors(document):
        broken = True
        yield Problem(_path(error.absolute_path), _closest(error))
    if not broken:
        yield from _unwise(document)


def _unwise(document: Mapping[str, Json]) -> Iterator[Problem]:
    """Find what the schema allows and a reader stumbles over."""
    refs = Counter(_refs(document))
    for ref, count in refs.items():
        if count > 1:
            yield Problem("bom-ref", f"{printable(ref)} is given {count} times", invalid=False)
    for node in document.get("dependencies", []):
        for ref in (node["ref"], *node.get("dependsOn", [])):
            if ref not in refs and not str(ref).startswith("urn:cdx:"):
                yield Problem("dependencies", f"there is no part {printable(ref)}", invalid=False)
    for place, node in enumerate(document.get("vulnerabilities", [])):
        told = node.get("analysis", {})
        reason = told.get("justification") or told.get("detail")
        if told.get("state") == State.NOT_AFFECTED and not reason:
            where = f"vulnerabilities.{place}.analysis"
            yield Problem(where, "not_affected without a reason", invalid=False)


def _refs(value: Json) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if isinstance(ref := item.get("bom-ref"), str):
                yield ref
            stack += item.values()
        elif isinstance(item, list):
            stack += item


def _spdx(document: Mapping[str, Json]) -> Iterator[Problem]:
    schema = _spdx_schema()
    graph = document.get("@graph", [document])
    if "@graph" in document and document.keys() - {"@context", "@graph"}:
        yield Problem("", "fields beside @context and @graph")
    known: set[str] = set()
    for place, node in enumerate(graph if isinstance(graph, list) else []):
        kind = node.get("type") if isinstance(node, dict) else None
        check = _checker(kind) if isinstance(kind, str) and kind in schema["$defs"] else None
        if check is None:
            yield Problem(f"@graph.{place}.type", "no type of SPDX 3.0.1")
            continue
        inner = {key: node[key] for key in node if key != "@context"}
        for error in check.iter_errors(inner):
            where = _path(("@graph", place, *error.absolute_path))
            yield Problem(where, _closest(error))
        ref = node.get("spdxId")
        if isinstance(ref, str):
            if ref in known:
                yield Problem(f"@graph.{place}.spdxId", "given twice")
            known.add(ref)
    if document.get("@context") != "https://spdx.org/rdf/3.0.1/spdx-context.jsonld":
        yield Problem("@context", "not the context of SPDX 3.0.1")
    nodes = [node for node in graph if isinstance(node, dict)] if isinstance(graph, list) else []
    yield from _profiles(nodes)


def _profiles(nodes: list[dict[str, Json]]) -> Iterator[Problem]:
    """Find what a profile that is claimed demands and is not there."""
    lists = [node.get("profileConformance") for node in nodes]
    claims = {str(name) for names in lists if isinstance(names, list) for name in names}
    said = Counter(
        (n.get("from"), n.get("relationshipType")) for n in nodes if n.get("type") == "Relationship"
    )
    kinds = {"ai": "ai_AIPackage", "dataset": "dataset_DatasetPackage"}
    for profile in sorted(claims & kinds.keys()):
        for node in (node for node in nodes if node.get("type") == kinds[profile]):
            where = printable(str(node.get("spdxId")))
            for field in DEMANDED[profile]:
                if not node.get(field):
                    yield Problem(where, f"the profile {profile} demands {field}")
            for relation in ("hasDeclaredLicense", "hasConcludedLicense"):
                if said[node.get("spdxId"), relation] != 1:
                    yield Problem(where, f"the profile {profile} demands one {relation}")


@cache
def _cyclonedx_checker(version: str) -> "Validator":
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - an extra
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - an extra
    from jsonschema import Draft7Validator, FormatChecker  # noqa: PLC0415 - an extra
    from jsonschema.validators import extend  # noqa: PLC0415 - an extra

    # The library's schema and registry, without two checks of it that take quadratic time or more:
    # lists compared item by item, and addresses parsed by a general grammar.
    library: Json = JsonStrictValidator(SchemaVersion.from_version(version))
    theirs = library._validator  # noqa: SLF001 - it hands out no schema in another way
    formats = FormatChecker(())
    formats.checkers = {**Draft7Validator.FORMAT_CHECKER.checkers, "iri-reference": (_iri, ())}
    kind = extend(Draft7Validator, {"uniqueItems": _unique})
    registry = theirs._registry  # noqa: SLF001 - same
    checker: Validator = kind(theirs.schema, registry=registry, format_checker=formats)
    return checker


def _iri(value: object) -> bool:
    """Tell whether a text can be an IRI reference (RFC 3987, section 2.2), in linear time."""
    return not isinstance(value, str) or _IRI.fullmatch(value) is not None


def _unique(_: Json, wanted: Json, items: Json, __: Json) -> Iterator[Exception]:
    from jsonschema import ValidationError  # noqa: PLC0415 - an extra

    if wanted and isinstance(items, list):
        texts = {json.dumps(item, sort_keys=True) for item in items}
        if len(texts) < len(items):
            yield ValidationError("the same item is there twice")


@cache
def _spdx_schema() -> dict[str, Json]:
    place = files("tidegate.interop.bom") / "data" / "spdx-3.0.1.schema.json"
    schema: dict[str, Json] = json.loads(place.read_text("utf-8"))
    for name, kind in schema["$defs"].items():
        if name.endswith("_derived"):
            # Most values are names of elements: try that first, and sixty classes after it.
            kind["anyOf"].reverse()
    return schema


@cache
def _checker(kind: str) -> "Validator":
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - an extra

    # The schema of the whole tries each class for each element; the type says which one it is.
    schema = {**_spdx_schema(), "$ref": f"#/$defs/{kind}", "unevaluatedProperties": False}
    for key in ("if", "then", "else", "properties", "required"):
        schema.pop(key, None)
    return Draft202012Validator(schema)


def _closest(error: Json) -> str:
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - an extra

    near = best_match([error]) or error
    return printable(str(near.message)[:200])


def _path(parts: Iterable[object]) -> str:
    return printable(".".join(str(part) for part in parts))


def _bounded(document: Json) -> None:
    """Refuse lists that would take a checker for ever.

    Raises:
        SubjectError: There is one.
    """
    stack = [document]
    while stack:
        item = stack.pop()
        if isinstance(item, list) and len(item) > MAX_ITEMS:
            raise SubjectError(
                "too big to be checked",
                cause=f"a list has {len(item)} items; {MAX_ITEMS} are the most",
                next_step="check its parts one by one",
                slug="bom-size",
            )
        if isinstance(item, dict | list):
            stack += item.values() if isinstance(item, dict) else item
