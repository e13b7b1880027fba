"""Options that commands share, as dataclasses that cyclopts flattens into flags.

::

    @app.default
    def scan(path: Path, /, *, options: Annotated[Reporting, FLAT] = Reporting()) -> int: ...
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from getpass import getpass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.core.errors import AccessError, UsageError
from tidegate.core.finding import Severity
from tidegate.report import Format

FLAT = Parameter(name="*")
"""Annotates a parameter whose fields are flags of the command itself."""

MAX_PASSPHRASE = 4_096

FLAG = Parameter(negative=(), show_default=False)
LIST = Parameter(negative=(), show_default=False)

Flag = Annotated[bool, FLAG]
"""A switch that is off unless it is named."""
Text = Annotated[str, Parameter(show_default=False)]
"""A text that is empty unless it is given."""
Texts = Annotated[tuple[str, ...], LIST]
"""What may be given several times."""


def _writable(_kind: object, given: object) -> None:
    """Refuse a flag where a file is wanted; - alone is standard output."""
    for path in given if isinstance(given, Iterable) else (given,):
        if (name := str(path)).startswith("-") and name != "-":
            raise ValueError(f"A file is wanted here; one of this name is ./{name}")


Target = Annotated[Path, Parameter(allow_leading_hyphen=True, validator=_writable)]
"""A file to write; - is standard output."""
Targets = Annotated[
    tuple[Path, ...],
    Parameter(allow_leading_hyphen=True, validator=_writable, negative=(), show_default=False),
]

_MAX_REASON = 600


def _said(_kind: object, text: str) -> None:
    if not text.strip() or len(text) > _MAX_REASON:
        raise ValueError(f"say why, in 1 to {_MAX_REASON} characters")


Reason = Annotated[str, Parameter(validator=_said)]
"""Why an act is done, for the record."""


class Shape(StrEnum):
    """How a command that reports no findings writes its answer."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, kw_only=True)
class Showing:
    """How an answer is written: for people, or for programs."""

    format: Shape = Shape.TEXT
    """Text, or one JSON document."""
    json: Flag = False
    """The same as --format json."""

    @property
    def as_json(self) -> bool:
        """Whether a program reads the answer."""
        return self.json or self.format is Shape.JSON


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the workspace is."""

    workspace: Annotated[Path, Parameter(name=("--workspace", "-C"))] = Path()
    """Folder of the workspace."""


@dataclass(frozen=True, kw_only=True)
class Reading(Place, Showing):
    """All that a command takes that reads a workspace."""


@dataclass(frozen=True, kw_only=True)
class Reporting(Place):
    """How a result is shown and what makes the command fail."""

    format: Annotated[tuple[Format, ...], LIST] = ()
    """How to write the result; may be given several times; text without it."""
    json: Flag = False
    """The same as a last --format json."""
    output: Targets = ()
    """File for the format at the same place in the list; - or none is standard output."""
    fail_on: Severity | None = None
    """Exit with 1 when a finding is at least this severe."""
    explain: Flag = False
    """Show each fact that a rule saw and the log index it comes from."""
    quiet: Flag = False
    """No text on standard output, no progress; errors are still shown."""

    def targets(self) -> tuple[tuple[Format, Path | None], ...]:
        """Pair formats with files; ``None`` is standard output.

        Raises:
            UsageError: More files than formats, two results on standard output, or a file twice.
        """
        also = (Format.JSON,) if self.json and Format.JSON not in self.format else ()
        formats = (*self.format, *also) or (Format.TEXT,)
        files = [None if str(path) == "-" else path for path in self.output]
        if len(files) > len(formats):
            raise UsageError(
                f"{len(files)} --output for {len(formats)} --format",
                next_step="give each --output a --format, in the same order",
                slug="output",
            )
        files += [None] * (len(formats) - len(files))
        named = [path for path in files if path is not None]
        if files.count(None) > 1 or len(set(named)) < len(named):
            raise UsageError(
                "two formats would be written to one place",
                next_step="give each --format an --output of its own, in the same order",
                slug="output",
            )
        return tuple(zip(formats, files, strict=True))


@dataclass(frozen=True, kw_only=True)
class Unlocking(Place):
    """Who opens the keys of a workspace."""

    principal: Annotated[str | None, Parameter(name="--as")] = None
    """The principal who signs; the configured one otherwise."""
    passphrase_fd: int | None = None
    """Read the key's passphrase from this open file descriptor."""
    passphrase_file: Path | None = None
    """Read the key's passphrase from this file."""


