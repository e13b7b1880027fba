"""``poetry.lock``: packages with their source, files and hashes."""

from collections.abc import Mapping
from typing import Any, Final

from tidegate.core.finding import Location
from tidegate.detect.dependencies.documents import (
    list_field,
    package_lines,
    refusal,
    table_field,
    tables,
    text_field,
    toml_value,
)
from tidegate.detect.dependencies.model import (
    PYPI,
    Dependency,
    Format,
    LockFile,
    Source,
    normal,
)

_KINDS: Final = {
    None: Source.INDEX,
    "legacy": Source.INDEX,
    "pypi": Source.INDEX,
    "git": Source.VCS,
    "url": Source.URL,
    "file": Source.PATH,
    "directory": Source.PATH,
}


def read_poetry(text: str, path: str) -> LockFile:
    """Read ``poetry.lock``.

    Raises:
        CheckError: It is none.
    """
    value = toml_value(text, path)
    if not isinstance(value.get("metadata"), Mapping):
        raise refusal("the file is no poetry.lock", path, "it has no metadata")
    packages = tables(value, "package", path)
    lines = package_lines(text)
    exact = len(lines) == len(packages)
    # Up to Poetry 1.4 the files stood apart from their packages.
    apart = {normal(key): one for key, one in table_field(value["metadata"], "files").items()}
    found = tuple(
        _package(item, Location(path, line=lines[number] if exact else None), apart)
        for number, item in enumerate(packages)
    )
    return LockFile(path, Format.POETRY, found)


def _package(item: Mapping[str, Any], place: Location, apart: Mapping[str, Any]) -> Dependency:
    written = text_field(item, "name")
    if written is None:
        raise refusal("a package has no name", str(place))
    name = normal(written)
    source = table_field(item, "source")
    kind = _KINDS.get(text_field(source, "type"), Source.UNSTATED)
    if kind is Source.PATH and item.get("develop") is True:
        kind = Source.EDITABLE
    listed = list_field(item, "files") or list_field(apart, name)
    files = [one for one in listed if isinstance(one, Mapping)]
    hashes = tuple(found for one in files if (found := text_field(one, "hash")))
    markers = item.get("markers")
    return Dependency(
        name,
        place,
        text_field(item, "version"),
        written,
        source=kind,
        address=text_field(source, "url") or (PYPI if kind is Source.INDEX else None),
        revision=text_field(source, "resolved_reference") or text_field(source, "reference")
        if kind is Source.VCS
        else None,
        hashes=hashes,
        unhashed=len(files) - len(hashes),
        marker=markers[:1_000] if isinstance(markers, str) else None,
    )
