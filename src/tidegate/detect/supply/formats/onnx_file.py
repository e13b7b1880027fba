"""Examines an ONNX model: operators, local functions, subgraphs, tensors, external data, metadata.

The schema is ``onnx.proto`` of ONNX 1.23. Loading a model runs no code of the file; what it can do
is name operators that a runtime resolves to native or Python code, and files to read tensors from.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Final

from tidegate.detect.supply.formats import onnx_tensor
from tidegate.detect.supply.formats.protobuf import (
    STRING_MAP,
    Field,
    Schema,
    name_of,
    plausible,
    read_fields,
    span_of,
    text_of,
    texts,
)
from tidegate.detect.supply.formats.reading import FormatError, unreadable
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

_MODEL: Final = Schema("an ONNX model", varint=(1, 5), data=(2, 3, 4, 6, 7, 8, 14, 20, 25, 26))
_GRAPH: Final = Schema("an ONNX graph", data=(1, 2, 5, 10, 11, 12, 13, 14, 15, 16))
_NODE: Final = Schema("an ONNX node", data=range(1, 11))
_ATTRIBUTE: Final = Schema(
    "an ONNX attribute",
    varint=(3, 8, 20),
    data=(1, 4, 5, 6, 9, 10, 11, 13, 14, 15, 21, 22, 23),
    fixed32=(2, 7),
)
_SPARSE: Final = Schema("a sparse ONNX tensor", data=(1, 2), varint=(3,))
_FUNCTION: Final = Schema("an ONNX function", data=(1, *range(4, 15)))
_TRAINING: Final = Schema("ONNX training information", data=(1, 2, 3, 4))
_IR, _PRODUCER, _DOMAIN, _DOC, _MAIN, _OPSETS, _PROPS, _TRAIN, _FUNCTIONS = (
    1, 2, 4, 6, 7, 8, 14, 20, 25,
)  # fmt: skip
_DEPTH: Final = 64
_MAX_FUNCTIONS: Final = 1 << 16
_MAX_NAMES: Final = 8
_STANDARD: Final = words("ai.onnx")
_EXECUTES: Final = words("PyOp PyCustomOp PythonOp PythonOpGrad ExternalOp ATen ATenOp Python_")
_COMPILED: Final = words("EPContext")


@lru_cache(maxsize=1)
def standard_operators() -> frozenset[tuple[str, str]]:
    """Return domain and name of every operator that ONNX or ONNX Runtime defines."""
    text = (
        resources.files("tidegate.detect.supply.formats")
        .joinpath("names", "onnx.txt")
        .read_text("utf-8")
    )
    out: set[tuple[str, str]] = set()
    for line in text.splitlines():
        domain, _, names = line.partition(":")
        if names and not line.startswith("#"):
            out.update(("" if domain == "ai.onnx" else domain, name) for name in names.split())
    return frozenset(out)


@dataclass(slots=True)
class _Model:
    """What the examination of one model shares."""

    data: Buffer
    scan: Scan
    functions: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


def looks_like(data: Buffer, scan: Scan) -> bool:
    """Tell whether content reads as a model with a graph: there is no magic number."""
    return plausible(data, _MODEL, scan.meter, (_MAIN,)) and _has_graph(data, scan)


def _has_graph(data: Buffer, scan: Scan) -> bool:
    try:
        for item in read_fields(data, 0, len(data), scan.meter):
            if item.number == _MAIN:
                return all(
                    _GRAPH.fits(inner) for inner in read_fields(data, *span_of(item), scan.meter)
                )
    except FormatError:
        return False
    return False


def scan_onnx(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`looks_like` one."""
    model = _Model(data, scan)
    span = (0, len(data))
    try:
        for item in _MODEL.walk(data, span, scan):
            if item.number == _FUNCTIONS:
                _declare(model, item)
        for item in _MODEL.walk(data, span, scan):
            _part(model, item)
    except FormatError as error:
        unreadable(scan, "ONNX", error)


