"""Walks a Core ML program (``MIL.proto``): operations, blocks in blocks, and values in files."""

from collections.abc import Callable, Mapping
from typing import Final

from tidegate.detect.supply.formats.outside import leads_out
from tidegate.detect.supply.formats.protobuf import Field, Schema, span_of, text_of
from tidegate.detect.supply.formats.reading import FormatError
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_MODEL_PATH: Final = "@model_path/"
_DEPTH: Final = 64
_MAX_WAITING: Final = 1 << 18
# Message: its schema, and which fields hold which message.
_MESSAGES: Final[Mapping[str, tuple[Schema, Mapping[int, str]]]] = {
    "program": (
        Schema("a program", varint=(1,), data=(2, 3, 4)),
        {2: "function entry", 4: "value entry"},
    ),
    "function entry": (Schema("a map entry", data=(1, 2)), {2: "function"}),
    "function": (Schema("a function", data=(1, 2, 3, 4)), {3: "block entry", 4: "value entry"}),
    "block entry": (Schema("a map entry", data=(1, 2)), {2: "block"}),
    "block": (Schema("a block", data=(1, 2, 3, 4)), {3: "operation", 4: "value entry"}),
    "operation": (
        Schema("an operation", data=(1, 2, 3, 4, 5)),
        {1: "operation type", 2: "argument entry", 4: "block", 5: "value entry"},
    ),
    "argument entry": (Schema("a map entry", data=(1, 2)), {2: "argument"}),
    "argument": (Schema("an argument", data=(1,)), {1: "binding"}),
    "binding": (Schema("a binding", data=(1, 2)), {2: "value"}),
    "value entry": (Schema("a map entry", data=(1, 2)), {2: "value"}),
    "value": (Schema("a value", data=(1, 2, 3, 5)), {3: "immediate", 5: "blob"}),
    "immediate": (
        Schema("an immediate value", data=(1, 2, 3, 4)),
        {2: "values", 3: "values", 4: "dictionary"},
    ),
    "values": (Schema("values", data=(1,)), {1: "value"}),
    "dictionary": (Schema("a dictionary", data=(1,)), {1: "pair"}),
    "pair": (Schema("a pair", data=(1, 2)), {1: "value", 2: "value"}),
    "blob": (Schema("a value in a file", varint=(2,), data=(1,)), {1: "file name"}),
}


def examine(data: Buffer, span: tuple[int, int], scan: Scan) -> None:
    """Examine the program in a span.

    Raises:
        FormatError: It can't be read.
    """
    todo = [("program", span, _DEPTH)]
    while todo:
        name, span, depth = todo.pop()
        if depth == 0:
            raise FormatError("blocks in blocks, deeper than is read", span[0])
        schema, inner = _MESSAGES[name]
        for item in schema.walk(data, span, scan):
            kind = inner.get(item.number)
            leaf = _LEAVES.get(kind or "")
            if leaf is not None:
                leaf(data, item, scan)
            elif kind is not None:
                todo.append((kind, span_of(item), depth - 1))
                if len(todo) > _MAX_WAITING:
                    raise FormatError("more parts than are examined", item.start)


def _operation_type(data: Buffer, item: Field, scan: Scan) -> None:
    name = text_of(data, item)
    if "custom" in name:
        shown = printable(name, 80)
        scan.find("custom-code", f"the operation {shown} needs code from elsewhere", item.start)


def _file_name(data: Buffer, item: Field, scan: Scan) -> None:
    name = text_of(data, item)
    inside = name.startswith(_MODEL_PATH) and not leads_out(name.removeprefix(_MODEL_PATH))
    if not inside:
        shown = printable(name, 120)
        scan.find(
            "external-data",
            f"a value is read from {shown}, outside of the package",
            item.start,
            about=shown,
        )


_LEAVES: Final[Mapping[str, Callable[[Buffer, Field, Scan], None]]] = {
    "operation type": _operation_type,
    "file name": _file_name,
}
