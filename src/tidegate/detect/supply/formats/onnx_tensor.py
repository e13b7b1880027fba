"""Examines one tensor of an ONNX model: where its bytes come from, and how many they are."""

from dataclasses import dataclass, field
from math import prod
from typing import Final

from tidegate.detect.supply.formats.outside import leads_out
from tidegate.detect.supply.formats.protobuf import (
    STRING_MAP,
    VARINT,
    Field,
    Schema,
    span_of,
    texts,
)
from tidegate.detect.supply.formats.reading import FormatError
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_TENSOR: Final = Schema(
    "an ONNX tensor",
    varint=(1, 2, 5, 7, 11, 14),
    data=(3, 6, 8, 9, 12, 13, 16),
    fixed32=(4,),
    fixed64=(10,),
)
_DIMS, _TYPE, _RAW, _EXTERNAL, _LOCATION = 1, 2, 9, 13, 14
_MAX_RANK: Final = 64
_MAX_PARTS: Final = 16
_LONGEST: Final = 10 * _MAX_RANK
# data_type: bits an element (onnx.proto, TensorProto.DataType); text has none.
_BITS: Final = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64,
    15: 128, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip


@dataclass(slots=True)
class _Told:
    """What a tensor says of itself."""

    shape: list[int] = field(default_factory=list[int])
    kind: int = 0
    raw: int | None = None
    """Bytes in the file."""
    outside: bool = False
    external: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def examine(data: Buffer, span: tuple[int, int], scan: Scan) -> None:
    """Examine the tensor in a span.

    Raises:
        FormatError: It can't be read.
    """
    told = _read(data, span, scan)
    if told.outside or told.external:
        _external(told, span[0], scan)
    elif told.raw is not None and told.kind not in _BITS:
        scan.gap(f"tensors of type {told.kind} are not known")
    elif told.raw is not None and told.raw != -(-_BITS[told.kind] * prod(told.shape) // 8):
        scan.find("header-malformed", "a tensor's bytes do not fit its shape", span[0])


def _read(data: Buffer, span: tuple[int, int], scan: Scan) -> _Told:
    told = _Told()
    for item in _TENSOR.walk(data, span, scan):
        if item.number == _DIMS:
            told.shape += _integers(data, item)
        elif item.number == _TYPE:
            told.kind = item.value
        elif item.number == _RAW:
            told.raw = item.stop - item.start
        elif item.number == _EXTERNAL:
            pair = texts(data, span_of(item), scan, STRING_MAP)
            told.external.append((pair.get(1, ""), pair.get(2, "")))
        elif item.number == _LOCATION:
            told.outside = item.value == 1
        if len(told.shape) > _MAX_RANK or len(told.external) > _MAX_PARTS:
            raise FormatError("a tensor of too many parts", item.start)
    return told


def _integers(data: Buffer, item: Field) -> list[int]:
    """Return a number, or packed ones."""
    if item.wire == VARINT:
        return [item.value]
    out: list[int] = []
    value = shift = 0
    for byte in data[item.start : min(item.stop, item.start + _LONGEST)]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - a varint's last byte
            out.append(value)
            value = shift = 0
    return out


def _external(told: _Told, at: int, scan: Scan) -> None:
    places = [value for key, value in told.external if key == "location"]
    numbers = [value for key, value in told.external if key in ("offset", "length")]
    valid = all(number.isascii() and number.isdigit() for number in numbers)
    if not places or not all(places) or not valid:
        scan.find("header-malformed", "external data without a valid place", at)
    for place in places:
        if leads_out(place):
            shown = printable(place, 120)
            scan.find(
                "external-data",
                f"a tensor is read from {shown}, outside of the model",
                at,
                about=shown,
            )
