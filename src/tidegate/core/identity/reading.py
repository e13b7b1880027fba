r"""Read untrusted JSON field by field: each has its type and its bound, or is refused by name.

>>> fields = Fields({"size": 3, "note": "x"}, "demo")
>>> fields.integer("size", high=10), fields.rest()
(3, {'note': 'x'})
>>> decode_base64("-_8="), decode_base64("+/8=")
(b'\xfb\xff', b'\xfb\xff')
"""

import base64
import binascii
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from tidegate.core.canonical import MAX_SAFE_INTEGER, Json
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, TidegateError, VerificationError

_Choice = TypeVar("_Choice", bound=StrEnum)

MAX_TEXT = 16_384
"""Longest text field, in characters, unless the reader says otherwise."""


def encode_base64(data: bytes) -> str:
    """Write standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Read padded base64, of the standard or the URL-safe alphabet (RFC 4648 sections 4 and 5).

    A text has one reading and a reading one text an alphabet: stray characters, mixed alphabets
    and bits left over in the last character are refused, so nothing can be changed unnoticed.

    Raises:
        ValueError: It is not base64.
    """
    urlsafe = "-" in text or "_" in text
    altchars = b"-_" if urlsafe else b"+/"
    try:
        data = base64.b64decode(text.encode("ascii"), altchars, validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(f"not base64: {error}") from None
    if base64.b64encode(data, altchars).decode("ascii") != text:
        raise ValueError("not base64: more than one spelling of the same bytes")
    return data


class Fields:
    """A JSON object of untrusted origin.

    Args:
        value: What was parsed; anything but an object is refused.
        what: A noun with hyphens: it names the object in messages, and makes the error's slug
            (``bad-<what>``).
        error: The class to raise.
    """

    __slots__ = ("_error", "_left", "_value", "_what")

    def __init__(
        self, value: Json, what: str, *, error: type[TidegateError] = VerificationError
    ) -> None:
        self._what = what
        self._error = error
        if not isinstance(value, Mapping):
            raise self.refuse("it is no JSON object")
        self._value: Mapping[str, Json] = value
        self._left = dict.fromkeys(self._value)

    def refuse(self, cause: str, *, where: str | None = None) -> TidegateError:
        """Return the error to raise for something wrong in this object."""
        noun = self._what.replace("-", " ")
        return self._error(
            f"not a valid {noun}", where=where, cause=cause[:300], slug=f"bad-{self._what}"
        )

    def has(self, name: str) -> bool:
        """Tell whether a field is there and is not null."""
        return self._value.get(name) is not None

    def any(self, name: str) -> Json:
        """Return a required field of any type."""
        self._left.pop(name, None)
        if name not in self._value:
            raise self.refuse("the field is missing", where=name)
        return self._value[name]

    def text(self, name: str, *, limit: int = MAX_TEXT, empty: bool = False) -> str:
        """Return a required text."""
        value = self.any(name)
        if not isinstance(value, str) or len(value) > limit or not (value or empty):
            raise self.refuse(f"it must be text of at most {limit} characters", where=name)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise self.refuse("it holds a lone surrogate", where=name) from None
        return value

    def choice(self, name: str, options: type[_Choice]) -> _Choice:
        """Return a required text as a member of an enumeration."""
        text = self.text(name, limit=256)
        try:
            return options(text)
        except ValueError:
            known = ", ".join(options)
            raise self.refuse(f"{text!r} is none of {known}", where=name) from None

    def integer(self, name: str, *, low: int = 0, high: int = MAX_SAFE_INTEGER) -> int:
        """Return a required integer within bounds."""
        value = self.any(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.refuse(f"it must be an integer from {low} to {high}", where=name)
        return value

    def flag(self, name: str) -> bool:
        """Return a required boolean."""
        value = self.any(name)
        if not isinstance(value, bool):
            raise self.refuse("it must be true or false", where=name)
        return value

    def array(self, name: str, *, limit: int, low: int = 0) -> list[Json]:
        """Return a required array within bounds of length."""
        value = self.any(name)
        if not isinstance(value, list) or not low <= len(value) <= limit:
            raise self.refuse(f"it must be an array of {low} to {limit} items", where=name)
        return list(value)

    def texts(self, name: str, *, limit: int, low: int = 0) -> tuple[str, ...]:
        """Return a required array of texts."""
        values = self.array(name, limit=limit, low=low)
        if not all(isinstance(value, str) and 0 < len(value) <= MAX_TEXT for value in values):
            raise self.refuse("it must hold texts only", where=name)
        return tuple(values)

    def object(self, name: str) -> dict[str, Json]:
        """Return a required object."""
        value = self.any(name)
        if not isinstance(value, Mapping):
            raise self.refuse("it must be an object", where=name)
        return dict(value)

    def base64(self, name: str, *, limit: int, empty: bool = False) -> bytes:
        """Return a required base64 text, decoded."""
        text = self.text(name, limit=limit * 4 // 3 + 4, empty=empty)
        try:
            return decode_base64(text)
        except ValueError as error:
            raise self.refuse(str(error), where=name) from None

    def digest(self, name: str) -> Digest:
        """Return a required digest, written ``algorithm:hex``."""
        try:
            return Digest.parse(self.text(name, limit=256))
        except SubjectError as error:
            raise self.refuse(str(error), where=name) from None

    def item(self, value: Json, name: str) -> "Fields":
        """Return an item of an array as an object with that one field."""
        return Fields({name: value}, self._what, error=self._error)

    def rest(self) -> dict[str, Json]:
        """Return the fields that nobody has asked for."""
        return {name: self._value[name] for name in self._left}

    def done(self) -> None:
        """Refuse fields that nobody has asked for."""
        if self._left:
            raise self.refuse("it is no field of this version", where=next(iter(self._left))[:100])
