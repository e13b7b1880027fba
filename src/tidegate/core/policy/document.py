"""A strict reader for the tables of a policy document: a parser for each known key.

>>> read({"mode": "warn"}, "a.toml, rule x", {"mode": text()})
{'mode': 'warn'}
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from tidegate.core.canonical import Json
from tidegate.core.errors import PolicyError

Parser = Callable[[Json], Any]
"""Reads one value; raises ``ValueError`` with what is wrong with it."""

MAX_ITEMS = 400


def read(
    raw: Json, where: str, keys: Mapping[str, Parser], *, required: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Read a table; absent keys stay absent.

    Raises:
        PolicyError: It is no table, has an unknown key, lacks a required one, or a value is
            wrong; ``where`` names the table and the key.
    """
    table: dict[str, Json] = _value(raw, where, mapping(lambda value: value))
    for key in (*table, *required):
        if key not in keys:
            close = get_close_matches(key, keys, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "remove it"
            problem, slug = f"unknown key {key!r}", "unknown-key"
            raise PolicyError(problem, where=where, next_step=hint, slug=slug)
        if key not in table:
            raise PolicyError(f"{key} is missing", where=where, slug="missing-key")
    return {key: _value(value, f"{where}, {key}", keys[key]) for key, value in table.items()}


def text(limit: int = 600, pattern: str = "[^\0]*") -> Parser:
    """Read a text of bounded length that a pattern describes as a whole."""
    compiled = re.compile(pattern)

    def parse(value: Json) -> str:
        if not isinstance(value, str) or len(value) > limit or not compiled.fullmatch(value):
            raise ValueError(f"not a well-formed text of at most {limit} characters")
        return value

    return parse


def flag(value: Json) -> bool:
    """Read true or false.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 - parsers have one error type
    return value


def one_of(enum: type[StrEnum]) -> Parser:
    """Read a member of an enumeration."""

    def parse(value: Json) -> StrEnum:
        if value not in tuple(enum):
            raise ValueError(f"not one of {', '.join(enum)}")
        return enum(value)

    return parse


def listed(item: Parser) -> Parser:
    """Read a list of at most 400 items into a tuple."""

    def parse(value: Json) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise ValueError(f"not a list of at most {MAX_ITEMS} items")
        return tuple(item(each) for each in value)

    return parse


def mapping(item: Parser, name: Parser | None = None) -> Parser:
    """Read a table of at most 400 keys."""
    key = name or text(80)

    def parse(value: Json) -> dict[str, Any]:
        if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
            raise ValueError(f"not a table of at most {MAX_ITEMS} keys")
        return {key(each): item(held) for each, held in value.items()}

    return parse


def _value(value: Json, where: str, parse: Parser) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise PolicyError(str(error), where=where, slug="bad-value") from None
