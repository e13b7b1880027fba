"""Examines a GGUF file: its header's rules, chat templates, and what its metadata says.

The format (ggml's ``docs/gguf.md``, versions 1 to 3): magic, version, counts, key-value pairs,
tensor descriptions, and behind an aligned offset the tensors' bytes. Loading runs no code of the
file, but serving renders its chat template, and readers in C trust counts and offsets.
"""

from math import prod
from typing import Final, Literal

from tidegate.detect.supply.formats.reading import (
    FormatError,
    Reader,
    holds_pickle,
    unreadable,
)
from tidegate.detect.supply.formats.templates import examine_template, has_template
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (1, 2, 3)
_WIDE_FROM: Final = 2
_WIDTH: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_BYTE_TYPES: Final = (0, 1)
_UINT32: Final = 4
_STRING, _ARRAY = 8, 9
_DEPTH: Final = 4
_MAX_PAIRS: Final = 1 << 16
_MAX_TENSORS: Final = 1 << 18
_MAX_TEXT: Final = 1 << 24
_MAX_KEY: Final = 1 << 16
_MAX_DIMENSIONS: Final = 4
_MAX_NAME: Final = 64
_LOOKED_AT: Final = 1 << 12
_ALIGNMENT_KEY: Final = "general.alignment"
_DEFAULT_ALIGNMENT: Final = 32
_MAX_ALIGNMENT: Final = 1 << 20
_DESCRIBING: Final = "general."
# ggml type: elements and bytes of a block (ggml.h and ggml-quants; type 9 is never stored).
_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
    41: (128, 18),
}  # fmt: skip


class _Header:
    """A GGUF header on its way to being read."""

    def __init__(self, data: Buffer, scan: Scan) -> None:
        self.scan = scan
        self.reader = Reader(data, len(MAGIC), order=_order(data))
        self.version = self.reader.u32()
        self.alignment = _DEFAULT_ALIGNMENT

    def count(self) -> int:
        """Read a count or a length: four bytes in version 1, eight later."""
        return self.reader.number(8 if self.version >= _WIDE_FROM else 4)

    def skip_texts(self, count: int) -> None:
        """Pass over texts.

        Raises:
            FormatError: They reach beyond the end of the file.
        """
        data, pos, end, order = (
            self.reader.data,
            self.reader.pos,
            self.reader.end,
            self.reader.order,
        )
        width = 8 if self.version >= _WIDE_FROM else 4
        for _ in range(count):
            pos += width + int.from_bytes(data[pos : pos + width], order)
            if pos > end:
                raise FormatError("texts that reach beyond the end of the file", end)
        self.reader.skip(pos - self.reader.pos)

    def text(self, limit: int) -> str:
        """Read a text.

        Raises:
            FormatError: It is longer than any that is looked at, or than the file.
        """
        size = self.count()
        if size > limit:
            raise FormatError(f"a text of {size} bytes", self.reader.pos)
        return self.reader.text(size)


def _order(data: Buffer) -> Literal["little", "big"]:
    # Big-endian files have the same magic: the version's low bytes tell them apart.
    return "big" if data[4:6] == b"\0\0" else "little"


def looks_like(data: Buffer) -> bool:
    """Tell whether content has the magic number."""
    return data[: len(MAGIC)] == MAGIC


