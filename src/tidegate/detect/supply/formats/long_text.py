"""Examines text that is too long to be held as values, in stretches that overlap.

Vocabularies, merge tables and tree ensembles are text of tens of megabytes. Looked for is the same
as in short text: secrets, keys that name code, templates, tags, source code. What would have to be
judged in its context is a gap.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Final

from tidegate.detect.supply.archives.windows import Part, blocks
from tidegate.detect.supply.formats.templates import examine_template
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_payload, examine_secrets

_HELD: Final = 1 << 23
_STEP: Final = 1 << 20
_OVERLAP: Final = 1 << 12
_TEMPLATE: Final = 1 << 18
_CONTROLS: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_CODE_KEYS: Final = (
    "auto_map", "custom_pipelines", "custom_objects", "_target_", "loader_module", "auto_mapping",
    "class_path", "trust_remote_code",
)  # fmt: skip
_KEYS: Final = re.compile(
    rb'"(?:%s)"\s*:\s*[^\s,}]' % "|".join(_CODE_KEYS[:-1]).encode()
    + rb'|"trust_remote_code"\s*:\s*true|"class_name"\s*:\s*"(?:TFOpLambda|Lambda|SlicingOpLambda)"'
)
_TAG: Final = re.compile(rb"!!?python/|^\s*_target_\s*:", re.MULTILINE)
_SOURCE: Final = re.compile(
    rb"^(?:#!|import [\w.]+$|from [\w.]+ import |def \w+\(|class \w+[(:])", re.MULTILINE
)
_LONGEST_MARK: Final = 16
"""A vocabulary holds the marks of templates as words; a template that does something is longer."""


def scan_long(data: Buffer, scan: Scan) -> str | None:
    """Examine a long text; ``None`` where it is none."""
    if not _is_text(data, scan):
        return None
    head = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"["):
        return scan_long_json(data, scan)
    for at, body in _stretches(data, scan):
        examine_secrets(body.decode("utf-8", "replace"), scan, at)
        tag = _TAG.search(body)
        if tag:
            scan.find("config-code", "YAML in it names code to load", at + tag.start())
        if _SOURCE.search(body):
            scan.gap("source code is not judged by the model scanner")
        if b"{%" in body:
            scan.gap("a text with templates, longer than is examined", failed=True)
    return "text"


def scan_long_json(data: Buffer, scan: Scan) -> str:
    """Examine JSON of more values than are held."""
    for at, body in _stretches(data, scan):
        examine_secrets(body.decode("utf-8", "replace"), scan, at)
        if b'"class_name"' in body and len(data) > _HELD:
            scan.gap("a Keras configuration longer than is examined", failed=True)
        key = _KEYS.search(body)
        if key:
            scan.find("config-code", "a key names code to load", at + key.start())
    for at, text in _strings(data, scan):
        _text(at, text, scan)
    return "json"


def _text(at: int, text: bytes, scan: Scan) -> None:
    """Examine one string of a long document."""
    shown = _unquoted(text) if b"\\" in text else text[1:-1].decode("utf-8", "replace")
    if b"\\" in text and shown in _CODE_KEYS:
        scan.find("config-code", "a key names code to load, in escapes", at)
    if len(shown) > _LONGEST_MARK and ("{{" in shown or "{%" in shown):
        examine_template(shown[:_TEMPLATE], scan, strict="{%" in shown)
    if len(text) > 64:  # noqa: PLR2004 - shorter holds no program
        examine_payload(text[1:80].decode("ascii", "replace"), scan)
    if len(text) > _TEMPLATE:
        scan.gap(f"a string at {at} that is longer than is examined")


def _unquoted(text: bytes) -> str:
    """Return what a JSON string says; its own text where its escapes are not valid."""
    shown = text.decode("utf-8", "replace")
    try:
        return str(json.loads(shown, strict=False))
    except ValueError:
        return shown


def _is_text(data: Buffer, scan: Scan) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at, body in blocks(data):
            scan.meter.expand(0)
            if _CONTROLS.search(body):
                return False
            decoder.decode(body, final=at + len(body) >= len(data))
    except UnicodeDecodeError:
        return False
    return True


def _stretches(data: Buffer, scan: Scan) -> Iterator[tuple[int, bytes]]:
    for at, body in blocks(data, more=_OVERLAP):
        scan.meter.expand(0)
        yield at, body


def _strings(data: Buffer, scan: Scan) -> Iterator[tuple[int, bytes]]:
    """Yield the strings of a document, in order, whatever lies between them."""
    at = 0
    source = data if isinstance(data, bytes) else Part(data, 0, len(data))
    while at < len(data):
        scan.meter.expand(0)
        body = source[at : at + _STEP]
        last = 0
        for found in _STRING.finditer(body):
            if found.end() == len(body) and at + _STEP < len(data):
                break  # it may go on in the next stretch
            yield at + found.start(), found[0]
            last = found.end()
        whole = at + len(body) >= len(data)
        opened = body.find(b'"', last)
        if whole or opened < 0:
            at += len(body)
        elif last == 0 and opened == 0:
            scan.gap(f"a string at {at} that is longer than is examined")
            return
        else:
            at += opened
