"""Reads JSON of untrusted origin into values, as long as the values stay small in memory.

>>> read_json(b'{"a": [1]}')
{'a': [1]}
>>> read_json(b"[" * 100) is None
True
"""

import json
from typing import Final

from tidegate.core.canonical import Json, loads
from tidegate.core.errors import VerificationError
from tidegate.detect.supply.pickles.cursor import Buffer

_BYTES: Final = 1 << 23
_VALUES: Final = 400_000


def read_json(data: Buffer) -> Json:
    """Return a value; ``None`` where it is no JSON, or more than is held in memory."""
    if len(data) > _BYTES or not fits(body := data[:]):
        return None
    try:
        return loads(body, what="a JSON document", limit=_BYTES)
    except VerificationError:
        return None


def read_as_python(data: Buffer) -> Json:
    """Return what :func:`read_json` refuses and Python's own parser takes, as loaders in Python do.

    Of a key that is there twice the last entry counts; the earlier ones are kept under other names.
    """
    if len(data) > _BYTES or not fits(body := data[:]):
        return None

    def keep_all(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        out: dict[str, Json] = {}
        for key, value in pairs:
            if key in out:
                out[f"{key} ({len(out)})"] = out[key]
            out[key] = value
        return out

    try:
        value: Json = json.loads(body, object_pairs_hook=keep_all)
    except (ValueError, RecursionError):
        return None
    return value


def fits(body: bytes) -> bool:
    """Tell whether a document's values are few enough to be held; it counts marks, not values."""
    return len(body) <= _BYTES and sum(body.count(mark) for mark in (b",", b"[", b"{")) <= _VALUES
