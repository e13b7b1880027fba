"""Canonical JSON: one value, one byte string (the integer subset of RFC 8785).

Floating point is refused: measurements travel as decimal strings or scaled integers, so that
no two writers disagree about a digest. Reading is bounded in size and depth.

>>> dumps({"b": 1, "a": ["x", None]})
b'{"a":["x",null],"b":1}'
"""

import json
from collections.abc import Mapping
from typing import Any

from tidegate.core.errors import VerificationError

Json = Any
"""A JSON value. Its shape is checked where it is read."""

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 64
MAX_BYTES = 64 * 1024 * 1024


def dumps(value: Json) -> bytes:
    """Serialise to canonical bytes.

    Raises:
        ValueError: A float, an integer beyond 2**53-1, a key that is no string, a lone
            surrogate, or another type that JSON does not have.
    """
    _check(value, 0)
    text = json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def loads(data: bytes, *, what: str, limit: int = MAX_BYTES) -> Json:
    """Parse JSON of untrusted origin: bounded, without duplicate keys. Floats are allowed.

    Raises:
        VerificationError: It is too big, too deep, not UTF-8, or not JSON.
    """
    if len(data) > limit:
        raise VerificationError(f"{what} is larger than {limit} bytes", slug="too-large")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
        _depth(value, 0)
    except (ValueError, RecursionError) as error:
        raise VerificationError(
            f"{what} is not well-formed JSON", cause=str(error)[:200], slug="bad-json"
        ) from None
    return value


def _check(value: Json, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"integer {value} is beyond 2**53-1")
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"key {key!r} is no string")  # noqa: TRY004 - one error type
            _check(item, depth + 1)
        return
    if isinstance(value, list | tuple):
        for item in value:
            _check(item, depth + 1)
        return
    raise ValueError(f"{type(value).__name__} has no canonical form")


def _ordered(value: Json) -> Json:
    # RFC 8785 sorts keys by UTF-16 code units, which differs from Python's order beyond the BMP.
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: _ordered(value[key]) for key in keys}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is not JSON")


def _depth(value: Json, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for item in value.values():
            _depth(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _depth(item, depth + 1)
