r"""Reads protocol-buffer messages field by field, in place: only what is asked for is decoded.

The wire format is the public encoding specification of Protocol Buffers (varint, 64-bit, length,
32-bit; groups are refused, as no model format uses them).

>>> from tidegate.detect.supply.budget import Budget
>>> [field.value for field in read_fields(b"\x08\x96\x01", 0, 3, Budget().meter())]
[150]
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from tidegate.detect.supply.budget import Meter
from tidegate.detect.supply.formats.reading import FormatError
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

VARINT, FIXED64, DATA, FIXED32 = 0, 1, 2, 5
_SIZES: Final = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT: Final = 10
_MORE: Final = 0x80
_MASK64: Final = (1 << 64) - 1
_STEP: Final = 32
_MAX_TEXT: Final = 1 << 24
_LOOKED_AT: Final = 64
_MAX_NAME: Final = 1 << 12


class Field(NamedTuple):
    """One field of a message."""

    number: int
    wire: int
    value: int
    """Of a varint; the length of data otherwise."""
    start: int
    """First byte of its content."""
    stop: int


def _varint(data: Buffer, pos: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    for at in range(pos, min(stop, pos + _MAX_VARINT)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value & _MASK64, at + 1
        shift += 7
    raise FormatError("a number without its end", pos)


def read_fields(data: Buffer, start: int, stop: int, meter: Meter) -> Iterator[Field]:
    """Yield a message's fields.

    Args:
        data: The whole buffer.
        start: The message's first byte.
        stop: Behind its last byte.
        meter: What may be spent.

    Raises:
        FormatError: It is no message.
        BudgetSpentError: It has too many fields.
    """
    pos, count = start, 0
    new = tuple.__new__
    while pos < stop:
        at = pos
        tag = data[pos]
        pos += 1
        if tag >= _MORE:
            tag, pos = _varint(data, at, stop)
        wire, number = tag & 7, tag >> 3
        if wire in (DATA, VARINT):
            value = data[pos] if pos < stop else _MORE
            if value < _MORE:
                pos += 1
            else:
                value, pos = _varint(data, pos, stop)
            after = pos + value if wire == DATA else pos
        elif wire in _SIZES:
            value = _SIZES[wire]
            after = pos + value
        else:
            raise FormatError(f"a field of wire type {wire}", at)
        if number == 0 or after > stop:
            raise FormatError("a field that leads out of its message", at)
        count += 1
        if count == _STEP:
            meter.opcode(_STEP)
            count = 0
        yield new(Field, (number, wire, value, pos, after))
        pos = after


class Schema:
    """Which fields a message may have.

    Args:
        name: The message's name.
        varint: Numbers of integers, enumerations and booleans; repeated ones may be packed.
        data: Numbers of texts, bytes and messages.
        fixed32: Numbers of 32-bit floats; repeated ones may be packed.
        fixed64: Numbers of 64-bit floats and integers; repeated ones may be packed.
    """

    def __init__(
        self,
        name: str,
        *,
        varint: Iterable[int] = (),
        data: Iterable[int] = (),
        fixed32: Iterable[int] = (),
        fixed64: Iterable[int] = (),
    ) -> None:
        self.name = name
        wires: Mapping[int, Iterable[int]] = {
            VARINT: varint, DATA: data, FIXED32: fixed32, FIXED64: fixed64,
        }  # fmt: skip
        self._wire = {number: wire for wire, numbers in wires.items() for number in numbers}

    def fits(self, field: Field) -> bool:
        """Tell whether a field is one of the message's, not packed, of the right wire type."""
        return self._wire.get(field.number) == field.wire

    def walk(self, data: Buffer, span: tuple[int, int], scan: Scan) -> Iterator[Field]:
        """Yield the fields of a message in a span; what the schema does not know is a gap.

        Raises:
            FormatError: It is no message, or a field has another type.
        """
        known = self._wire
        for field in read_fields(data, span[0], span[1], scan.meter):
            wire = known.get(field.number)
            if wire == field.wire or (field.wire == DATA and wire is not None):
                yield field
            elif wire is None:
                scan.gap(f"field {field.number} of {self.name} is not known")
            else:
                raise FormatError(
                    f"field {field.number} of {self.name} has another type", field.start
                )


STRING_MAP: Final = Schema("a map entry", data=(1, 2))
"""A map from text to text, or to a message."""


def text_of(data: Buffer, field: Field) -> str:
    """Return a field's content as text.

    Raises:
        FormatError: It is longer than 16 MiB.
    """
    if field.stop - field.start > _MAX_TEXT:
        raise FormatError("a text that is too long", field.start)
    return data[field.start : field.stop].decode("utf-8", "backslashreplace")


def name_of(data: Buffer, field: Field) -> str:
    """Return a field's content as a name.

    Raises:
        FormatError: It is longer than 4 KiB.
    """
    if field.stop - field.start > _MAX_NAME:
        raise FormatError("a name that is too long", field.start)
    return text_of(data, field)


def span_of(field: Field) -> tuple[int, int]:
    """Return where a field's content lies."""
    return field.start, field.stop


def texts(data: Buffer, span: tuple[int, int], scan: Scan, schema: Schema) -> dict[int, str]:
    """Return the text fields of a small message; the last of each number, as readers do.

    Raises:
        FormatError: It is no such message.
    """
    return {
        field.number: text_of(data, field)
        for field in schema.walk(data, span, scan)
        if field.wire == DATA
    }


def holds_messages(data: Buffer, meter: Meter, numbers: Container[int]) -> bool:
    """Tell whether content of another type reads as a message that holds messages, to its end.

    Readers pass over fields that they do not know, so a file can be a graph beside what it is.

    Args:
        data: The content.
        meter: What may be spent.
        numbers: The fields that would hold messages.

    Raises:
        BudgetSpentError: It has too many fields.
    """
    found = False
    try:
        for field in read_fields(data, 0, len(data), meter):
            if field.wire == DATA and field.number in numbers and field.value and not found:
                found = _is_message(data, field, meter)
    except FormatError:
        return False
    return found


def _is_message(data: Buffer, field: Field, meter: Meter) -> bool:
    try:
        return any(part.wire == DATA for part in list(_some(data, field, meter)))
    except FormatError:
        return False


def _some(data: Buffer, field: Field, meter: Meter) -> Iterator[Field]:
    return islice(read_fields(data, field.start, field.stop, meter), _LOOKED_AT)


def plausible(data: Buffer, schema: Schema, meter: Meter, needed: Iterable[int]) -> bool:
    """Tell whether the whole content reads as one message of a schema with the needed fields.

    Raises:
        BudgetSpentError: It has too many fields.
    """
    seen: set[int] = set()
    try:
        for field in read_fields(data, 0, len(data), meter):
            seen.add(field.number)
            if not schema.fits(field):
                return False
    except FormatError:
        return False
    return seen.issuperset(needed)
