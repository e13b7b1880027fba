"""Examines OCI and Docker manifests: images, ModelPack and KitOps artifacts, modelcars, indexes.

The layers themselves are blobs and examined as such. Here: where they come from, and what names
their files would get (OCI image specification 1.1; model specification of the CNCF).
"""

import base64
import binascii
import hashlib
import re
from typing import Final

from tidegate.core.canonical import Json
from tidegate.detect.supply.archives.member_names import unsafe_name
from tidegate.detect.supply.archives.windows import blocks
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_BLOB: Final = re.compile(r"(?:^|[/!])blobs/(sha256|sha512)/([0-9a-f]+)$")
_NAMES: Final = ("org.opencontainers.image.title", "org.cncf.model.filepath")
_HEX: Final = {"sha256": 64, "sha512": 128}
_VERSION: Final = 2


def looks_like(value: dict[str, Json]) -> bool:
    """Tell whether it is a manifest or an index."""
    listed = isinstance(value.get("layers"), list) or isinstance(value.get("manifests"), list)
    return value.get("schemaVersion") == _VERSION and listed


def examine(value: dict[str, Json], scan: Scan) -> None:
    """Examine each descriptor of a manifest or an index."""
    parts = [value.get("config"), value.get("subject")]
    for key in ("layers", "manifests", "blobs"):
        listed = value.get(key)
        parts += listed if isinstance(listed, list) else []
    for part in parts:
        if part is None:
            continue
        if isinstance(part, dict):
            _descriptor(part, scan)
        else:
            scan.find("header-malformed", "a descriptor is no object")


def _descriptor(part: dict[str, Json], scan: Scan) -> None:
    digest, size = str(part.get("digest")), part.get("size")
    shown = printable(digest, 24)
    if not _DIGEST.fullmatch(digest) or type(size) is not int or size < 0:
        scan.find("header-malformed", f"the descriptor {shown} has no valid digest and size")
        return
    media = str(part.get("mediaType"))
    if part.get("urls") or "nondistributable" in media or ".foreign." in media:
        scan.find("config-reference", f"the blob {shown} comes from addresses of its own")
    notes = part.get("annotations")
    for key in _NAMES:
        name = notes.get(key) if isinstance(notes, dict) else None
        if isinstance(name, str) and unsafe_name(name.encode("utf-8", "replace")):
            scan.find("archive-slip", f"a layer is to be written to {printable(name, 120)}")
    if isinstance(part.get("data"), str):
        _inline(part["data"], digest, size, scan)


def _inline(text: str, digest: str, size: int, scan: Scan) -> None:
    """Check and examine content that a descriptor carries itself."""
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        scan.find("header-malformed", "embedded content is no base64")
        return
    algorithm, _, wanted = digest.partition(":")
    if len(body) != size or hashlib.new(algorithm, body).hexdigest() != wanted:
        scan.find("blob-digest", f"embedded content is not {printable(digest, 24)}")
    with scan.inside("data") as inner:
        scan.descend(inner, body)


def check_blob(data: Buffer, scan: Scan) -> None:
    """Compare content with the digest that it is stored under in an image layout."""
    found = _BLOB.search(scan.path)
    if found is None:
        return
    algorithm, wanted = found[1], found[2]
    if len(wanted) != _HEX[algorithm]:
        scan.find("blob-digest", "it is stored under what is no digest", 0)
        return
    digest = hashlib.new(algorithm)
    for _, block in blocks(data):
        digest.update(block)
    if digest.hexdigest() != wanted:
        scan.find("blob-digest", f"its {algorithm} is {digest.hexdigest()[:16]}…", 0)
