"""Reading JSON of others field by field, so that what was not understood is known.

Every field that no reader asked for becomes a loss when its object is closed:

>>> losses = Losses()
>>> node = Node({"name": "x", "evidence": {"x": 1}}, "components[]", losses)
>>> node.text("name"), node.close()
('x', None)
>>> [str(loss) for loss in losses.found()]
['components[].evidence: not kept']
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tidegate.core.canonical import Json, loads
from tidegate.core.clock import Micros, parse_iso
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.interop.bom.model import STAGE

MAX_BYTES: Final = 64 * 1024 * 1024
"""Size of a document; beyond it is refused."""
MAX_OBJECTS: Final = 1_000_000
"""Objects in a document that are looked at; beyond it is refused."""
_MAX_LOSSES = 1_000
_NUMBER: Final = re.compile(r"\d{1,15}")
_NOT_KEPT = "not kept"


@dataclass(frozen=True, slots=True, order=True)
class Loss:
    """Something that a document says and the result does not."""

    where: str
    """Path of the field, with ``[]`` for each list."""
    why: str = _NOT_KEPT
    count: int = 1
    """How often it came up."""

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.where}: {self.why}{times}"

    def to_json(self) -> dict[str, Json]:
        """Return the three fields."""
        return {"where": self.where, "why": self.why, "count": self.count}


class Losses:
    """Counts losses; bounded, whatever a document holds."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._more = 0
        self._objects = 0

    def add(self, where: str, why: str = _NOT_KEPT) -> None:
        """Count one loss."""
        key = (where, why)
        if key in self._counts or len(self._counts) < _MAX_LOSSES:
            self._counts[key] = self._counts.get(key, 0) + 1
        else:
            self._more += 1

    def look(self) -> None:
        """Count one object.

        Raises:
            SubjectError: There are too many.
        """
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise bad("it has too many parts", f"more than {MAX_OBJECTS} objects")

    def found(self) -> tuple[Loss, ...]:
        """Return them by place."""
        found = sorted(Loss(where, why, count) for (where, why), count in self._counts.items())
        more = [Loss("…", "further kinds of loss", self._more)] if self._more else []
        return (*found, *more)


class Node:
    """One JSON object, and which of its fields were asked for.

    Raises:
        SubjectError: It is no object.
    """

    def __init__(self, value: Json, where: str, losses: Losses) -> None:
        if not isinstance(value, dict):
            raise bad("a part is no object", where or "the document")
        losses.look()
        self._value: dict[str, Json] = value
        self._seen: set[str] = set()
        self.where = where
        self.losses = losses

    def place(self, key: str) -> str:
        """Return the path of a field."""
        name = printable(key)
        return f"{self.where}.{name}" if self.where else name

    def raw(self, key: str) -> Json:
        """Return a field as it is."""
        self._seen.add(key)
        return self._value.get(key)

    def skip(self, *keys: str) -> None:
        """Pass over fields that say nothing of their own."""
        self._seen.update(keys)

    def text(self, key: str) -> str | None:
        """Return a text; an empty one says nothing.

        Raises:
            SubjectError: It is no text, or no Unicode.
        """
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise bad("a field is no text", self.place(key))
        return unicode(value, self.place(key)) or None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts.

        Raises:
            SubjectError: It is no list of texts.
        """
        found = self._list(key)
        if not all(isinstance(item, str) for item in found):
            raise bad("a field is no list of texts", self.place(key))
        return tuple(unicode(item, self.place(key)) for item in found if item)

    def number(self, key: str) -> str | None:
        """Return a figure as text, whether it is written as text or as a number.

        Raises:
            SubjectError: It is neither.
        """
        value = self.raw(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return format(value, "d") if isinstance(value, int) else repr(value)
        return self.text(key)

    def time(self, key: str) -> Micros | None:
        """Return a point in time; one that can't be read is a loss."""
        value = self.text(key)
        if value is None:
            return None
        try:
            return parse_iso(value)
        except (ValueError, OverflowError):
            self.lose(key, "not a time with an offset")
            return None

    def child(self, key: str) -> "Node | None":
        """Return an object.

        Raises:
            SubjectError: It is no object.
        """
        value = self.raw(key)
        return None if value is None else Node(value, self.place(key), self.losses)

    def each(self, key: str) -> Iterator["Node"]:
        """Yield the objects of a list.

        Raises:
            SubjectError: It is no list of objects.
        """
        for item in self._list(key):
            yield Node(item, f"{self.place(key)}[]", self.losses)

    def lose(self, key: str, why: str = _NOT_KEPT) -> None:
        """Count a field that was read and can't be kept."""
        self._seen.add(key)
        self.losses.add(self.place(key), why)

    def close(self) -> None:
        """Count every field that was not asked for and says something."""
        for key, value in self._value.items():
            if key not in self._seen and value not in (None, "", [], {}):
                self.losses.add(self.place(key))

    def _list(self, key: str) -> list[Json]:
        value = self.raw(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise bad("a field is no list", self.place(key))
        return value


def parse(data: bytes) -> Json:
    """Read JSON of untrusted origin.

    Raises:
        SubjectError: It is too big, too deep, or not JSON.
    """
    try:
        return loads(data.removeprefix(b"\xef\xbb\xbf"), what="the document", limit=MAX_BYTES)
    except VerificationError as error:
        raise bad(error.problem, cause=error.cause) from None


def digest_of(algorithm: str, text: str) -> Digest | None:
    """Return a digest of an algorithm that proves something, if this is one."""
    try:
        return Digest(algorithm, text.lower())
    except SubjectError:
        return None


def parse_digest(text: str | None) -> Digest | None:
    """Read ``algorithm:hex``, if it is that."""
    algorithm, _, value = (text or "").partition(":")
    return digest_of(algorithm, value)


def whole(text: str | None) -> int | None:
    """Read a whole number of at most 15 digits, if it is that."""
    return int(text) if text and text.isascii() and _NUMBER.fullmatch(text) else None


def stage_of(text: str | None) -> str | None:
    """Return a text that is the name of a stage."""
    return text if text and STAGE.fullmatch(text) else None


def unicode(text: str, where: str) -> str:
    """Return a text that every format can hold.

    Raises:
        SubjectError: It has half a surrogate pair.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise bad("a text is not Unicode", where) from None
    return text


def printable(key: str) -> str:
    """Return a field's name as ASCII, cut to what can be read."""
    return key[:80].encode("ascii", "backslashreplace").decode("ascii")


def bad(problem: str, where: str | None = None, *, cause: str | None = None) -> SubjectError:
    """Return the error for a document that can't be read."""
    return SubjectError(
        f"not a bill of materials that can be read: {problem}",
        where=None if where is None else printable(where),
        cause=cause,
        next_step="check it with the tool that wrote it",
        slug="bad-bom",
    )
