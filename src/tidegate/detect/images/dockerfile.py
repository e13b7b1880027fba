r"""Read a Dockerfile: instructions, stages, arguments; bounded, and nothing is built.

Follows the Dockerfile reference: escape directive, continued lines, comments between them, here
documents, JSON form, ``ARG`` before ``FROM``.

>>> read_dockerfile("ARG V=3.12\nFROM python:${V} AS base\nUSER 10\nFROM base\n").stages[1].parent
'base'
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tidegate.core.errors import CheckError

MAX_BYTES: Final = 256 << 10
MAX_INSTRUCTIONS: Final = 20_000
_DIRECTIVE: Final = re.compile(r"#\s*([A-Za-z]+)\s*=\s*(\S+)\s*$")
_HEREDOC: Final = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\2")
_TAKES_HEREDOCS: Final = frozenset({"RUN", "COPY", "ADD"})
_VARIABLE: Final = re.compile(
    r"\\(.)|\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([^{}]*))?\})"
)
_FLAG: Final = re.compile(r"--([a-z-]+)(?:=(\S+))?\s+")
_PAIR: Final = re.compile(
    r"([A-Za-z_][A-Za-z0-9_.-]*)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:[^\s\\]|\\.)*)"
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction."""

    name: str
    """In capitals."""
    text: str
    """What follows, continued lines joined, flags taken off."""
    line: int
    flags: Mapping[str, str] = field(default_factory=dict[str, str])
    documents: tuple[str, ...] = ()
    """Here documents."""

    @property
    def words(self) -> tuple[str, ...]:
        """Arguments of the JSON or the shell form."""
        if self.text.startswith("["):
            try:
                value = json.loads(self.text)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, list) and all(isinstance(one, str) for one in value):
                return tuple(value)
        return tuple(self.text.split())

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Names and values of ENV, ARG and LABEL; a value may be empty."""
        found = _PAIR.findall(self.text)
        if found:
            return tuple((name, value.strip("\"'")) for name, value in found)
        name, _, value = self.text.partition(" ")
        return ((name, value.strip().strip("\"'")),) if name else ()


@dataclass(frozen=True, slots=True)
class Stage:
    """From one FROM to the next."""

    base: str
    """As written, arguments put in where the file decides them."""
    line: int
    name: str
    """Alias, or the number."""
    parent: str | None
    """The earlier stage that it goes on from."""
    open: tuple[str, ...]
    """Arguments of FROM that the file does not decide."""
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A file that was read."""

    arguments: tuple[Instruction, ...]
    """ARG before the first FROM."""
    stages: tuple[Stage, ...]


def refusal(problem: str, line: int) -> CheckError:
    """Return the error for a file that is no Dockerfile."""
    return CheckError(
        f"not a Dockerfile: {problem}",
        where=f"line {line}",
        next_step="correct it, and try `docker build --check`",
        slug="bad-dockerfile",
    )


def read_dockerfile(text: str) -> Dockerfile:
    """Read a Dockerfile.

    Raises:
        CheckError: It is none, or exceeds a bound.
    """
    if len(text) > MAX_BYTES:
        raise refusal(f"it is larger than {MAX_BYTES} characters", 1)
    known: dict[str, str] = {}
    before: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for count, one in enumerate(instructions(text)):
        if count > MAX_INSTRUCTIONS:
            raise refusal(f"more than {MAX_INSTRUCTIONS} instructions", one.line)
        if one.name == "FROM":
            stages.append((one, []))
        elif stages:
            stages[-1][1].append(one)
        elif one.name == "ARG":
            before.append(one)
            for name, value in one.pairs:
                known[name] = substitute(value, known)[0]
        else:
            raise refusal(f"{one.name} stands before FROM", one.line)
    if not stages:
        raise refusal("it has no FROM", 1)
    return Dockerfile(tuple(before), tuple(_stages(stages, known)))


def _stages(
    found: list[tuple[Instruction, list[Instruction]]], known: Mapping[str, str]
) -> Iterator[Stage]:
    names: set[str] = set()
    decided = {name: value for name, value in known.items() if value}
    for number, (one, body) in enumerate(found):
        words = one.words
        if len(words) not in {1, 3} or words[1:2] not in {(), ("AS",), ("as",), ("As",)}:
            raise refusal("FROM is not FROM image [AS name]", one.line)
        base, left = substitute(words[0], decided)
        name = words[2].lower() if len(words) > 1 else str(number)
        parent = base.lower() if base.lower() in names else None
        yield Stage(base, one.line, name, parent, left, tuple(body))
        names |= {name, str(number)}


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of a file.

    Raises:
        CheckError: A here document has no end, or a line is no instruction.
    """
    lines = text.split("\n")
    escape = _escape(lines)
    at = 0
    while at < len(lines):
        start, parts = at, list[str]()
        while at < len(lines):
            line = lines[at].rstrip("\r")
            at += 1
            if line.lstrip().startswith("#") or (parts and not line.strip()):
                continue  # a comment, or an empty line in a continuation, ends nothing
            goes_on = line.rstrip().endswith(escape)
            parts.append(line.rstrip()[:-1] if goes_on else line)
            if not goes_on:
                break
        whole = " ".join(part.strip() for part in parts).strip()
        if not whole:
            continue
        number = start + 1 + next((n for n, line in enumerate(lines[start:at]) if _code(line)), 0)
        name, _, rest = whole.partition(" ")
        if not re.fullmatch(r"[A-Za-z]+", name):
            raise refusal("a line is no instruction", number)
        documents: list[str] = []
        if name.upper() in _TAKES_HEREDOCS:
            for dash, _, mark in _HEREDOC.findall(rest):
                body, at = _document(lines, at, mark, strip=bool(dash))
                documents.append(body)
        flags, rest = _flags(rest.strip())
        yield Instruction(name.upper(), rest, number, flags, tuple(documents))


def _code(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _escape(lines: list[str]) -> str:
    for line in lines[:20]:
        found = _DIRECTIVE.match(line.strip())
        if found is None:
            break
        if found[1].lower() == "escape" and found[2] in {"\\", "`"}:
            return found[2]
    return "\\"


def _document(lines: list[str], at: int, mark: str, *, strip: bool) -> tuple[str, int]:
    for end in range(at, len(lines)):
        line = lines[end].rstrip("\r")
        if (line.lstrip("\t") if strip else line) == mark:
            return "\n".join(lines[at:end]), end + 1
    raise refusal(f"the here document {mark} has no end", at)


def _flags(text: str) -> tuple[dict[str, str], str]:
    flags: dict[str, str] = {}
    while found := _FLAG.match(text):
        flags[found[1]] = found[2] or ""
        text = text[found.end() :]
    return flags, text


def substitute(text: str, known: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Put arguments in; return the text and the names that are not known.

    >>> substitute("${R:-docker.io}/x:$V", {"V": "1"})
    ('docker.io/x:1', ())
    """
    left: list[str] = []

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        name, how, other = match[2] or match[3], match[4] or "", match[5] or ""
        if how.endswith("+"):
            return other if name in known else ""
        if known.get(name) or (name in known and not how.startswith(":")):
            return known[name]
        if how.endswith("-"):
            return other
        left.append(name)
        return match[0]

    return _VARIABLE.sub(put, text), tuple(left)
