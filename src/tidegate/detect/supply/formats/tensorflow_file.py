"""Examines TensorFlow's SavedModel, its Keras metadata and fingerprint, and frozen graphs.

Schemas are those of TensorFlow 2.21. A graph is a program: what it can do is what its operators
do, and TensorFlow runs some of them (table initialisers, restore functions) while it loads.
"""

from dataclasses import dataclass, field
from typing import Final

from tidegate.detect.supply.formats import keras_config, tensorflow_ops
from tidegate.detect.supply.formats.json_value import read_as_python, read_json
from tidegate.detect.supply.formats.outside import leads_out
from tidegate.detect.supply.formats.protobuf import (
    STRING_MAP,
    Field,
    Schema,
    name_of,
    plausible,
    read_fields,
    span_of,
    text_of,
)
from tidegate.detect.supply.formats.reading import FormatError, unreadable
from tidegate.detect.supply.formats.tensorflow_flow import Body, Node, misplaced
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_SAVED_MODEL: Final = Schema("a SavedModel", varint=(1,), data=(2,))
_META_GRAPH: Final = Schema("a meta graph", data=range(1, 8))
_GRAPH: Final = Schema("a graph", varint=(3,), data=(1, 2, 4, 5))
_LIBRARY: Final = Schema("a function library", data=(1, 2, 3))
_FUNCTION: Final = Schema("a function", data=(1, 3, 4, 5, 6, 7, 8))
_SIGNATURE: Final = Schema(
    "a function's signature", varint=(16, 17, 18, 19, 21), data=(1, 2, 3, 4, 5, 6, 8, 20)
)
_ARGUMENT: Final = Schema("an argument", varint=(3, 16), data=(1, 2, 4, 5, 6, 7, 17))
_NODE: Final = Schema("a node", data=range(1, 8))
_VALUE: Final = Schema("an attribute", varint=(3, 5, 6), data=(1, 2, 7, 8, 9, 10), fixed32=(4,))
_LIST: Final = Schema("a list of attributes", varint=(3, 5, 6), data=(2, 7, 8, 9), fixed32=(4,))
_TENSOR: Final = Schema(
    "a tensor",
    varint=(1, 3, 7, 10, 11, 13, 16, 17),
    data=(2, 4, 8, 14, 15, 18),
    fixed32=(5, 9),
    fixed64=(6, 12),
)
_SAVER: Final = Schema("a saver", varint=(4, 5, 7), data=(1, 2, 3), fixed32=(6,))
_ASSET: Final = Schema("an asset", data=(1, 2))
_TENSOR_INFO: Final = Schema("a tensor's description", varint=(2,), data=(1, 3, 4, 5))
_OBJECTS: Final = Schema("an object graph", data=(1, 2))
_OBJECT: Final = Schema("an object", data=(1, *range(3, 17)))
_USER_OBJECT: Final = Schema("a user object", data=(1, 2, 3))
_KERAS: Final = Schema("Keras metadata", data=(1,))
_KERAS_NODE: Final = Schema("a Keras object", varint=(2,), data=(3, 4, 5, 6))
_FINGERPRINT: Final = Schema("a fingerprint", varint=range(1, 6), data=(6, 7))
_MAX_NODES: Final = 200_000
_MAX_TEXTS: Final = 64
_MAX_TEXT: Final = 1 << 16
_MAX_HELD: Final = 1 << 26
_OVERHEAD: Final = 64


@dataclass(slots=True)
class _Graph:
    """What the examination of one graph shares."""

    data: Buffer
    scan: Scan
    bodies: dict[str, Body] = field(default_factory=lambda: {"": Body("")})
    nodes: int = 0
    held: int = 0
    """Bytes of names and texts that are kept."""
    saver: set[str] = field(default_factory=set[str])
    assets: set[str] = field(default_factory=set[str])


