"""Facts: what a gate established, by dotted name, before any rule is asked.

>>> facts = FactSet([Fact.of("train.outcome", "allow", source="log 12")])
>>> facts.value("train.outcome"), facts.state("train.age_s").value
('allow', 'missing')
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from tidegate.core.canonical import MAX_SAFE_INTEGER, Json
from tidegate.core.errors import VerificationError
from tidegate.core.policy.result import FactState, FactUse

FactValue = bool | int | float | str | tuple[str, ...]
"""What a present fact holds."""

NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")
"""A fact's name: lower-case words joined by dots, at least two."""

MAX_NAME = 120
MAX_TEXT = 1_024
MAX_ITEMS = 256
MAX_FACTS = 2_048


class FactType(StrEnum):
    """The types that facts have, as CEL names them."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    STRINGS = "list(string)"


def type_of(value: FactValue) -> FactType:
    """Return the type that a value has."""
    if isinstance(value, bool):
        return FactType.BOOL
    if isinstance(value, int):
        return FactType.INT
    if isinstance(value, float):
        return FactType.DOUBLE
    return FactType.STRING if isinstance(value, str) else FactType.STRINGS


def cel_text(value: FactValue) -> str:
    r"""Write a value in CEL notation; what is not printable is escaped.

    >>> print(cel_text(("a", "b\n")), cel_text(True), cel_text(0.5))
    ["a", "b\n"] true 0.5
    """
    if isinstance(value, tuple):
        return f"[{', '.join(cel_text(item) for item in value)}]"
    return (
        repr(value)
        if isinstance(value, float)
        else printable(json.dumps(value, ensure_ascii=False))
    )


def printable(text: str) -> str:
    """Escape what a terminal would obey rather than show."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known, known to be absent, or not to be read."""

    name: str
    value: FactValue | None
    """``None`` unless the state is present."""
    type: FactType
    state: FactState
    source: str
    """Where it comes from: ``log 12``, ``check pii``, ``request``."""

    def __post_init__(self) -> None:
        if len(self.name) > MAX_NAME or not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name[:MAX_NAME]!r} is no fact name")
        if (self.value is None) != (self.state is not FactState.PRESENT):
            raise ValueError(f"{self.name}: a value belongs to a present fact, and to no other")
        if self.value is not None:
            fault = _fault(self.value)
            if fault or type_of(self.value) is not self.type:
                raise ValueError(f"{self.name}: {fault or f'the value is no {self.type.value}'}")

    @classmethod
    def of(cls, name: str, value: FactValue, *, source: str) -> Self:
        """Make a present fact; a value that policy can't weigh (NaN, too big) is unreadable.

        Raises:
            ValueError: The name is no fact name.
        """
        fault = _fault(value)
        if fault:
            return cls.unreadable(name, type_of(value), source=f"{source} ({fault})")
        return cls(name, value, type_of(value), FactState.PRESENT, source)

    @classmethod
    def missing(cls, name: str, type_: FactType, *, source: str = "nothing states it") -> Self:
        """Make a fact whose evidence never existed."""
        return cls(name, None, type_, FactState.MISSING, source)

    @classmethod
    def unreadable(cls, name: str, type_: FactType, *, source: str) -> Self:
        """Make a fact whose evidence can't be read or checked."""
        return cls(name, None, type_, FactState.UNREADABLE, source)

    @property
    def use(self) -> FactUse:
        """The fact as results show it."""
        value = "" if self.value is None else cel_text(self.value)
        return FactUse(self.name, value, self.state, self.source)

    def to_json(self) -> dict[str, Json]:
        """Return the signed form; a double is written as a decimal string."""
        raw = None if self.value is None else value_to_json(self.value)
        kind, state = self.type.value, self.state.value
        return {
            "name": self.name,
            "value": raw,
            "type": kind,
            "state": state,
            "source": self.source,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: A field is missing, or the value has not the stated type.
        """
        try:
            held = None if value["value"] is None else value_from_json(value["value"])
            kind, state = FactType(value["type"]), FactState(value["state"])
            return cls(str(value["name"]), held, kind, state, str(value["source"]))
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError("not a fact", cause=str(error), slug="bad-fact") from None


class FactSet(Mapping[str, Fact]):
    """Facts by name; immutable. A name that is not in it is a missing fact.

    Raises:
        ValueError: Two facts have one name, or there are more than 2,048.
    """

    __slots__ = ("_facts",)

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        listed = tuple(facts)
        self._facts = {fact.name: fact for fact in listed}
        if len(self._facts) != len(listed):
            raise ValueError("two facts have the same name")
        if len(listed) > MAX_FACTS:
            raise ValueError(f"more than {MAX_FACTS} facts")

    def __getitem__(self, name: str) -> Fact:
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __repr__(self) -> str:
        return f"FactSet({len(self)} facts)"

    def value(self, name: str) -> FactValue | None:
        """Return a fact's value, or ``None`` where it is not present."""
        fact = self._facts.get(name)
        return fact.value if fact else None

    def state(self, name: str) -> FactState:
        """Return a fact's state; what nobody stated is missing."""
        fact = self._facts.get(name)
        return fact.state if fact else FactState.MISSING

    def with_facts(self, *facts: Fact) -> "FactSet":
        """Return a set in which these facts replace those of their names."""
        return FactSet({**self._facts, **{fact.name: fact for fact in facts}}.values())

    def without(self, *names: str) -> "FactSet":
        """Return a set that lacks these facts."""
        return FactSet(fact for fact in self.values() if fact.name not in names)

    def to_json(self) -> list[Json]:
        """Return the facts in order of name."""
        return [self._facts[name].to_json() for name in sorted(self._facts)]

    @classmethod
    def from_json(cls, value: Json) -> "FactSet":
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: It is no list of distinct facts.
        """
        try:
            return cls(Fact.from_json(item) for item in value)
        except (TypeError, ValueError) as error:
            raise VerificationError("not a fact set", cause=str(error), slug="bad-fact") from None


def value_to_json(value: FactValue) -> Json:
    """Write a value without floats: a double becomes ``{"double": "0.25"}``."""
    if isinstance(value, float):
        return {"double": repr(value)}
    return list(value) if isinstance(value, tuple) else value


def value_from_json(raw: Json) -> FactValue:
    """Read what :func:`value_to_json` wrote; plain floats (TOML) are taken, too.

    Raises:
        ValueError: It is no boolean, number, text or list of texts, or is out of bounds.
    """
    value = raw
    if isinstance(raw, dict) and raw.keys() == {"double"} and isinstance(raw["double"], str):
        value = float(raw["double"])
    elif isinstance(raw, list) and all(isinstance(item, str) for item in raw):
        value = tuple(raw)
    if not isinstance(value, bool | int | float | str | tuple):
        raise ValueError("a value is true, false, a number, a text or a list of texts")  # noqa: TRY004 - one error type
    fault = _fault(value)
    if fault:
        raise ValueError(fault)
    return value


def _fault(value: FactValue) -> str:
    if isinstance(value, float):
        return "" if math.isfinite(value) else "not a finite number"
    if isinstance(value, int):
        return "" if abs(value) <= MAX_SAFE_INTEGER else "an integer beyond 2**53-1"
    items = (value,) if isinstance(value, str) else value
    if len(items) > MAX_ITEMS or any(len(item) > MAX_TEXT for item in items):
        return f"longer than {MAX_TEXT} characters or {MAX_ITEMS} items"
    try:
        "".join(items).encode("utf-8")
    except UnicodeEncodeError:
        return "not Unicode text"
    return ""