def scan_gguf(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`looks_like` one."""
    try:
        header = _Header(data, scan)
        if header.version not in _VERSIONS:
            scan.gap(f"GGUF version {header.version} is not examined")
            return
        _read(header, len(data))
    except FormatError as error:
        unreadable(scan, "GGUF", error)


def _read(header: _Header, size: int) -> None:
    tensors, pairs = header.count(), header.count()
    if pairs > _MAX_PAIRS or tensors > _MAX_TENSORS:
        raise FormatError(f"{pairs} pairs and {tensors} tensors", header.reader.pos)
    seen: set[int] = set()
    for _ in range(pairs):
        at = header.reader.pos
        key = header.text(_MAX_KEY)
        if hash(key) in seen:
            header.scan.find("header-malformed", f"the key {printable(key, 80)} is twice there", at)
        seen.add(hash(key))
        _value(header, key, header.reader.u32(), _DEPTH)
    _tensors(header, tensors, size)


def _value(header: _Header, key: str, kind: int, depth: int) -> None:
    header.scan.meter.opcode(1)
    at = header.reader.pos
    if kind == _STRING:
        _text(key, header.text(_MAX_TEXT), at, header.scan)
    elif kind == _ARRAY:
        _array(header, key, depth)
    elif kind not in _WIDTH:
        raise FormatError(f"a value of unknown type {kind}", at)
    elif key == _ALIGNMENT_KEY:
        value = header.reader.number(_WIDTH[kind])
        valid = kind == _UINT32 and 0 < value <= _MAX_ALIGNMENT and value & (value - 1) == 0
        if not valid:
            raise FormatError(f"an alignment of {value}", at)
        header.alignment = value
    else:
        header.reader.skip(_WIDTH[kind])


def _array(header: _Header, key: str, depth: int) -> None:
    kind, count = header.reader.u32(), header.count()
    at = header.reader.pos
    if depth == 0:
        raise FormatError("arrays in arrays, deeper than is read", at)
    if kind in _WIDTH:
        size = _WIDTH[kind] * count
        if kind in _BYTE_TYPES and size <= min(_MAX_TEXT, header.reader.left):
            _bytes(key, header.reader.take(size), at, header.scan)
        else:
            header.reader.skip(size)
        return
    if count > header.reader.left:
        raise FormatError(f"an array of {count} items", at)
    header.scan.meter.opcode(count)
    looked_at = count if "template" in key else min(count, _LOOKED_AT)
    if key.startswith("tokenizer.ggml."):
        looked_at = 0
    skipped = count - looked_at if kind == _STRING else 0
    for _ in range(count - skipped):
        _value(header, key, kind, depth - 1)
    header.skip_texts(skipped)


def _text(key: str, text: str, at: int, scan: Scan) -> None:
    shown = printable(key, 80)
    if "template" in key or has_template(text):
        examine_template(text, scan, strict="template" in key)
    elif text.lstrip()[:1] == "{":
        with scan.inside(shown) as inner:
            scan.descend(inner, text.encode("utf-8", "backslashreplace"))
    else:
        examine_metadata(shown, text, scan, links=not key.startswith(_DESCRIBING))
        if holds_pickle(text.encode("utf-8", "backslashreplace"), scan):
            scan.find("pickle-embedded", f"{shown} holds a pickle", at)


def _bytes(key: str, body: bytes, at: int, scan: Scan) -> None:
    if holds_pickle(body, scan):
        scan.find("pickle-embedded", f"{printable(key, 80)} holds a pickle", at)


def _tensors(header: _Header, count: int, size: int) -> None:
    """Check that the tensors fill the data section one after another."""
    spans: list[tuple[int, int, str]] = []
    names: set[int] = set()
    for _ in range(count):
        at = header.reader.pos
        name, span = _tensor(header, at)
        if hash(name) in names:
            header.scan.find(
                "header-malformed", f"the tensor {printable(name, 80)} is twice there", at
            )
        names.add(hash(name))
        if span is not None:
            spans.append((*span, name[:_MAX_NAME]))
    step = header.alignment
    start = _aligned(header.reader.pos, step)
    if len(spans) < count:
        header.scan.gap("tensors of a type that is not known")
        return
    position = 0
    for begin, end, name in sorted(spans):
        if begin != position:
            what = "overlaps another" if begin < position else "leaves a hole before it"
            header.scan.find("header-malformed", f"tensor {printable(name, 80)} {what}")
        position = max(position, _aligned(end, step))
    last = max((end for _, end, _ in spans), default=0)
    if start + last > size and count:
        header.scan.find("header-malformed", "tensors reach beyond the end of the file")
    elif start + position < size:
        header.scan.find(
            "trailing-data",
            f"{size - start - position} bytes belong to no tensor",
            start + position,
        )


def _aligned(at: int, step: int) -> int:
    return -(-at // step) * step


def _tensor(header: _Header, at: int) -> tuple[str, tuple[int, int] | None]:
    """Read one description: its name, and the span of its bytes where the type is known."""
    header.scan.meter.opcode(1)
    name = header.text(_MAX_KEY)
    if len(name.encode()) > _MAX_NAME:
        header.scan.find("header-malformed", f"a tensor's name has {len(name)} characters", at)
    dimensions = header.reader.u32()
    if dimensions > _MAX_DIMENSIONS:
        raise FormatError(f"a tensor of {dimensions} dimensions", at)
    shape = [header.count() for _ in range(dimensions)]
    kind, offset = header.reader.u32(), header.reader.u64()
    if offset % header.alignment:
        header.scan.find(
            "header-malformed", f"tensor {printable(name, 80)} is not aligned as the file says", at
        )
    if kind not in _BLOCKS:
        return name, None
    elements, width = _BLOCKS[kind]
    if (shape[0] if shape else 1) % elements:
        header.scan.find(
            "header-malformed", f"tensor {printable(name, 80)} has a row of part of a block", at
        )
    return name, (offset, offset + prod(shape) // elements * width)
