"""``uv.lock``: packages with the index, archives, hashes and upload times that uv resolved."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs

from tidegate.core.clock import Micros
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
from tidegate.detect.dependencies.model import Dependency, Format, LockFile, Source, normal
from tidegate.detect.dependencies.readers.moments import moment

_VERSION: Final = 1
_KINDS: Final = {
    "registry": Source.INDEX,
    "git": Source.VCS,
    "url": Source.URL,
    "path": Source.PATH,
    "directory": Source.PATH,
    "editable": Source.EDITABLE,
    "virtual": Source.SELF,
}
_COMMIT: Final = re.compile(r"#([0-9a-f]{40,64})$")


def read_uv(text: str, path: str) -> LockFile:
    """Read ``uv.lock``.

    Raises:
        CheckError: It is none, or of a version that is not known.
    """
    value = toml_value(text, path)
    if value.get("version") != _VERSION:
        raise refusal(
            "a version of uv.lock that is not known", path, str(value.get("version"))[:40]
        )
    packages = tables(value, "package", path)
    lines = package_lines(text)
    exact = len(lines) == len(packages)
    direct = _direct(packages)
    found = tuple(
        _package(item, Location(path, line=lines[number] if exact else None), direct)
        for number, item in enumerate(packages)
    )
    return LockFile(path, Format.UV, found)


def _direct(packages: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    names: set[str] = set()
    for item in packages:
        source = table_field(item, "source")
        if not {"virtual", "editable"} & set(source):
            continue
        groups = [list_field(item, "dependencies")]
        for key in ("dev-dependencies", "optional-dependencies"):
            groups += [one for one in table_field(item, key).values() if isinstance(one, list)]
        for group in groups:
            names |= {
                normal(name)
                for one in group
                if isinstance(one, Mapping) and (name := text_field(one, "name"))
            }
    return frozenset(names)


def _package(item: Mapping[str, Any], place: Location, direct: frozenset[str]) -> Dependency:
    written = text_field(item, "name")
    if written is None:
        raise refusal("a package has no name", str(place))
    source = table_field(item, "source")
    kind = next((kind for key, kind in _KINDS.items() if key in source), Source.UNSTATED)
    key = next((key for key in _KINDS if key in source), "")
    address = text_field(source, key)
    if kind is Source.EDITABLE and address == ".":
        kind = Source.SELF
    archives = [
        one for one in (item.get("sdist"), *list_field(item, "wheels")) if isinstance(one, Mapping)
    ]
    hashes = tuple(found for one in archives if (found := text_field(one, "hash")))
    times = [at for one in archives if (at := moment(text_field(one, "upload-time"))) is not None]
    markers = [str(mark) for mark in list_field(item, "resolution-markers")]
    return Dependency(
        normal(written),
        place,
        text_field(item, "version"),
        written,
        source=kind,
        address=address,
        revision=_revision(address) if kind is Source.VCS and address else None,
        hashes=hashes,
        unhashed=len(archives) - len(hashes),
        marker=" or ".join(markers)[:1_000] or None,
        direct=normal(written) in direct if direct else None,
        uploaded=Micros(max(times)) if times else None,
    )


def _revision(address: str) -> str | None:
    resolved = _COMMIT.search(address)
    if resolved:
        return resolved[1]
    asked = parse_qs(address.partition("#")[0].partition("?")[2])
    return next((asked[key][0] for key in ("rev", "tag", "branch") if key in asked), None)