@dataclass(frozen=True, kw_only=True)
class Signing(Unlocking):
    """Who acts, with which key, and whether for real."""

    dry_run: Flag = False
    """Decide and show; write nothing."""


@dataclass(frozen=True, kw_only=True)
class Acting(Signing, Showing):
    """All that a command takes that acts in a workspace."""


@dataclass(frozen=True, kw_only=True)
class Serving(Unlocking, Showing):
    """All that a command takes that opens keys to serve."""


@dataclass(frozen=True, kw_only=True)
class Gating(Reporting, Signing):
    """All that a gate's command takes."""


def read_passphrase(
    fd: int | None = None,
    file: Path | None = None,
    *,
    prompt: str | None = None,
    confirm: bool = False,
) -> bytes | None:
    """Read a passphrase from a descriptor, else a file, else the terminal; never from argv.

    Args:
        fd: An open descriptor.
        file: A file, such as a systemd or container credential.
        prompt: What to ask at a terminal; ``None`` does not ask.
        confirm: Ask twice.

    Returns:
        The passphrase without its final line break; ``None`` when there is no source.

    Raises:
        UsageError: Both sources are given.
        AccessError: The source can't be read, is empty, too long, or readable by others, or the
            two answers differ.
    """
    if fd is not None and file is not None:
        raise UsageError(
            "--passphrase-fd and --passphrase-file exclude each other",
            next_step="give one of them",
            slug="passphrase",
        )
    if fd is not None:
        return _checked(_from_fd(fd), f"file descriptor {fd}")
    if file is not None:
        return _checked(_from_file(file), str(file))
    if prompt is None or not sys.stdin.isatty():
        return None
    answer = getpass(f"{prompt}: ")
    if confirm and getpass(f"{prompt}, again: ") != answer:
        raise AccessError("the two passphrases differ", next_step="run it again", slug="passphrase")
    return _checked(answer.encode(), "the terminal")


def _from_fd(fd: int) -> bytes:
    read = b""
    try:
        while len(read) <= MAX_PASSPHRASE and (piece := os.read(fd, MAX_PASSPHRASE + 1)):
            read += piece
    except OSError as error:
        raise _unreadable(f"file descriptor {fd}", error) from None
    return read


def _from_file(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            others = os.fstat(stream.fileno()).st_mode & 0o077
            read = stream.read(MAX_PASSPHRASE + 1)
    except OSError as error:
        raise _unreadable(str(file), error) from None
    if others and os.name == "posix":
        raise AccessError(
            "the passphrase file is open to other users",
            where=str(file),
            next_step=f"chmod 600 {file}",
            slug="passphrase-open",
        )
    return read


def _unreadable(where: str, error: OSError) -> AccessError:
    return AccessError(
        "the passphrase can't be read",
        where=where,
        cause=error.strerror,
        next_step="name a file or an open descriptor that holds it",
        slug="passphrase",
    )


def _checked(read: bytes, where: str) -> bytes:
    text = read.removesuffix(b"\n").removesuffix(b"\r")
    if not text or len(text) > MAX_PASSPHRASE:
        problem = "is empty" if not text else f"is longer than {MAX_PASSPHRASE} bytes"
        raise AccessError(
            f"the passphrase {problem}",
            where=where,
            next_step="check what is there",
            slug="passphrase",
        )
    return text