def is_saved_model(data: Buffer, scan: Scan) -> bool:
    """Tell whether content reads as a SavedModel with a meta graph."""
    return plausible(data, _SAVED_MODEL, scan.meter, (2,)) and _inner(data, 2, _META_GRAPH, scan)


def is_graph(data: Buffer, scan: Scan) -> bool:
    """Tell whether content reads as a graph with nodes that name operators."""
    return plausible(data, _GRAPH, scan.meter, (1,)) and _inner(data, 1, _NODE, scan, (1, 2))


def is_meta_graph(data: Buffer, scan: Scan) -> bool:
    """Tell whether content reads as a meta graph by itself."""
    return plausible(data, _META_GRAPH, scan.meter, (1, 2)) and _inner(data, 2, _GRAPH, scan)


def is_keras_metadata(data: Buffer, scan: Scan) -> bool:
    """Tell whether content reads as a SavedModel's Keras metadata."""
    return plausible(data, _KERAS, scan.meter, (1,)) and _inner(data, 1, _KERAS_NODE, scan)


def is_fingerprint(data: Buffer, scan: Scan) -> bool:
    """Tell whether content reads as a SavedModel's fingerprint."""
    return len(data) < _MAX_TEXT and plausible(data, _FINGERPRINT, scan.meter, (1, 2, 3, 4))


def _inner(
    data: Buffer, number: int, schema: Schema, scan: Scan, needed: tuple[int, ...] = ()
) -> bool:
    """Tell whether all messages in one field fit a schema, and have the needed fields."""
    scan = scan.silent()
    try:
        for item in read_fields(data, 0, len(data), scan.meter):
            if item.number == number:
                seen = {part.number for part in schema.walk(data, span_of(item), scan)}
                if not seen.issuperset(needed):
                    return False
    except FormatError:
        return False
    return not scan.notes.gaps


