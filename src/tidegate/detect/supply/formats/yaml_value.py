r"""Reads YAML of untrusted origin into plain values: no tag makes an object, no alias is expanded.

Only the parser's events are used, never a loader, so that nothing is constructed. An alias is kept
as a text, which is enough to examine what a document says: its anchor is examined where it stands.

>>> read_yaml("a: !!python/name:os.system\nb: [x, true]").tags
(('tag:yaml.org,2002:python/name:os.system', '', 0),)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tidegate.core.canonical import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH: Final = 1 << 21
_EVENTS: Final = 200_000
_DEPTH: Final = 64
_PLAIN: Final[dict[str, Json]] = {
    "true": True, "True": True, "TRUE": True, "yes": True, "on": True, "false": False,
    "False": False, "FALSE": False, "no": False, "off": False, "null": None, "~": None, "": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Yaml:
    """What a text says as YAML."""

    documents: tuple[Json, ...] = ()
    tags: tuple[tuple[str, str, int], ...] = ()
    """Tags that a loader may act on, with the scalar that they stand at, and the line from 0."""
    error: str | None = None
    """Why it could not be read to its end."""


def read_yaml(text: str) -> Yaml:
    """Read all documents of a text, within bounds."""
    if len(text) > _LENGTH:
        return Yaml(error="it is longer than is read")
    import yaml  # noqa: PLC0415 - only files that look like YAML pay

    reader = _Reader()
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        for count, event in enumerate(_events(yaml.parse(text, Loader=loader))):
            if count > _EVENTS:
                reader.error = "it has more parts than are read"
                break
            reader.take(type(event).__name__, event)
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:
        reader.error = type(error).__name__
    return Yaml(tuple(reader.documents), tuple(reader.tags), reader.error)


def _events(source: Any) -> "Iterator[Any]":
    yield from source


class _Reader:
    """Builds plain values from events."""

    def __init__(self) -> None:
        self.documents: list[Json] = []
        self.tags: list[tuple[str, str, int]] = []
        self.error: str | None = None
        self._open: list[tuple[Json, list[Json]]] = []
        """Open collections, each with the key that waits for its value."""

    def take(self, kind: str, event: Any) -> None:
        """Take one event."""
        if kind == "ScalarEvent":
            self._tag(event, event.value)
            plain = not event.style and event.value in _PLAIN
            self._put(_PLAIN[event.value] if plain else event.value)
        elif kind == "AliasEvent":
            self._put(f"*{event.anchor}")
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._tag(event, "")
            if len(self._open) >= _DEPTH:
                raise ValueError("too deep")
            self._open.append(({} if kind.startswith("M") else [], []))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._put(self._open.pop()[0])

    def _tag(self, event: Any, value: str) -> None:
        tag = event.tag
        known = isinstance(tag, str) and tag.startswith("tag:yaml.org,2002:")
        if tag and tag != "!" and not (known and ":python/" not in tag):
            self.tags.append((tag, value, event.start_mark.line))

    def _put(self, value: Json) -> None:
        if not self._open:
            self.documents.append(value)
            return
        target, waiting = self._open[-1]
        if isinstance(target, list):
            target.append(value)
        elif not waiting:
            waiting.append(value if isinstance(value, str) else str(value)[:200])
        else:
            target[waiting.pop()] = value
