"""The tree of commands, and what each promises to programs that read its answer."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from typing import Any

from cyclopts import App

from tidegate.cli import build_app

_PARAGRAPH = re.compile(r"^JSON: (.+?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_SIGNED = {("policy", "explain", "rules")}
"""Lists whose items are shown as they were signed, in the fields of a predicate."""
_FIELD = re.compile(r"`(\w+)`(?:\s+\(([^)]*)\))?")


@dataclass(frozen=True)
class Command:
    """One command that does something."""

    path: tuple[str, ...]
    flags: frozenset[str]
    reports: bool
    """Whether it reports findings, whose document has a schema of its own."""
    promised: Mapping[str, frozenset[str]] | None
    """The fields of its document, each with the fields of its items; ``None`` where its help
    names none."""

    def __str__(self) -> str:
        return " ".join(self.path)


@cache
def commands() -> Mapping[tuple[str, ...], Command]:
    """Return every command by its path."""
    return {command.path: command for command in _walk(build_app(), ())}


def command_of(arguments: Sequence[str]) -> Command | None:
    """Return the command that arguments call."""
    known = commands()
    paths = (tuple(arguments[:length]) for length in range(min(len(arguments), 4), 0, -1))
    return next((known[path] for path in paths if path in known), None)


def breaches(command: Command, document: Any) -> list[str]:
    """Return where a document is not what its command promises."""
    if command.promised is None:
        return [f"{command} promises no document"]
    if not isinstance(document, dict):
        return [f"{command} answers with no object"]
    found = [f"{name} is not promised" for name in document if name not in command.promised]
    found += [f"{name} is missing" for name in command.promised if name not in document]
    for name, inner in command.promised.items():
        value = document.get(name)
        signed = (*command.path, name) in _SIGNED
        items = value if isinstance(value, list) and not signed else []
        for item in items:
            keys = set(item) if isinstance(item, dict) else set()
            if keys != inner:
                found.append(f"{name} has {sorted(keys ^ inner)} too many or too few")
    return found


def _walk(app: App, path: tuple[str, ...]) -> Iterator[Command]:
    if path and app.default_command is not None:
        arguments = list(app.assemble_argument_collection())
        flags = frozenset(name for one in arguments for name in one.names)
        reports = "--fail-on" in flags
        yield Command(path, flags, reports, _promised(app.default_command))
    for name in app:
        if not name.startswith("-"):
            yield from _walk(app[name], (*path, name))


def _promised(function: Callable[..., Any]) -> Mapping[str, frozenset[str]] | None:
    paragraph = _PARAGRAPH.search(getdoc(function) or "")
    if paragraph is None:
        return None
    return {
        name: frozenset(re.findall(r"`(\w+)`", inner))
        for name, inner in _FIELD.findall(paragraph[1])
    }