def scan_saved_model(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`is_saved_model`."""
    try:
        for item in _SAVED_MODEL.walk(data, (0, len(data)), scan):
            if item.number == 2:  # noqa: PLR2004 - meta_graphs
                _meta_graph(data, span_of(item), scan)
    except FormatError as error:
        unreadable(scan, "SavedModel", error)


def scan_meta_graph(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`is_meta_graph`."""
    try:
        _meta_graph(data, (0, len(data)), scan)
    except FormatError as error:
        unreadable(scan, "meta graph", error)


def scan_graph(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`is_graph`."""
    graph = _Graph(data, scan)
    try:
        _graph(graph, (0, len(data)))
        _flow(graph)
    except FormatError as error:
        unreadable(scan, "TensorFlow graph", error)


def scan_keras_metadata(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`is_keras_metadata`."""
    try:
        for item in _KERAS.walk(data, (0, len(data)), scan):
            for part in _KERAS_NODE.walk(data, span_of(item), scan):
                if part.number == 5:  # noqa: PLR2004 - metadata
                    _metadata(text_of(data, part), scan)
    except FormatError as error:
        unreadable(scan, "Keras metadata", error)


def scan_fingerprint(data: Buffer, scan: Scan) -> None:
    """Examine a file that :func:`is_fingerprint`: it holds numbers and a short name."""
    for item in _FINGERPRINT.walk(data, (0, len(data)), scan):
        if item.number == 7 and not text_of(data, item).isprintable():  # noqa: PLR2004 - uuid
            scan.find("header-malformed", "a fingerprint whose name is no text", item.start)


def _metadata(text: str, scan: Scan) -> None:
    """Examine what Keras kept beside an object: it is built again where Keras knows the class."""
    if not text.startswith("{"):
        return
    raw = text.encode("utf-8", "backslashreplace")
    value = read_json(raw)
    if value is None:
        value = read_as_python(raw)
    if isinstance(value, dict):
        keras_config.examine(value, scan, revived=True)
    else:
        scan.gap("Keras metadata that can't be read", failed=True)


def _meta_graph(data: Buffer, span: tuple[int, int], scan: Scan) -> None:
    graph = _Graph(data, scan)
    for item in _META_GRAPH.walk(data, span, scan):
        if item.number == 2:  # noqa: PLR2004 - graph_def
            _graph(graph, span_of(item))
        elif item.number == 3:  # noqa: PLR2004 - saver_def
            graph.saver |= {
                _producer(text_of(data, part))
                for part in _SAVER.walk(data, span_of(item), scan)
                if part.number == 1
            }
        elif item.number == 6:  # noqa: PLR2004 - asset_file_def
            _asset(graph, span_of(item))
        elif item.number == 7:  # noqa: PLR2004 - object_graph_def
            _objects(data, span_of(item), scan)
    _flow(graph)


def _asset(graph: _Graph, span: tuple[int, int]) -> None:
    for item in _ASSET.walk(graph.data, span, graph.scan):
        if item.number == 1:
            for part in _TENSOR_INFO.walk(graph.data, span_of(item), graph.scan):
                if part.number == 1:
                    graph.assets.add(_producer(_kept(graph, part)))
        elif leads_out(text_of(graph.data, item)):
            shown = printable(text_of(graph.data, item), 120)
            graph.scan.find("external-data", f"an asset is read from {shown}", item.start)


def _objects(data: Buffer, span: tuple[int, int], scan: Scan) -> None:
    for item in _OBJECTS.walk(data, span, scan):
        if item.number != 1:
            continue
        for part in _OBJECT.walk(data, span_of(item), scan):
            if part.number != 4:  # noqa: PLR2004 - user_object
                continue
            for leaf in _USER_OBJECT.walk(data, span_of(part), scan):
                if leaf.number == 3:  # noqa: PLR2004 - metadata
                    _metadata(text_of(data, leaf), scan)


def _graph(graph: _Graph, span: tuple[int, int]) -> None:
    for item in _GRAPH.walk(graph.data, span, graph.scan):
        if item.number == 1:
            _node(graph, graph.bodies[""], span_of(item))
        elif item.number == 2:  # noqa: PLR2004 - library
            for part in _LIBRARY.walk(graph.data, span_of(item), graph.scan):
                if part.number == 1:
                    _function(graph, span_of(part))


def _function(graph: _Graph, span: tuple[int, int]) -> None:
    body = Body("?")
    arguments: list[str] = []
    for item in _FUNCTION.walk(graph.data, span, graph.scan):
        if item.number == 3:  # noqa: PLR2004 - node_def
            _node(graph, body, span_of(item))
        elif item.number == 1:
            for part in _SIGNATURE.walk(graph.data, span_of(item), graph.scan):
                if part.number == 1:
                    body.name = _kept(graph, part)
                elif part.number == 2:  # noqa: PLR2004 - input_arg
                    arguments += _argument(graph, part)
    body.arguments = tuple(arguments)
    if body.name in graph.bodies:
        graph.scan.find(
            "header-malformed", f"the function {printable(body.name, 80)} is twice there", span[0]
        )
        body.name += "?"
    graph.bodies[body.name] = body


def _argument(graph: _Graph, item: Field) -> list[str]:
    return [
        _kept(graph, part)
        for part in _ARGUMENT.walk(graph.data, span_of(item), graph.scan)
        if part.number == 1
    ]


def _node(graph: _Graph, body: Body, span: tuple[int, int]) -> None:
    graph.nodes += 1
    if graph.nodes > _MAX_NODES:
        raise FormatError("more nodes than are examined", span[0])
    name, operator = "", ""
    inputs: list[str] = []
    calls: list[str] = []
    constants: list[str] = []
    for item in _NODE.walk(graph.data, span, graph.scan):
        if item.number == 1:
            name = _kept(graph, item)
        elif item.number == 2:  # noqa: PLR2004 - op
            operator = _kept(graph, item)
        elif item.number == 3:  # noqa: PLR2004 - input
            inputs.append(_kept(graph, item))
        elif item.number == 5:  # noqa: PLR2004 - attr
            _attribute(graph, item, calls, constants)
    data_inputs = tuple(_producer(text) for text in inputs if text[:1] != "^")
    if operator == "PrintV2" and any(text.startswith("file:") for text in constants):
        graph.scan.find("graph-operator", "the operator PrintV2 writes a file", span[0])
    texts = tuple(constants) if operator in ("Const", "HostConst") else ()
    body.nodes[name] = Node(operator, data_inputs, tuple(calls), texts, span[0])


def _producer(text: str) -> str:
    return text.partition(":")[0]


def _attribute(graph: _Graph, item: Field, calls: list[str], constants: list[str]) -> None:
    for part in STRING_MAP.walk(graph.data, span_of(item), graph.scan):
        if part.number == 2:  # noqa: PLR2004 - value
            for value in _VALUE.walk(graph.data, span_of(part), graph.scan):
                _value(graph, value, calls, constants)


def _value(graph: _Graph, value: Field, calls: list[str], constants: list[str]) -> None:
    data, scan = graph.data, graph.scan
    if value.number == 10:  # noqa: PLR2004 - func
        _call(graph, value, calls)
    elif value.number == 8:  # noqa: PLR2004 - tensor
        for part in _TENSOR.walk(data, span_of(value), scan):
            if part.number == 8 and len(constants) < _MAX_TEXTS:  # noqa: PLR2004 - string_val
                constants.append(_short(graph, part))
    elif value.number == 2 and len(constants) < _MAX_TEXTS:  # noqa: PLR2004 - s
        constants.append(_short(graph, value))
    elif value.number == 1:
        for part in _LIST.walk(data, span_of(value), scan):
            if part.number == 9:  # noqa: PLR2004 - func
                _call(graph, part, calls)


def _kept(graph: _Graph, item: Field) -> str:
    """Return a name that is kept, as long as all of them are small in memory."""
    graph.held += item.stop - item.start + _OVERHEAD
    if graph.held > _MAX_HELD:
        raise FormatError("more names and texts than are examined", item.start)
    return name_of(graph.data, item)


def _short(graph: _Graph, item: Field) -> str:
    stop = min(item.stop, item.start + _MAX_TEXT)
    graph.held += stop - item.start + _OVERHEAD
    if graph.held > _MAX_HELD:
        raise FormatError("more names and texts than are examined", item.start)
    return graph.data[item.start : stop].decode("utf-8", "backslashreplace")


def _call(graph: _Graph, item: Field, calls: list[str]) -> None:
    parts = STRING_MAP.walk(graph.data, span_of(item), graph.scan)
    calls.extend(_kept(graph, part) for part in parts if part.number == 1)


def _flow(graph: _Graph) -> None:
    """Judge the operators, and where those that use files get their names from."""
    top = graph.bodies[""]
    top.arguments = tuple(graph.saver)
    top.assets = frozenset(graph.assets)
    for body in graph.bodies.values():
        for node in body.nodes.values():
            _judge(graph, node)
    for node, why, place in misplaced(graph.bodies, graph.scan.meter):
        graph.scan.find(
            "graph-operator",
            f"{printable(node.operator, 60)} uses a file {why}: {printable(place, 120)}",
            node.at,
            about=f"{node.operator} {why} {place}",
        )


def _judge(graph: _Graph, node: Node) -> None:
    shown = printable(node.operator, 80)
    if node.operator in graph.bodies:
        node.calls = (*node.calls, node.operator)
    elif tensorflow_ops.unread(node.operator):
        graph.scan.gap(f"the operator {shown} holds a program that is not examined")
    else:
        verdict = tensorflow_ops.judge(node.operator)
        if verdict is not None:
            slug, why = verdict
            graph.scan.find(slug, f"the operator {shown} {why}", node.at, about=shown)
