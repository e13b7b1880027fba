"""The rules of SPDX 2.3 (ISO/IEC 5962's successor, clauses 6 to 11) that a reader relies on.

They are written from the specification: there is no schema of SPDX 2.3 here. Licence expressions,
snippets and annotations are not checked.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tidegate.core.canonical import Json
from tidegate.interop.bom.reading import printable

_ID: Final = re.compile(r"SPDXRef-[A-Za-z0-9.-]+")
_FOREIGN: Final = re.compile(r"DocumentRef-[A-Za-z0-9.+-]+:SPDXRef-[A-Za-z0-9.-]+")
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_MAKER: Final = re.compile(r"(?:Person|Organization|Tool): .+")
_LENGTHS: Final = {
    "MD2": 32, "MD4": 32, "MD5": 32, "MD6": None, "SHA1": 40, "SHA224": 56, "SHA256": 64,
    "SHA384": 96, "SHA512": 128, "SHA3-256": 64, "SHA3-384": 96, "SHA3-512": 128,
    "BLAKE2b-256": 64, "BLAKE2b-384": 96, "BLAKE2b-512": 128, "BLAKE3": None, "ADLER32": 8,
}  # fmt: skip
_RELATION_NAMES: Final = """
    AMENDS ANCESTOR_OF BUILD_DEPENDENCY_OF BUILD_TOOL_OF CONTAINED_BY CONTAINS COPY_OF DATA_FILE_OF
    DEPENDENCY_MANIFEST_OF DEPENDENCY_OF DEPENDS_ON DESCENDANT_OF DESCRIBED_BY DESCRIBES
    DEV_DEPENDENCY_OF DEV_TOOL_OF DISTRIBUTION_ARTIFACT DOCUMENTATION_OF DYNAMIC_LINK EXAMPLE_OF
    EXPANDED_FROM_ARCHIVE FILE_ADDED FILE_DELETED FILE_MODIFIED GENERATED_FROM GENERATES
    HAS_PREREQUISITE METAFILE_OF OPTIONAL_COMPONENT_OF OPTIONAL_DEPENDENCY_OF OTHER PACKAGE_OF
    PATCH_APPLIED PATCH_FOR PREREQUISITE_FOR PROVIDED_DEPENDENCY_OF REQUIREMENT_DESCRIPTION_FOR
    RUNTIME_DEPENDENCY_OF SPECIFICATION_FOR STATIC_LINK TEST_CASE_OF TEST_DEPENDENCY_OF TEST_OF
    TEST_TOOL_OF VARIANT_OF"""
_RELATIONS: Final = frozenset(_RELATION_NAMES.split())
_NOTHING: Final = frozenset({"NOASSERTION", "NONE"})

_Found = Iterator[tuple[str, str]]


def spdx2_problems(document: Mapping[str, Json]) -> _Found:
    """Yield where a document breaks the rules, and how."""
    if document.get("SPDXID") != "SPDXRef-DOCUMENT":
        yield "SPDXID", "it is SPDXRef-DOCUMENT"
    if document.get("dataLicense") != "CC0-1.0":
        yield "dataLicense", "it is CC0-1.0"
    yield from _demand(document, "", ("name", "documentNamespace"))
    name = document.get("documentNamespace")
    if isinstance(name, str) and ("#" in name or ":" not in name):
        yield "documentNamespace", "it is an absolute URI without a fragment"
    yield from _creation(document.get("creationInfo"))
    ids: set[Json] = {"SPDXRef-DOCUMENT"}
    demanded = {"packages": ("name", "downloadLocation"), "files": ("fileName",), "snippets": ()}
    for key, fields in demanded.items():
        for where, node in _objects(document, key):
            if node is None:
                yield where, "it is an object"
                continue
            yield from _demand(node, where, fields)
            yield from _identity(node, where, ids)
            yield from _checksums(node, where)
            if key == "files" and not node.get("checksums"):
                yield where, "a file has a SHA1 checksum"
    yield from _relations(document, ids)


def _creation(value: Json) -> _Found:
    if not isinstance(value, dict):
        yield "creationInfo", "it is missing"
        return
    created, makers = value.get("created"), value.get("creators")
    if not isinstance(created, str) or not _TIME.fullmatch(created):
        yield "creationInfo.created", "it is a time in UTC, as in 2026-01-31T12:00:00Z"
    right = isinstance(makers, list) and makers
    if not right or not all(isinstance(m, str) and _MAKER.fullmatch(m) for m in makers or ()):
        yield "creationInfo.creators", "each begins with Person:, Organization: or Tool:"


def _identity(node: Mapping[str, Json], where: str, ids: set[Json]) -> _Found:
    ref = node.get("SPDXID")
    if not isinstance(ref, str) or not _ID.fullmatch(ref):
        yield f"{where}.SPDXID", "it is SPDXRef- and letters, digits, dots, dashes"
    elif ref in ids:
        yield f"{where}.SPDXID", "given twice"
    else:
        ids.add(ref)


def _checksums(node: Mapping[str, Json], where: str) -> _Found:
    for place, item in _objects(node, "checksums"):
        path = f"{where}.{place}"
        name = item.get("algorithm") if item else None
        value = item.get("checksumValue") if item else None
        if name not in _LENGTHS or not isinstance(value, str):
            yield path, "it has an algorithm of SPDX 2.3 and a value"
            continue
        size = _LENGTHS[name]
        if not re.fullmatch(r"[0-9a-f]+", value) or size not in {None, len(value)}:
            yield path, f"not a value of {name}"


def _relations(document: Mapping[str, Json], ids: set[Json]) -> _Found:
    for where, node in _objects(document, "relationships"):
        if node is None:
            yield where, "it is an object"
            continue
        if node.get("relationshipType") not in _RELATIONS:
            yield f"{where}.relationshipType", "no such type"
        for key in ("spdxElementId", "relatedSpdxElement"):
            ref = node.get(key)
            foreign = isinstance(ref, str) and _FOREIGN.fullmatch(ref)
            open_end = key == "relatedSpdxElement" and ref in _NOTHING
            if not (isinstance(ref, str) and (ref in ids or foreign or open_end)):
                yield f"{where}.{key}", f"there is no element {printable(str(ref))}"
    described = document.get("documentDescribes", [])
    for ref in described if isinstance(described, list) else [described]:
        if not isinstance(ref, str) or ref not in ids:
            yield "documentDescribes", f"there is no element {printable(str(ref))}"


def _demand(node: Mapping[str, Json], where: str, fields: tuple[str, ...]) -> _Found:
    for field in fields:
        if not isinstance(node.get(field), str) or not node[field]:
            yield f"{where}.{field}".lstrip("."), "it is missing, or no text"


def _objects(node: Mapping[str, Json], key: str) -> Iterator[tuple[str, Mapping[str, Json] | None]]:
    value = node.get(key)
    if value is not None and not isinstance(value, list):
        yield key, None
        return
    for place, item in enumerate(value or []):
        yield f"{key}.{place}", item if isinstance(item, dict) else None
