"""conda: ``conda-lock.yml``, explicit lists of archives, and ``environment.yml``."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tidegate.core.canonical import Json
from tidegate.core.errors import CheckError
from tidegate.core.finding import Location, Skipped
from tidegate.detect.dependencies.documents import (
    MAX_DEPENDENCIES,
    list_field,
    refusal,
    table_field,
    tables,
    text_field,
)
from tidegate.detect.dependencies.model import (
    Dependency,
    Ecosystem,
    Format,
    Index,
    LockFile,
    Role,
    Source,
    normal,
)
from tidegate.detect.dependencies.readers.requirement import read_requirement

_SUBDIRS: Final = re.compile(
    r"/(?:noarch|(?:linux|osx|win|emscripten|wasi|zos|freebsd)-[a-z0-9_]+)/[^/]+$"
)
_ARCHIVE: Final = re.compile(r"([A-Za-z0-9_.-]+)-([^-/]+)-([^-/]+?)(?:\.conda|\.tar\.bz2)$")
_SPEC: Final = re.compile(r"(?:([^\s:\[]+)::)?([A-Za-z0-9_.-]+)\s*(?:\[.*\])?\s*(.*)$")
_EXACT: Final = re.compile(
    r"(?:==\s*([0-9][^\s=<>!~*|,]*)|=\s*([0-9][^\s=<>!~*|,]*)\s*=\s*\S+|\s([0-9][^\s=<>!~*|,]*)\s+\S+)$"
)
_WEAK_FIRST: Final = ("sha256", "md5")


def read_conda_lock(value: Json, path: str) -> LockFile:
    """Read ``conda-lock.yml``.

    Raises:
        CheckError: It is none.
    """
    if not isinstance(value, Mapping) or value.get("version") != "1":
        raise refusal("no conda-lock file of version 1", path)
    place = Location(path)
    metadata = table_field(value, "metadata")
    channels = [one for one in list_field(metadata, "channels") if isinstance(one, Mapping)]
    indexes = tuple(
        Index(url, Role.PRIMARY, place) for one in channels if (url := text_field(one, "url"))
    )
    found = tuple(_locked(item, place) for item in tables(value, "package", path))
    # One distribution stands once for each platform.
    return LockFile(path, Format.CONDA_LOCK, tuple(dict.fromkeys(found)), indexes)


def _locked(item: Mapping[str, Any], place: Location) -> Dependency:
    written, url = text_field(item, "name"), text_field(item, "url")
    if written is None:
        raise refusal("a package has no name", str(place))
    given = table_field(item, "hash")
    hashes = tuple(f"{kind}:{text}" for kind in _WEAK_FIRST if (text := text_field(given, kind)))
    conda = text_field(item, "manager") != "pip"
    return Dependency(
        normal(written),
        place,
        text_field(item, "version"),
        written,
        ecosystem=Ecosystem.CONDA if conda else Ecosystem.PYPI,
        source=Source.INDEX,
        address=_channel(url) if conda and url else url,
        hashes=hashes,
        unhashed=0 if hashes else 1,
    )


def _channel(url: str) -> str:
    return _SUBDIRS.sub("", url.partition("#")[0])


def read_explicit(text: str, path: str) -> LockFile:
    """Read a list of archive addresses after ``@EXPLICIT``, as ``conda list --explicit`` writes.

    Raises:
        CheckError: A line is no archive of conda.
    """
    found: list[Dependency] = []
    gaps: list[Skipped] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("# pip "):
            # conda-lock writes what pip would install as comments that only it reads.
            gaps.append(Skipped(f"{path}, line {number}", "a pip requirement in a comment"))
        if not line or line.startswith(("#", "@")):
            continue
        if len(found) >= MAX_DEPENDENCIES:
            raise refusal(f"it names more than {MAX_DEPENDENCIES} distributions", path)
        found.append(_explicit(line, Location(path, line=number)))
    return LockFile(path, Format.CONDA_EXPLICIT, tuple(found), gaps=tuple(gaps))


def _explicit(line: str, place: Location) -> Dependency:
    url, _, mark = line.partition("#")
    match = _ARCHIVE.search(url.partition("?")[0])
    if match is None:
        raise refusal("not an archive of conda", str(place))
    kind = "sha256" if mark.startswith("sha256:") or len(mark) == 64 else "md5"  # noqa: PLR2004 - hex digits
    value = mark.removeprefix("sha256:")
    return Dependency(
        normal(match[1]),
        place,
        match[2],
        match[1],
        ecosystem=Ecosystem.CONDA,
        address=_channel(url),
        hashes=(f"{kind}:{value}",) if value else (),
        unhashed=0 if value else 1,
    )


def read_environment(value: Json, path: str) -> LockFile:
    """Read ``environment.yml``: what was asked for, so most of it is no lock.

    Raises:
        CheckError: It is none.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("dependencies"), list):
        raise refusal("the file is no environment.yml", path, "it has no list of dependencies")
    place = Location(path)
    channels = [one for one in list_field(value, "channels") if isinstance(one, str)]
    indexes = tuple(Index(one, Role.PRIMARY, place) for one in channels if one != "nodefaults")
    found: list[Dependency] = []
    gaps: list[Skipped] = []
    for item in list_field(value, "dependencies"):
        if isinstance(item, str):
            found.append(_spec(item, place))
        elif isinstance(item, Mapping) and isinstance(item.get("pip"), list):
            for line in item["pip"]:
                _pip_line(str(line), place, found, gaps)
        else:
            gaps.append(Skipped(path, f"not understood: {str(item)[:80]}"))
    return LockFile(path, Format.CONDA_ENVIRONMENT, tuple(found), indexes, tuple(gaps))


def _spec(text: str, place: Location) -> Dependency:
    match = _SPEC.match(text.strip())
    if match is None:
        raise refusal("not a match specification of conda", str(place), text[:100])
    exact = _EXACT.search(f" {match[3]}" if match[3][:1].isdigit() else match[3])
    version = next((one for one in exact.groups() if one), None) if exact else None
    return Dependency(
        normal(match[2]),
        place,
        version,
        match[2],
        ecosystem=Ecosystem.CONDA,
        address=match[1],
        direct=True,
    )


def _pip_line(line: str, place: Location, found: list[Dependency], gaps: list[Skipped]) -> None:
    if line.startswith("-"):
        gaps.append(Skipped(place.path, f"an option for pip: {line[:80]}"))
        return
    try:
        found.append(read_requirement(line, place))
    except CheckError as error:
        gaps.append(Skipped(place.path, f"{error.problem}: {line[:80]}"))
