"""``pylock.toml`` (PEP 751), read through the reference library."""

from collections.abc import Mapping
from typing import Any

from packaging.pylock import Package, Pylock, PylockValidationError

from tidegate.core.clock import Micros
from tidegate.core.finding import Location
from tidegate.detect.dependencies.documents import (
    MAX_DEPENDENCIES,
    package_lines,
    refusal,
    toml_value,
)
from tidegate.detect.dependencies.model import Dependency, Format, LockFile, Source, normal
from tidegate.detect.dependencies.readers.moments import moment


def read_pylock(text: str, path: str) -> LockFile:
    """Read ``pylock.toml``.

    Raises:
        CheckError: It is none that the specification allows.
    """
    try:
        lock = Pylock.from_dict(toml_value(text, path))
    except (PylockValidationError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise refusal("the file is not a valid pylock.toml", path, str(error)) from None
    if len(lock.packages) > MAX_DEPENDENCIES:
        raise refusal(f"it names more than {MAX_DEPENDENCIES} distributions", path)
    lines = package_lines(text)
    exact = len(lines) == len(lock.packages)
    found = tuple(
        _package(item, Location(path, line=lines[number] if exact else None))
        for number, item in enumerate(lock.packages)
    )
    return LockFile(path, Format.PYLOCK, found)


def _package(item: Package, place: Location) -> Dependency:
    kind, address, revision = _source(item)
    archives = [one for one in (item.archive, item.sdist, *(item.wheels or ())) if one is not None]
    hashes = [_hashes(one.hashes) for one in archives]
    times = [at for one in archives if (at := moment(one.upload_time)) is not None]
    return Dependency(
        normal(item.name),
        place,
        str(item.version) if item.version else None,
        str(item.name),
        source=kind,
        address=address,
        revision=revision,
        hashes=tuple(value for values in hashes for value in values),
        unhashed=sum(1 for values in hashes if not values),
        marker=str(item.marker) if item.marker else None,
        uploaded=Micros(max(times)) if times else None,
    )


def _source(item: Package) -> tuple[Source, str | None, str | None]:
    if item.vcs is not None:
        return Source.VCS, item.vcs.url or item.vcs.path, item.vcs.commit_id
    if item.directory is not None:
        kind = Source.EDITABLE if item.directory.editable else Source.PATH
        return (Source.SELF if item.directory.path == "." else kind), item.directory.path, None
    if item.archive is not None:
        kind = Source.URL if item.archive.url else Source.PATH
        return kind, item.archive.url or item.archive.path, None
    archives = [one for one in (item.sdist, *(item.wheels or ())) if one is not None]
    addresses = [one.url for one in archives if one.url]
    return Source.INDEX, item.index or (addresses[0] if addresses else None), None


def _hashes(found: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{name}:{value}" for name, value in found.items())
