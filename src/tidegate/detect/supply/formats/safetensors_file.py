"""Examines a safetensors file: its header's rules, and what its metadata says.

The format: eight bytes of header length, a JSON object of tensors, then their bytes without holes.
Loading runs no code; a wrong header leads a careless reader out of bounds, or hides data.
"""

from collections.abc import Mapping
from math import prod

from tidegate.core.canonical import Json, loads
from tidegate.core.errors import VerificationError
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

_MAX_HEADER = 100_000_000
_PREFIX = 8
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


def looks_like(data: Buffer) -> bool:
    """Tell whether content has the prefix and the opening brace."""
    length = int.from_bytes(data[:_PREFIX], "little")
    room = len(data) - _PREFIX
    return data[_PREFIX : _PREFIX + 1] == b"{" and 1 < length <= min(_MAX_HEADER, room)


def scan_safetensors(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`looks_like` one."""
    length = int.from_bytes(data[:_PREFIX], "little")
    try:
        header = loads(
            data[_PREFIX : _PREFIX + length], what="a safetensors header", limit=_MAX_HEADER
        )
    except VerificationError as error:
        scan.find("header-malformed", str(error)[:200], _PREFIX)
        return
    if not isinstance(header, dict):
        scan.find("header-malformed", "the header is no object", _PREFIX)
        return
    metadata = header.pop("__metadata__", {})
    if isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values()):
        for name, text in metadata.items():
            examine_metadata(name, text, scan)
    else:
        scan.find("header-malformed", "the metadata is no map of strings", _PREFIX)
    _tensors(header, len(data) - _PREFIX - length, scan)


def _tensors(header: Mapping[str, Json], room: int, scan: Scan) -> None:
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        span = _span(entry)
        if span is None:
            scan.find("header-malformed", f"tensor {name[:80]!r} has no valid entry", _PREFIX)
        else:
            spans.append((*span, name))
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            what = "overlaps another" if begin < position else "leaves a hole before it"
            scan.find("header-malformed", f"tensor {name[:80]!r} {what}", _PREFIX)
        position = max(position, end)
    if position > room:
        scan.find("header-malformed", "tensors reach beyond the end of the file", _PREFIX)
    elif position < room:
        scan.find("trailing-data", f"{room - position} bytes belong to no tensor")


def _span(entry: Json) -> tuple[int, int] | None:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return None
    bits, shape, offsets = _BITS.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    if bits is None or not _counts(shape) or not _counts(offsets) or len(offsets) != 2:  # noqa: PLR2004 - begin and end
        return None
    begin, end = offsets
    fits = begin <= end and (end - begin) * 8 == bits * prod(shape)
    return (begin, end) if fits else None


def _counts(value: Json) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)
