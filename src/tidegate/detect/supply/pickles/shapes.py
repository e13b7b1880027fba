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
    values = list(args.items)
    for pattern in shape:
        options = pattern if isinstance(pattern, tuple) else (pattern,)
        if options[0].endswith("…"):
            words = [option.removesuffix("…") for option in options]
            return all(any(_one(word, value, may_make) for word in words) for value in values)
        if not values or not any(_one(word, values[0], may_make) for word in options):
            return False
        values.pop(0)
    return not values


def left_over(shape: Shape, args: Tuple) -> Iterator[Value]:
    """Yield the arguments that the shape lets pass without naming them: to be judged as data."""
    for index, value in enumerate(args.items):
        pattern = shape[min(index, len(shape) - 1)]
        named = isinstance(value, Global) and _names(pattern, value)
        if not named:
            yield value


def _names(pattern: Pattern, value: Global) -> bool:
    options = pattern if isinstance(pattern, tuple) else (pattern,)
    return any(option.removesuffix("…") in ("class", f"={value.key}") for option in options)


def _one(word: str, value: Value, may_make: ClassTest) -> bool:
    if word in _CONTAINERS:
        return isinstance(value, _CONTAINERS[word])
    if word in _CONSTANTS - {"bytes"}:
        return isinstance(value, Const) and value.kind == word
    head = word[:1] if word[:1] in ("=", "@") else word.partition("~")[0]
    tests: dict[str, Callable[[], bool]] = {
        "data": lambda: True,
        "const": lambda: _constant(value, 4),
        "bytes": lambda: _bytes_like(value),
        "class": lambda: isinstance(value, Global) and may_make(value.key),
        "=": lambda: isinstance(value, Global) and value.key == word[1:],
        "@": lambda: isinstance(value, Made) and value.by == word[1:],
        "str": lambda: _text_like(word[4:], value),
    }
    return tests[head]()


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