def _declare(model: _Model, item: Field) -> None:
    if len(model.functions) >= _MAX_FUNCTIONS:
        raise FormatError("more local functions than are examined", item.start)
    names = {
        part.number: name_of(model.data, part)
        for part in _FUNCTION.walk(model.data, span_of(item), model.scan)
        if part.number in (1, 10)
    }
    key = (_plain(names.get(10, "")), names.get(1, ""))
    if key in standard_operators():
        model.scan.find(
            "graph-operator",
            f"a local function takes the place of the operator {printable(key[1], 80)}",
            item.start,
        )
    model.functions.add(key)


def _plain(domain: str) -> str:
    return "" if domain in _STANDARD else domain


def _part(model: _Model, item: Field) -> None:
    data, scan = model.data, model.scan
    if item.number == _MAIN:
        _graph(model, span_of(item), _DEPTH)
    elif item.number == _FUNCTIONS:
        _function(model, span_of(item))
    elif item.number == _TRAIN:
        for part in _TRAINING.walk(data, span_of(item), scan):
            if part.number in (1, 2):
                _graph(model, span_of(part), _DEPTH)
    elif item.number == _PROPS:
        pair = texts(data, span_of(item), scan, STRING_MAP)
        examine_metadata(printable(pair.get(1, ""), 80), pair.get(2, ""), scan)
    elif item.number in (_PRODUCER, 3, _DOMAIN, _DOC):
        examine_metadata(f"field {item.number}", text_of(data, item), scan, links=False)


def _function(model: _Model, span: tuple[int, int]) -> None:
    for item in _FUNCTION.walk(model.data, span, model.scan):
        if item.number == 7:  # noqa: PLR2004 - node
            _node(model, span_of(item), _DEPTH)
        elif item.number == 11:  # noqa: PLR2004 - attribute_proto
            _attribute(model, span_of(item), _DEPTH)


def _graph(model: _Model, span: tuple[int, int], depth: int) -> None:
    if depth == 0:
        raise FormatError("graphs in graphs, deeper than is read", span[0])
    for item in _GRAPH.walk(model.data, span, model.scan):
        if item.number == 1:
            _node(model, span_of(item), depth)
        elif item.number == 5:  # noqa: PLR2004 - initializer
            onnx_tensor.examine(model.data, span_of(item), model.scan)
        elif item.number == 15:  # noqa: PLR2004 - sparse_initializer
            _sparse(model, span_of(item))


def _node(model: _Model, span: tuple[int, int], depth: int) -> None:
    domains: list[str] = []
    operators: list[str] = []
    for item in _NODE.walk(model.data, span, model.scan):
        if item.number == 4:  # noqa: PLR2004 - op_type
            operators.append(name_of(model.data, item))
        elif item.number == 7:  # noqa: PLR2004 - domain
            domains.append(_plain(name_of(model.data, item)))
        elif item.number == 5:  # noqa: PLR2004 - attribute
            _attribute(model, span_of(item), depth)
        if len(operators) + len(domains) > _MAX_NAMES:
            raise FormatError("a node of more than one operator", item.start)
    for domain in domains or [""]:
        for operator in operators:
            _operator(model, domain, operator, span[0])


def _operator(model: _Model, domain: str, operator: str, at: int) -> None:
    key = (domain, operator)
    shown = printable(f"{domain}::{operator}" if domain else operator, 120)
    if operator in _EXECUTES:
        model.scan.find(
            "graph-operator", f"the operator {shown} runs foreign code", at, about=shown
        )
    elif operator in _COMPILED:
        model.scan.gap(f"{shown} holds a graph that was compiled for one device")
    elif key not in model.functions and key not in standard_operators():
        model.scan.find(
            "custom-code", f"the operator {shown} needs code from elsewhere", at, about=shown
        )


def _attribute(model: _Model, span: tuple[int, int], depth: int) -> None:
    for item in _ATTRIBUTE.walk(model.data, span, model.scan):
        if item.number in (6, 11):
            _graph(model, span_of(item), depth - 1)
        elif item.number in (5, 10):
            onnx_tensor.examine(model.data, span_of(item), model.scan)
        elif item.number in (22, 23):
            _sparse(model, span_of(item))


def _sparse(model: _Model, span: tuple[int, int]) -> None:
    for item in _SPARSE.walk(model.data, span, model.scan):
        if item.number in (1, 2):
            onnx_tensor.examine(model.data, span_of(item), model.scan)
