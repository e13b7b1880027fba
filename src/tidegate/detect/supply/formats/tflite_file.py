"""Examines a TensorFlow Lite model: operators, indices, buffers and metadata.

The schema is TensorFlow Lite's ``schema.fbs`` version 3. The interpreter trusts indices, and runs
built-in operators, custom ones that the application registered, and TensorFlow's own ("Flex").
"""

from math import prod
from typing import Final

from tidegate.detect.supply.formats import tensorflow_ops
from tidegate.detect.supply.formats.flatbuffer import Table
from tidegate.detect.supply.formats.reading import FormatError, unreadable
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

MAGIC: Final = b"TFL3"
_AT: Final = 4
_VERSION: Final = 3
_CUSTOM: Final = 32
_LAST_BUILTIN: Final = 209
_FLEX: Final = "Flex"
_RUNTIME: Final = words("""
    TFLite_Detection_PostProcess AudioSpectrogram Mfcc NumericVerify RFFT2D Multinomial
    MaxPoolingWithArgmax2D MaxUnpooling2D Convolution2DTransposeBias TransformTensorBilinear
    TransformLandmarks Landmarks2TransformMatrix RoIToTransformMatrix
    DISCRETE_COSINE_TRANSFORM SENTENCEPIECE_TOKENIZER_PLACEHOLDER
""")
"""Custom operators that TensorFlow Lite and MediaPipe bring themselves."""
_COMPILED: Final = ("edgetpu-custom-op", "DISPATCH_OP", "ethos-u")
_MODEL_FIELDS: Final = 8
# Tensor type: bytes an item (schema.fbs, TensorType), for those whose length is checked.
_WIDTHS: Final = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 8: 8, 9: 1, 10: 8, 15: 4, 16: 2}


def looks_like(data: Buffer) -> bool:
    """Tell whether content has the file identifier."""
    return data[_AT : _AT + len(MAGIC)] == MAGIC


def scan_tflite(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`looks_like` one."""
    try:
        model = Table.root(data)
        if model.number(0, 4) != _VERSION:
            scan.gap(f"TensorFlow Lite version {model.number(0, 4)} is not examined")
            return
        if model.fields > _MODEL_FIELDS:
            scan.gap("a part of the TensorFlow Lite model that is not known")
        operators = _operators(model, scan)
        buffers = _buffers(model, len(data), scan)
        for graph in model.tables(2):
            _graph(graph, operators, buffers, scan)
        examine_metadata("the description", model.text(3), scan)
        for entry in model.tables(6):
            if not entry.number(1, 4) < len(buffers):
                scan.find("header-malformed", "metadata without its buffer", entry.at)
    except FormatError as error:
        unreadable(scan, "TensorFlow Lite", error)


def _operators(model: Table, scan: Scan) -> int:
    """Judge the operators that the model uses, and return how many."""
    count = 0
    for operator in model.tables(1):
        count += 1
        scan.meter.opcode(1)
        code = max(operator.number(0, 1), operator.number(3, 4, signed=True))
        name = operator.text(1)
        if code == _CUSTOM or name:
            _custom(name, operator.at, scan)
        elif not 0 <= code <= _LAST_BUILTIN:
            scan.gap(f"the operator {code} is not known")
    return count


def _custom(name: str, at: int, scan: Scan) -> None:
    shown = printable(name, 80)
    if name in _RUNTIME:
        return
    if name.startswith(_COMPILED):
        scan.gap(f"the operator {shown} holds a program that was compiled for one device")
    elif not name.startswith(_FLEX):
        scan.find("custom-code", f"the operator {shown} needs code from elsewhere", at, about=shown)
    else:
        operator = name.removeprefix(_FLEX)
        files = operator in tensorflow_ops.CHECKPOINT or operator in tensorflow_ops.TABLES
        verdict = tensorflow_ops.judge(operator)
        if files:
            verdict = ("graph-operator", "reaches files or the network")
        if tensorflow_ops.unread(operator):
            scan.gap(f"the operator {shown} holds a program that is not examined")
        elif verdict is not None:
            scan.find(verdict[0], f"the operator {shown} {verdict[1]}", at, about=shown)


def _buffers(model: Table, size: int, scan: Scan) -> list[int]:
    """Return each buffer's length, and check those that lie behind the tables."""
    out: list[int] = []
    for buffer in model.tables(4):
        scan.meter.opcode(1)
        _, count = buffer.vector(0, 1)
        offset, length = buffer.number(1, 8), buffer.number(2, 8)
        if offset > 1 and (offset > size or length > size - offset):
            scan.find("header-malformed", "a buffer reaches beyond the end of the file", buffer.at)
        out.append(length if offset > 1 else count)
    return out


def _graph(graph: Table, operators: int, buffers: list[int], scan: Scan) -> None:
    tensors = 0
    for tensor in graph.tables(0):
        tensors += 1
        scan.meter.opcode(1)
        _tensor(tensor, buffers, scan)
    for at in (1, 2):
        _indices(graph, at, tensors, scan)
    for operator in graph.tables(3):
        scan.meter.opcode(1)
        if operator.number(0, 4) >= operators:
            scan.find("header-malformed", "an operator that the model does not list", operator.at)
        for at in (1, 2, 8):
            _indices(operator, at, tensors, scan)
        operator.vector(5, 1)


def _indices(table: Table, field: int, count: int, scan: Scan) -> None:
    indices = table.numbers(field, 4)
    scan.meter.opcode(len(indices))
    if any(not -1 <= index < count for index in indices):
        scan.find("header-malformed", "a tensor's number is out of bounds", table.at)


def _tensor(tensor: Table, buffers: list[int], scan: Scan) -> None:
    buffer = tensor.number(2, 4)
    if buffer >= len(buffers):
        scan.find("header-malformed", "a tensor without its buffer", tensor.at)
        return
    shape = tensor.numbers(0, 4)
    width = _WIDTHS.get(tensor.number(1, 1))
    held = buffers[buffer]
    if held == 0 or width is None or tensor.place(6) is not None:
        return
    if any(size < 0 for size in shape) or width * prod(shape) != held:
        scan.find("header-malformed", "a tensor's bytes do not fit its shape", tensor.at)
