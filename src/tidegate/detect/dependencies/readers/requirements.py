"""Requirements files of pip: pins with hashes, options, and files that they include.

Includes (``-r``, ``-c``) are followed inside the root folder only, as many and as deep as the
limits say; what lies outside, or at an address, is a gap and not clean.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tidegate.core.errors import CheckError
from tidegate.core.finding import Location, Skipped
from tidegate.detect.dependencies.documents import (
    MAX_DEPENDENCIES,
    read_bytes,
    refusal,
    text_of,
)
from tidegate.detect.dependencies.model import (
    PYPI,
    Dependency,
    Format,
    Index,
    LockFile,
    Role,
    Source,
)
from tidegate.detect.dependencies.readers.requirement import read_requirement

MAX_INCLUDES: Final = 64
MAX_DEPTH: Final = 8
_COMMENT: Final = re.compile(r"(?:^|\s+)#.*$")
_SHORT: Final = {
    "-i": "--index-url", "--pypi-url": "--index-url", "-f": "--find-links",
    "-r": "--requirement", "-c": "--constraint", "-e": "--editable",
}  # fmt: skip
_KNOWN: Final = frozenset(
    """
    --pre --no-binary --only-binary --prefer-binary --require-hashes --use-feature
    --use-pep517 --no-use-pep517 --config-settings --global-option --always-unzip -Z
    --use-deprecated --build-constraint --all-releases --only-final --uploaded-prior-to
    """.split()  # noqa: SIM905 - a list of words reads best as words
)


@dataclass(slots=True)
class _State:
    root: Path
    found: list[Dependency] = field(default_factory=list[Dependency])
    constraints: dict[str, Dependency] = field(default_factory=dict[str, Dependency])
    indexes: list[Index] = field(default_factory=list[Index])
    gaps: list[Skipped] = field(default_factory=list[Skipped])
    seen: set[Path] = field(default_factory=set[Path])
    offline: bool = False


def read_requirements(text: str, path: str, file: Path, root: Path) -> LockFile:
    """Read a requirements file and what it includes.

    Args:
        text: Its content.
        path: How findings call it.
        file: Where it is; includes are relative to it.
        root: Folder that no include may leave.

    Raises:
        CheckError: A line is neither an option nor a requirement.
    """
    state = _State(root.resolve())
    state.seen.add(file.resolve())
    _read(text, path, file, state, depth=0, constraint=False)
    primary = [one.url for one in state.indexes if one.role is Role.PRIMARY]
    # pip takes the last --index-url of all files.
    address = primary[-1] if primary else (None if state.offline else PYPI)
    found = tuple(_settled(one, state, address) for one in state.found)
    return LockFile(
        path, Format.REQUIREMENTS, found, tuple(state.indexes), tuple(state.gaps),
        offline=state.offline,
    )  # fmt: skip


def _settled(one: Dependency, state: _State, address: str | None) -> Dependency:
    if one.source is not Source.INDEX:
        return one
    bound = state.constraints.get(one.name)
    if bound is not None and one.version is None:
        one = replace(one, version=bound.version, hashes=one.hashes or bound.hashes)
    return replace(one, address=address)


def _read(text: str, path: str, file: Path, state: _State, *, depth: int, constraint: bool) -> None:
    for number, line in logical_lines(text):
        place = Location(path, line=number)
        if len(state.found) > MAX_DEPENDENCIES:
            raise refusal(f"it names more than {MAX_DEPENDENCIES} distributions", path)
        if not line.startswith("-"):
            one = read_requirement(line, place)
            if constraint:
                state.constraints.setdefault(one.name, one)
            else:
                state.found.append(one)
            continue
        option, value = _option(line)
        if option == "--editable":
            state.found.append(read_requirement(value, place, editable=True))
        elif option in {"--requirement", "--constraint"}:
            limits = constraint or option == "--constraint"
            _include(value, place, file, state, depth=depth + 1, constraint=limits)
        else:
            _setting(option, value, place, state)


def _setting(option: str, value: str, place: Location, state: _State) -> None:
    roles = {
        "--index-url": Role.PRIMARY,
        "--extra-index-url": Role.EXTRA,
        "--find-links": Role.LINKS,
        "--trusted-host": Role.TRUSTED_HOST,
    }
    if option in roles and value:
        state.indexes.append(Index(value, roles[option], place))
    elif option == "--no-index":
        state.offline = True
    elif option not in _KNOWN:
        state.gaps.append(Skipped(str(place), f"an option that is not known: {option[:40]}"))


def _include(
    value: str, place: Location, file: Path, state: _State, *, depth: int, constraint: bool
) -> None:
    def gap(why: str) -> None:
        state.gaps.append(Skipped(f"{value[:200]}, included at {place}", why))

    if "://" in value:
        return gap("it lies at an address, and nothing is fetched")
    target = (file.parent / value).resolve()
    if not target.is_relative_to(state.root):
        return gap("it lies outside the folder that is checked")
    if target in state.seen and not constraint:
        return None
    if depth > MAX_DEPTH or len(state.seen) >= MAX_INCLUDES:
        return gap("too many includes")
    state.seen.add(target)
    path = target.relative_to(state.root).as_posix()
    try:
        text = text_of(read_bytes(target, path), path)
    except CheckError as error:
        return gap(error.problem)
    return _read(text, path, target, state, depth=depth, constraint=constraint)


def _option(line: str) -> tuple[str, str]:
    name, value = ([*re.split(r"[=\s]+", line, maxsplit=1), ""])[:2]
    if name[:2] in _SHORT and not name.startswith("--") and len(name) > 2:  # noqa: PLR2004 - "-rfile"
        name, value = name[:2], name[2:]
    return _SHORT.get(name, name), value.strip().strip("\"'")


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Yield lines with continuations joined and comments taken out, with their first number.

    >>> list(logical_lines("a==1 \\\n  --hash=sha256:00 # why\n\n# only words\nb==2"))
    [(1, 'a==1   --hash=sha256:00'), (5, 'b==2')]
    """
    start, parts = 0, list[str]()
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        start = start or number
        # A comment ends a continuation, as for pip.
        comment = _COMMENT.match(line) is not None
        if line.endswith("\\") and not comment:
            parts.append(line[:-1])
            continue
        parts.append(line if not comment else "")
        whole = _COMMENT.sub("", "".join(parts)).strip()
        if whole:
            yield start, whole
        start, parts = 0, []
    whole = _COMMENT.sub("", "".join(parts)).strip()
    if whole:
        yield start, whole
