"""Argument shapes: what a listed callable may be called with.

A shape is a list of patterns, one an argument; the last may repeat. A pattern is a word, or a list
of alternatives:

- ``none bool int float str bytes`` a constant of that kind (``bytes`` takes what protocols 0 to 2
  write instead, too); ``const`` any of them, or a tuple of them;
- ``tuple list dict set`` a plain container, whose members are judged as data; ``data`` anything,
  judged as data;
- ``str~REGEX`` a string that matches in full;
- ``class`` a global that may be instantiated; ``=module:name`` that very global;
- ``@module:name`` an object that this global made; ``…`` after any pattern: zero or more of it.

>>> value = Tuple((Const("str", "f8"), FALSE, TRUE))
>>> matches(("str~[fiu][1248]", "bool", "bool"), value, lambda key: False)
True
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from tidegate.core.errors import ConfigError
from tidegate.detect.supply.pickles.values import (
    FALSE,
    TRUE,
    Const,
    Dict,
    Global,
    List,
    Made,
    Set,
    Tuple,
    Value,
)

__all__ = ["FALSE", "TRUE", "Const", "Pattern", "Shape", "Tuple", "left_over", "matches", "parse"]

Pattern = str | tuple[str, ...]
Shape = tuple[Pattern, ...]
ClassTest = Callable[[str], bool]
_Test = Callable[[Value, ClassTest], bool]

_CONSTANTS = frozenset({"none", "bool", "int", "float", "str", "bytes"})
_CONTAINERS: dict[str, type] = {"tuple": Tuple, "list": List, "dict": Dict, "set": Set}
_WORDS = _CONSTANTS | set(_CONTAINERS) | {"const", "data", "class"}
_ENCODED = "_codecs:encode"
"""How protocols 0 to 2 write bytes: a call of ``_codecs.encode``."""


def parse(raw: object) -> Shape:
    """Read one shape from JSON.

    Raises:
        ConfigError: Not a list of known patterns.
    """
    if not isinstance(raw, list):
        raise ConfigError("a shape is a list of patterns", where=str(raw)[:80], slug="bad-pack")
    return tuple(_pattern(item) for item in raw)


def _pattern(raw: object) -> Pattern:
    if isinstance(raw, list):
        return tuple(_word(item) for item in raw)
    return _word(raw)


def _word(raw: object) -> str:
    text = raw if isinstance(raw, str) else ""
    word = text.removesuffix("…")
    known = word in _WORDS or (len(word) > 1 and word[0] in "=@") or word.startswith("str~")
    if not known:
        raise ConfigError("no such pattern", where=str(raw)[:80], slug="bad-pack")
    return text


def matches(shape: Shape, args: Tuple, may_make: ClassTest) -> bool:
    """Tell whether arguments fit a shape.

    Args:
        shape: The patterns.
        args: The arguments.
        may_make: Whether a global may be instantiated.
    """
    values, fixed = args.items, _tests(shape)
    if fixed.rest is None:
        if len(values) != len(fixed.tests):
            return False
    elif len(values) < len(fixed.tests):
        return False
    for tests, value in zip(fixed.tests, values, strict=False):
        if not any([test(value, may_make) for test in tests]):  # noqa: C419 - one or two of them
            return False
    return fixed.rest is None or all(
        any(test(value, may_make) for test in fixed.rest) for value in values[len(fixed.tests) :]
    )


def left_over(shape: Shape, args: Tuple) -> Iterator[Value]:
    """Yield the arguments that the shape lets pass without naming them: to be judged as data."""
    last = len(shape) - 1
    for index, value in enumerate(args.items):
        if not isinstance(value, Global) or not _names(shape[min(index, last)], value):
            yield value


def _names(pattern: Pattern, value: Global) -> bool:
    options = pattern if isinstance(pattern, tuple) else (pattern,)
    return any(option.removesuffix("…") in ("class", f"={value.key}") for option in options)


class _Tests(NamedTuple):
    """A shape as functions: one tuple of alternatives an argument."""

    tests: tuple[tuple[_Test, ...], ...]
    rest: tuple[_Test, ...] | None
    """For all arguments behind those; ``None`` where there may be none."""


@lru_cache(maxsize=4_096)
def _tests(shape: Shape) -> _Tests:
    """Return the functions of a shape; what stands behind a repeated pattern is never reached."""
    tests: list[tuple[_Test, ...]] = []
    for pattern in shape:
        options = pattern if isinstance(pattern, tuple) else (pattern,)
        found = tuple(_test(option.removesuffix("…")) for option in options)
        if options[0].endswith("…"):
            return _Tests(tuple(tests), found)
        tests.append(found)
    return _Tests(tuple(tests), None)


def _test(word: str) -> _Test:
    if word in _CONTAINERS:
        kind = _CONTAINERS[word]
        return lambda value, _: isinstance(value, kind)
    if word in _CONSTANTS - {"bytes"}:
        return lambda value, _: isinstance(value, Const) and value.kind == word
    if word[:1] in ("=", "@"):
        named = word[1:]
        if word[0] == "=":
            return lambda value, _: isinstance(value, Global) and value.key == named
        return lambda value, _: isinstance(value, Made) and value.by == named
    return {
        "data": lambda _value, _: True,
        "const": lambda value, _: _constant(value, 4),
        "bytes": lambda value, _: _bytes_like(value),
        "class": lambda value, may_make: isinstance(value, Global) and may_make(value.key),
        "str": lambda value, _: _text_like(word[4:], value),
    }[word.partition("~")[0]]


def _text_like(pattern: str, value: Value) -> bool:
    text = value.value if isinstance(value, Const) and value.kind == "str" else None
    return isinstance(text, str) and _regex(pattern).fullmatch(text) is not None


def _bytes_like(value: Value) -> bool:
    if isinstance(value, Const):
        return value.kind in ("bytes", "str", "bytearray")
    return isinstance(value, Made) and value.by == _ENCODED


def _constant(value: Value, depth: int) -> bool:
    if isinstance(value, Tuple):
        return depth > 0 and all(_constant(item, depth - 1) for item in value.items)
    return isinstance(value, Const)


@lru_cache(maxsize=256)
def _regex(pattern: str) -> "re.Pattern[str]":
    return re.compile(pattern)


def parse_all(raw: Sequence[object]) -> tuple[Shape, ...]:
    """Read a list of shapes."""
    return tuple(parse(item) for item in raw)
