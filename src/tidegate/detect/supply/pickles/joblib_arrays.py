"""joblib's arrays: raw bytes that lie inside the pickle stream, right after their wrapper.

joblib's unpickler, at BUILD of a ``NumpyArrayWrapper``, reads the array from the file itself: an
optional padding (one length byte, then that many bytes), then ``prod(shape) * itemsize`` bytes; an
array of objects is a pickle of its own. Plain ``pickle.load`` would take the same bytes for
opcodes, so an import that it would meet there is a finding, too.
"""

import re
from contextlib import suppress
from typing import Final

from tidegate.detect.supply.pickles.cursor import MalformedError
from tidegate.detect.supply.pickles.numpy_dtype import item_size
from tidegate.detect.supply.pickles.state import PickleState
from tidegate.detect.supply.pickles.values import Const, Dict, Global, Made, Tuple, Value

WRAPPERS: Final = frozenset(
    {
        "joblib.numpy_pickle:NumpyArrayWrapper",
        "sklearn.externals.joblib.numpy_pickle:NumpyArrayWrapper",
    }
)
_ARRAY = "numpy:ndarray"
_MAX_DIMENSIONS = 64
_MAX_SIZE = 1 << 62
_AHEAD_STACK = 64
_AHEAD_OPCODES = 1_000
_NAME = re.compile(r"\w+(?:\.\w+)+", re.ASCII)


def pass_over(machine: PickleState, state: Value) -> Made:
    """Move the machine's cursor behind the array that a wrapper announces.

    Returns:
        What joblib puts in the wrapper's place.

    Raises:
        MalformedError: The array does not fit the file, or its size can't be known.
    """
    cursor = machine.cursor
    cursor.leave_frame(exact=True)
    entries = state.entries if isinstance(state, Dict) else {}
    size = _size(entries, machine.at)
    if size is None:
        _objects(machine)
        return Made(_ARRAY)
    start = cursor.pos
    if "numpy_array_alignment_bytes" in entries:
        _padding(machine, entries["numpy_array_alignment_bytes"])
    cursor.skip(size)
    _as_opcodes(machine, start)
    return Made(_ARRAY)


def _size(entries: dict[str, Value], at: int) -> int | None:
    dtype, shape = entries.get("dtype"), entries.get("shape")
    cls = entries.get("subclass")
    plain = isinstance(cls, Global) and cls.key in (_ARRAY, "numpy:memmap", "numpy.memmap:memmap")
    if not isinstance(dtype, Made) or not isinstance(shape, Tuple) or not plain:
        raise MalformedError("an array whose size is unknown", at)
    if len(shape.items) > _MAX_DIMENSIONS:
        raise MalformedError("an array with too many dimensions", at)
    width = item_size(dtype)
    if width is None:
        return None
    for item in shape.items:
        if not isinstance(item, Const) or not isinstance(item.value, int) or item.value < 0:
            raise MalformedError("an array whose size is unknown", at)
        width *= item.value
    if width > _MAX_SIZE:
        raise MalformedError("an array larger than any file", at)
    return width


def _padding(machine: PickleState, alignment: Value) -> None:
    if not isinstance(alignment, Const) or not isinstance(alignment.value, int):
        if isinstance(alignment, Const) and alignment.kind == "none":
            return
        raise MalformedError("an array with an unknown alignment", machine.at)
    length = machine.cursor.byte()
    filling = machine.cursor.take(length)
    if length > alignment.value or filling.strip(b"\xff"):
        machine.scan.find(
            "loader-ambiguity", "the padding of an array holds data", machine.at, about="padding"
        )


def _objects(machine: PickleState) -> None:
    inner = type(machine)(
        machine.cursor.data,
        machine.cursor.pos,
        machine.scan,
        torch=machine.torch,
        depth=machine.depth + 1,
    )
    machine.scan.meter.nest(inner.depth)
    inner.run()
    machine.imports += inner.imports
    machine.embedded += inner.embedded
    machine.cursor.pos = inner.cursor.pos


def _as_opcodes(machine: PickleState, start: int) -> None:
    """Look at raw array bytes as ``pickle.load`` would: an import there is an ambush."""
    ahead = type(machine)(machine.cursor.data, start, machine.scan.silent(), depth=machine.depth)
    ahead.protocol = machine.protocol
    ahead.stack = machine.stack[-_AHEAD_STACK:]
    with suppress(MalformedError):
        ahead.step(_AHEAD_OPCODES)
    # Names are spelt out by GLOBAL and INST; what arrays hold by chance spells none.
    if any(_NAME.fullmatch(item.dotted) for item in ahead.imports):
        machine.scan.find(
            "loader-ambiguity",
            "an array's bytes would import a global under plain pickle.load",
            start,
            about="array",
        )
