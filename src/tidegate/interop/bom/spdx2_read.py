"""Reading SPDX 2.3 (JSON) into the one model: software, since 2.3 knows no models and no data."""

import re
from dataclasses import replace
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.interop.bom.model import Bom, ImagePart, ModelPart, Package
from tidegate.interop.bom.reading import Losses, Node, digest_of

NOTHING: Final = frozenset({"NOASSERTION", "NONE"})
HASHES: Final = {
    "SHA256": "sha256",
    "SHA384": "sha384",
    "SHA512": "sha512",
    "BLAKE2b-512": "blake2b",
    "BLAKE3": "blake3",
}
"""SPDX 2.3's names of the algorithms that prove something, and ours."""
PURPOSES: Final = {
    "APPLICATION": "application",
    "FRAMEWORK": "framework",
    "LIBRARY": "library",
    "OPERATING-SYSTEM": "operating-system",
    "DEVICE": "device",
    "FIRMWARE": "firmware",
}
_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_WHO: Final = re.compile(r"(?:Organization|Person): (.+?)(?: \([^()]*\))?")
_ROOT: Final = frozenset({"DESCRIBES", "DESCRIBED_BY"})
_HOLDS: Final = frozenset({"CONTAINS", "CONTAINED_BY", "DEPENDS_ON", "DEPENDENCY_OF"})


def read_spdx2(document: Json, losses: Losses) -> Bom:
    """Read a document that is JSON already.

    Raises:
        SubjectError: A field has another type than SPDX gives it.
    """
    root = Node(document, "", losses)
    root.skip("spdxVersion", "SPDXID", "name", "dataLicense", "documentNamespace")
    info = root.child("creationInfo") or Node({}, "creationInfo", losses)
    made_at = info.time("created")
    info.close()
    roots = _roots(root)
    nodes = [(node.text("SPDXID") or "", node) for node in root.each("packages")]
    top = next((ref for ref, _ in nodes if ref in roots), None)
    parts, images, model = [], [], None
    for ref, node in nodes:
        part = _package(node)
        for key in ("copyrightText",) if ref == top else ("copyrightText", "downloadLocation"):
            if node.text(key) not in {None, *NOTHING}:
                node.lose(key)
        if ref == top:
            model = _subject(part, node)
        elif node.text("primaryPackagePurpose") == "CONTAINER":
            digest = part.hashes[0] if part.hashes else None
            images.append(ImagePart(part.name, digest, part.version or None))
        else:
            parts.append(part)
        node.close()
    files = _files(root)
    if files and model is None:
        losses.add("files[]", "files of no package that the document is about")
    root.close()
    held = model and replace(model, files=files)
    return Bom(held, made_at, packages=tuple(parts), images=tuple(images)).ordered()


def _roots(root: Node) -> set[str]:
    found = set(root.texts("documentDescribes"))
    for node in root.each("relationships"):
        start, end = node.text("spdxElementId") or "", node.text("relatedSpdxElement") or ""
        kind = node.text("relationshipType") or ""
        if kind in _ROOT:
            found |= {start, end} - {_DOCUMENT}
        elif kind in _HOLDS:
            root.losses.add("relationships[]", "which part holds or needs which is not kept")
        else:
            root.losses.add("relationships[]", f"{kind[:40]} is not kept")
        node.close()
    return found


def _package(node: Node) -> Package:
    purls = []
    for item in node.each("externalRefs"):
        if item.text("referenceType") == "purl":
            item.skip("referenceCategory")
            purls.append(item.text("referenceLocator") or "")
            item.close()
        else:
            node.losses.add(item.where)
    if len(purls) > 1:
        node.lose("externalRefs", "further package URLs are not kept")
    node.skip("SPDXID", "filesAnalyzed", "primaryPackagePurpose")
    return Package(
        name=node.text("name") or "",
        version=node.text("versionInfo") or "",
        licence=_licence(node),
        purl=purls[0] or None if purls else None,
        kind=PURPOSES.get(node.text("primaryPackagePurpose") or "LIBRARY", "library"),
        hashes=_hashes(node),
        owner=_who(node),
    )


def _subject(part: Package, node: Node) -> ModelPart:
    place = node.text("downloadLocation")
    return ModelPart(
        part.name,
        part.version,
        part.hashes,
        description=node.text("description"),
        owner=part.owner,
        licence=part.licence,
        kind=part.kind if node.text("primaryPackagePurpose") else "application",
        purl=part.purl,
        url=None if place in NOTHING else place,
    )


def _files(root: Node) -> dict[str, Digest]:
    found: dict[str, Digest] = {}
    for node in root.each("files"):
        name, hashes = node.text("fileName") or "", _hashes(node)
        node.skip("SPDXID", "licenseInfoInFiles")
        if not hashes or name in found:
            why = "a second file of one name" if hashes else "a file without a hash that counts"
            root.losses.add("files[]", why)
            continue
        found[name] = hashes[0]
        for key in ("licenseConcluded", "copyrightText"):
            if node.text(key) not in {None, *NOTHING}:
                node.lose(key)
        node.close()
    return found


def _licence(node: Node) -> str | None:
    declared, concluded = node.text("licenseDeclared"), node.text("licenseConcluded")
    said = [text for text in (declared, concluded) if text and text not in NOTHING]
    if len(set(said)) > 1:
        node.lose("licenseConcluded", "not kept beside a declared one")
    return said[0] if said else None


def _hashes(node: Node) -> tuple[Digest, ...]:
    found = []
    for item in node.each("checksums"):
        name = item.text("algorithm") or ""
        digest = digest_of(HASHES.get(name, ""), item.text("checksumValue") or "")
        if digest is None:
            node.losses.add(item.where, f"{name[:20]} is not kept")
        else:
            found.append(digest)
        item.close()
    return tuple(found)


def _who(node: Node) -> str | None:
    for key in ("supplier", "originator"):
        text = node.text(key)
        found = _WHO.fullmatch(text) if text and text not in NOTHING else None
        if found:
            return found[1]
    return None
