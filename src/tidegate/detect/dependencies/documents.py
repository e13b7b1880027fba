r"""Bounded reading of lock files: bytes in, plain values out, with a typed error for anything else.

YAML is read from its events: no tags, no anchors, no duplicate keys, and every scalar is text, so
that the version 1.10 stays 1.10.

>>> yaml_value("a: 1.10\nb: [x, y]", "demo.yml")
{'a': '1.10', 'b': ['x', 'y']}
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

import yaml

from tidegate.core import canonical
from tidegate.core.canonical import Json
from tidegate.core.errors import CheckError, VerificationError

MAX_BYTES: Final = 32 << 20
"""Largest file that is read."""
MAX_DEPENDENCIES: Final = 50_000
_MAX_DEPTH: Final = 24
_MAX_EVENTS: Final = 4_000_000
_HEADER: Final = re.compile(r"^\[\[(package|packages)\]\]\s*(?:#.*)?$")


def refusal(problem: str, where: str, cause: str = "") -> CheckError:
    """Return the error for a file that is not what it should be."""
    return CheckError(
        problem,
        where=where,
        cause=cause[:200] or None,
        next_step="write the lock anew with the tool that made it",
        slug="bad-lock",
    )


def read_bytes(path: Path, shown: str) -> bytes:
    """Read a regular file whole.

    Raises:
        CheckError: It is none, is too large, or can't be read.
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
        handle = os.open(path, flags)
        with os.fdopen(handle, "rb") as file:
            if not S_ISREG(os.fstat(handle).st_mode):
                raise refusal("not a regular file", shown)
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refusal("the file can't be read", shown, error.strerror or "") from None
    if len(data) > MAX_BYTES:
        raise refusal(f"the file is larger than {MAX_BYTES} bytes", shown)
    return data


def text_of(data: bytes, where: str) -> str:
    """Decode UTF-8, with or without a byte order mark.

    Raises:
        CheckError: It is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refusal("the file is not UTF-8", where, f"byte {error.start}") from None


def toml_value(text: str, where: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        CheckError: It is none.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise refusal("the file is not valid TOML", where, str(error)) from None


def json_value(data: bytes, where: str) -> Json:
    """Parse JSON.

    Raises:
        CheckError: It is none.
    """
    try:
        return canonical.loads(data, what="the file", limit=MAX_BYTES)
    except VerificationError as error:
        raise refusal("the file is not valid JSON", where, error.cause or error.problem) from None


def yaml_value(text: str, where: str) -> Json:
    """Parse YAML whose scalars are all text.

    Raises:
        CheckError: It is none, is too deep or too long, or uses tags, anchors or a key twice.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        events = yaml.parse(text, Loader=loader)
        return _Composer(events, where).document()
    except yaml.YAMLError as error:
        raise refusal("the file is not valid YAML", where, str(error).replace("\n", " ")) from None
    except (RecursionError, ValueError) as error:
        raise refusal("the file is not valid YAML", where, str(error)) from None


class _Composer:
    def __init__(self, events: Iterator[Any], where: str) -> None:
        self._events = events
        self._where = where
        self._left = _MAX_EVENTS

    def document(self) -> Json:
        value: Json = None
        seen = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    raise refusal("the file holds more than one document", self._where)
            elif isinstance(event, yaml.NodeEvent):
                value = self._node(event, 0)
        return value

    def _next(self) -> Any:
        self._left -= 1
        if self._left < 0:
            raise refusal("the file has too many parts", self._where)
        return next(self._events)

    def _node(self, event: Any, depth: int) -> Json:
        if depth > _MAX_DEPTH:
            raise refusal(f"the file is nested deeper than {_MAX_DEPTH}", self._where)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise refusal("anchors are not read", f"{self._where}, line {line}")
        if event.tag is not None and event.tag != "!":
            raise refusal("tags are not read", f"{self._where}, line {line}")
        if isinstance(event, yaml.ScalarEvent):
            empty = event.value in {"", "~", "null"} and event.style is None
            return None if empty else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Json] = []
            while not isinstance(inner := self._next(), yaml.SequenceEndEvent):
                items.append(self._node(inner, depth + 1))
            return items
        found: dict[str, Json] = {}
        while not isinstance(inner := self._next(), yaml.MappingEndEvent):
            key = self._node(inner, depth + 1)
            if not isinstance(key, str) or key in found:
                raise refusal("a key is no text, or stands twice", f"{self._where}, line {line}")
            found[key] = self._node(self._next(), depth + 1)
        return found


def package_lines(text: str) -> list[int]:
    """Return the line of each ``[[package]]`` header, from 1."""
    return [
        number for number, line in enumerate(text.split("\n"), 1) if _HEADER.match(line.rstrip())
    ]


def tables(value: Json, key: str, where: str) -> list[Mapping[str, Any]]:
    """Return a list of tables, or none where the key is absent.

    Raises:
        CheckError: It is something else, or too long.
    """
    found = value.get(key, []) if isinstance(value, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise refusal(f"{key} is no list of tables", where)
    if len(found) > MAX_DEPENDENCIES:
        raise refusal(f"it names more than {MAX_DEPENDENCIES} distributions", where)
    return found


def text_field(table: Mapping[str, Any], key: str) -> str | None:
    """Return a text, or nothing where there is none."""
    value = table.get(key)
    return value[:4_000] if isinstance(value, str) and value else None


def table_field(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a table, or an empty one."""
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}


def list_field(table: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list, or an empty one."""
    value = table.get(key)
    return value[:MAX_DEPENDENCIES] if isinstance(value, list) else []
