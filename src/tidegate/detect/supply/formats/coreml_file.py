"""Examines a Core ML model (``.mlmodel``) and the weight file of a package (``weight.bin``).

The schema is Core ML's ``Model.proto``, ``NeuralNetwork.proto`` and ``MIL.proto`` (coremltools 9).
A model runs no code by itself; it can name classes that the application must bring, models and
files that are read from elsewhere.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from tidegate.detect.supply.formats import coreml_program
from tidegate.detect.supply.formats.protobuf import (
    DATA,
    STRING_MAP,
    Field,
    Schema,
    plausible,
    read_fields,
    span_of,
    text_of,
    texts,
)
from tidegate.detect.supply.formats.reading import FormatError, Reader, unreadable
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

_PIPELINES: Final = (200, 201)
_PIPELINE, _PROGRAM, _CUSTOM, _LINKED, _SERIALIZED = 202, 502, 555, 556, 3000
_NETWORKS: Final = (303, 403, 500)
_PLAIN: Final = (
    300, 301, 302, 304, 400, 401, 402, 404, 501, 560, 600, 601, 602, 603, 604, 606, 607, 609, 610,
    900, 2002, 2003, 2006,
)  # fmt: skip
"""Models of numbers and labels only, or that the operating system brings."""
_OPAQUE: Final = (2000, 2001, 2004, 2005, _SERIALIZED)
_MODEL: Final = Schema(
    "a Core ML model",
    varint=(1, 10),
    data=(
        2, *_PIPELINES, _PIPELINE, *_NETWORKS, _PROGRAM, _CUSTOM, _LINKED, *_PLAIN, *_OPAQUE,
    ),
)  # fmt: skip
_DESCRIPTION: Final = Schema("a description", data=(1, 10, 11, 12, 13, 20, 21, 50, 100))
_METADATA: Final = Schema("metadata", data=(1, 2, 3, 4, 100))
_LAYER_CUSTOM, _LAYER_BRANCH, _LAYER_LOOP = 500, 605, 615
_DEPTH: Final = 32

_WEIGHTS_VERSION: Final = 2
_SENTINEL: Final = 0xDEADBEEF
_STEP: Final = 64


def looks_like(data: Buffer, scan: Scan) -> bool:
    """Tell whether content reads as a model: a version, a description, and a kind of model."""
    if not plausible(data, _MODEL, scan.meter, (1, 2)):
        return False
    quiet = scan.silent()
    try:
        for item in _MODEL.walk(data, (0, len(data)), quiet):
            if item.number == 2:  # noqa: PLR2004 - description
                for _ in _DESCRIPTION.walk(data, span_of(item), quiet):
                    pass
    except FormatError:
        return False
    return not quiet.notes.gaps


def scan_coreml(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`looks_like` one."""
    try:
        _model(data, (0, len(data)), scan, _DEPTH)
    except FormatError as error:
        unreadable(scan, "Core ML", error)


def _model(data: Buffer, span: tuple[int, int], scan: Scan, depth: int) -> None:
    if depth == 0:
        raise FormatError("models in models, deeper than is read", span[0])
    for item in _MODEL.walk(data, span, scan):
        if item.number == 2:  # noqa: PLR2004 - description
            _description(data, span_of(item), scan)
        elif item.number in (*_PIPELINES, _PIPELINE):
            wrapped = item.number in _PIPELINES
            for part in _parts(data, item, 1, scan) if wrapped else [item]:
                for inner in _parts(data, part, 1, scan):
                    _model(data, span_of(inner), scan, depth - 1)
        elif item.number in _NETWORKS:
            _network(data, span_of(item), scan, depth)
        elif item.number == _PROGRAM:
            coreml_program.examine(data, span_of(item), scan)
        elif item.number not in _PLAIN:
            _other(item, scan)


def _other(item: Field, scan: Scan) -> None:
    if item.number == _CUSTOM:
        scan.find("custom-code", "a custom model needs a class from elsewhere", item.start)
    elif item.number == _LINKED:
        scan.find("external-data", "a linked model is read from another place", item.start)
    elif item.number in _OPAQUE:
        scan.gap(f"a Core ML model of kind {item.number} holds data that is not examined")


def _parts(data: Buffer, item: Field, number: int, scan: Scan) -> Iterator[Field]:
    for part in read_fields(data, item.start, item.stop, scan.meter):
        if part.number == number and part.wire == DATA:
            yield part


def _description(data: Buffer, span: tuple[int, int], scan: Scan) -> None:
    for item in _DESCRIPTION.walk(data, span, scan):
        if item.number != 100:  # noqa: PLR2004 - metadata
            continue
        for part in _METADATA.walk(data, span_of(item), scan):
            if part.number == 100:  # noqa: PLR2004 - userDefined
                pair = texts(data, span_of(part), scan, STRING_MAP)
                examine_metadata(printable(pair.get(1, ""), 80), pair.get(2, ""), scan)
            else:
                examine_metadata(f"field {part.number}", text_of(data, part), scan, links=False)


def _network(data: Buffer, span: tuple[int, int], scan: Scan, depth: int) -> None:
    """Look for layers that an application must bring; branches and loops hold networks."""
    if depth == 0:
        raise FormatError("networks in networks, deeper than is read", span[0])
    for item in read_fields(data, *span, scan.meter):
        if item.number != 1 or item.wire != DATA:
            continue
        for layer in read_fields(data, item.start, item.stop, scan.meter):
            if layer.wire != DATA:
                continue
            if layer.number == _LAYER_CUSTOM:
                name = "".join(
                    text_of(data, part) for part in islice(_parts(data, layer, 10, scan), 1)
                )
                scan.find(
                    "custom-code",
                    f"a custom layer needs the class {printable(name, 80)} from elsewhere",
                    layer.start,
                )
            inner = {_LAYER_BRANCH: (1, 2), _LAYER_LOOP: (3, 4)}.get(layer.number, ())
            for number in inner:
                for part in _parts(data, layer, number, scan):
                    _network(data, span_of(part), scan, depth - 1)


def is_weights(data: Buffer) -> bool:
    """Tell whether content is a package's weight file."""
    version = int.from_bytes(data[4:8], "little")
    mark = int.from_bytes(data[_STEP : _STEP + 4], "little")
    return version == _WEIGHTS_VERSION and mark == _SENTINEL


def scan_weights(data: Buffer, scan: Scan) -> None:
    """Check that a weight file's entries follow one another to its end."""
    try:
        reader = Reader(data, 0)
        count = reader.u32()
        position = _STEP
        for _ in range(count):
            scan.meter.opcode(1)
            reader = Reader(data, position)
            if reader.u32() != _SENTINEL:
                scan.find("header-malformed", "an entry of the weights without its mark", position)
                return
            reader.skip(4)
            size, offset = reader.u64(), reader.u64()
            if offset != position + _STEP or size > len(data) - offset:
                scan.find("header-malformed", "an entry of the weights out of place", position)
                return
            position = -(-(offset + size) // _STEP) * _STEP
        if position < len(data):
            scan.find("trailing-data", "bytes follow the last weight", position)
    except FormatError as error:
        unreadable(scan, "weights", error)
