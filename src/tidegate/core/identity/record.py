"""Frozen dataclasses as strict JSON objects: one reader and one writer for what is signed.

Field names become camelCase. Every field must be there, of its type, and no other; a class with
a field ``extra`` keeps those that it does not know. A text may be empty where its default is.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True, slots=True)
... class Tide(Record):
...     height_mm: int
...     place: str = ""
>>> Tide(3).to_json(), Tide.from_json({"heightMm": 3, "place": "Cuxhaven"}).place
({'heightMm': 3, 'place': ''}, 'Cuxhaven')
"""

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, NewType, Self, Union, cast, get_args, get_origin, get_type_hints

from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.identity.reading import Fields

MAX_ITEMS = 65_536
"""Longest array in a record."""

_Read = Callable[[Fields, str], Any]


class Record:
    """A dataclass that is written to, and read from, a JSON object."""

    __slots__ = ()
    what: ClassVar[str] = "record"
    """A noun with hyphens for error messages and slugs."""

    def to_json(self) -> dict[str, Json]:
        """Return the object as it is signed."""
        out: dict[str, Json] = dict(getattr(self, "extra", {}))
        for name, key, _ in _plan(cast("Hashable", type(self))):
            out[key] = _write(getattr(self, name))
        return out

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: A field is missing, of another type, out of bounds or unknown.
        """
        found = Fields(value, cls.what)
        values = {name: read(found, key) for name, key, read in _plan(cast("Hashable", cls))}
        if "extra" in cls.__dataclass_fields__:  # type: ignore[attr-defined]  # subclasses are
            values["extra"] = found.rest()
        else:
            found.done()
        return cls(**values)


def _write(value: Any) -> Json:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Digest):
        return str(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_write(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _write(item) for key, item in value.items()}
    return value.to_json() if hasattr(value, "to_json") else value


@cache
def _plan(cls: Any) -> tuple[tuple[str, str, _Read], ...]:
    """Return attribute, JSON name and reader of each field."""
    hints, plan = get_type_hints(cls), list[tuple[str, str, _Read]]()
    for field in fields(cls):
        if field.name != "extra":
            key = re.sub(r"_(\w)", lambda match: match[1].upper(), field.name)
            empty = field.default is not MISSING and field.default == ""
            plan.append((field.name, key, _reader(hints[field.name], empty=empty)))
    return tuple(plan)


def _reader(hint: Any, *, empty: bool = False) -> _Read:
    """Return what reads a field of a type; a type that records can't have fails at first use."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        some = _reader(next(one for one in arguments if one is not NoneType))
        return lambda found, key: some(found, key) if found.has(key) else found.any(key)
    if origin in {tuple, frozenset}:
        item = _reader(arguments[0])
        return lambda found, key: origin(
            item(found.item(value, key), key) for value in found.array(key, limit=MAX_ITEMS)
        )
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    plain: dict[Any, _Read] = {
        int: Fields.integer,
        bool: Fields.flag,
        str: lambda found, key: found.text(key, empty=empty),
        Digest: Fields.digest,
        Mapping: Fields.object,
    }
    if read := plain.get(origin or hint):
        return read
    if issubclass(hint, StrEnum):
        return lambda found, key: found.choice(key, hint)
    return lambda found, key: hint.from_json(found.any(key))
