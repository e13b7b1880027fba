"""How many bytes an item of a NumPy dtype takes, read off its pickled or textual form.

>>> width("<f8"), width("U5"), width("O")
(8, 20, None)
"""

import re

from tidegate.detect.supply.pickles.cursor import MalformedError
from tidegate.detect.supply.pickles.values import Const, Dict, Made, Tuple, Value

_TEXT = re.compile(r"[<>=|]?([a-zA-Z?])(\d{0,9})(\[[^\]]{1,40}\])?")
_FIXED = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 8, "L": 8, "q": 8, "Q": 8,
          "e": 2, "f": 4, "d": 8, "g": 16, "F": 8, "D": 16, "G": 32}  # fmt: skip
_OBJECT_FLAG = 1
_STATE_ITEMS = (8, 9)


def width(text: str) -> int | None:
    """Return the item size of a dtype string; ``None`` for objects.

    Raises:
        MalformedError: No such dtype.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise MalformedError(f"no such dtype {text[:40]!r}", 0)
    kind, digits, _ = match.groups()
    if kind == "O":
        return None
    if kind in "SaVU" and digits:
        return int(digits) * (4 if kind == "U" else 1)
    if kind in "mM":
        return 8
    if digits and kind in "biufc":
        return int(digits)
    if not digits and kind in _FIXED:
        return _FIXED[kind]
    raise MalformedError(f"no such dtype {text[:40]!r}", 0)


def item_size(dtype: Made) -> int | None:
    """Return the item size of a pickled dtype; ``None`` where it holds objects.

    Raises:
        MalformedError: It is not one that NumPy writes.
    """
    args = dtype.args.items if dtype.args else ()
    if dtype.by != "numpy:dtype" or not args:
        raise MalformedError("an array of an unknown dtype", 0)
    first = args[0]
    text = first.value if isinstance(first, Const) else None
    if not isinstance(text, str):
        raise MalformedError("an array of an unknown dtype", 0)
    size = width(text)
    state = dtype.state
    if state is None or size is None:
        return size
    if not isinstance(state, Tuple) or len(state.items) not in _STATE_ITEMS:
        raise MalformedError("a dtype with a state of an unknown form", 0)
    stated, flags = _number(state.items[5]), _number(state.items[7])
    if flags is not None and flags & _OBJECT_FLAG:
        return None
    if stated not in (None, -1) and stated != size:
        raise MalformedError("a dtype that contradicts its own size", 0)
    _fields(state.items[4], size)
    return size


def _fields(fields: Value, size: int) -> None:
    """Check that a structure without objects has none, and keeps its fields inside.

    Raises:
        MalformedError: It lies: NumPy would take raw bytes for pointers.
    """
    for field in fields.entries.values() if isinstance(fields, Dict) else ():
        kind, offset = field.items[:2] if isinstance(field, Tuple) else (field, field)
        inner = item_size(kind) if isinstance(kind, Made) else None
        place = _number(offset)
        if inner is None or place is None or not 0 <= place <= size - inner:
            raise MalformedError("a dtype that contradicts its fields", 0)


def _number(value: Value) -> int | None:
    number = value.value if isinstance(value, Const) else None
    return number if isinstance(number, int) else None
