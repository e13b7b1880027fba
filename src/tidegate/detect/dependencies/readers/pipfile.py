"""``Pipfile.lock``: pinned names by group, with hashes and the index of each."""

from collections.abc import Mapping
from typing import Any

from tidegate.core.canonical import Json
from tidegate.core.finding import Location
from tidegate.detect.dependencies.documents import (
    MAX_DEPENDENCIES,
    list_field,
    refusal,
    table_field,
    text_field,
)
from tidegate.detect.dependencies.model import (
    PYPI,
    Dependency,
    Format,
    Index,
    LockFile,
    Role,
    Source,
    normal,
)


def read_pipfile(value: Json, path: str) -> LockFile:
    """Read ``Pipfile.lock``.

    Raises:
        CheckError: It is none.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("_meta"), Mapping):
        raise refusal("the file is no Pipfile.lock", path, "it has no _meta")
    place = Location(path)
    sources = [one for one in list_field(value["_meta"], "sources") if isinstance(one, Mapping)]
    urls = {text_field(one, "name") or "": text_field(one, "url") or "" for one in sources}
    first = next(iter(urls.values()), PYPI)
    indexes = [
        Index(url, Role.PRIMARY if number == 0 else Role.EXTRA, place)
        for number, url in enumerate(urls.values())
    ]
    indexes += [
        Index(url, Role.TRUSTED_HOST, place)
        for one in sources
        if one.get("verify_ssl") is False and (url := text_field(one, "url"))
    ]
    groups = [
        group for key, group in value.items() if key != "_meta" and isinstance(group, Mapping)
    ]
    found = [
        _package(name, item, place, urls, first) for group in groups for name, item in group.items()
    ]
    if len(found) > MAX_DEPENDENCIES:
        raise refusal(f"it names more than {MAX_DEPENDENCIES} distributions", path)
    return LockFile(path, Format.PIPFILE, tuple(found), tuple(indexes))


def _package(
    written: str, item: Any, place: Location, urls: Mapping[str, str], first: str
) -> Dependency:
    if not isinstance(item, Mapping):
        raise refusal("a package is no object", f"{place}, {written[:100]}")
    version = text_field(item, "version")
    exact = version[2:].strip() if version and version.startswith("==") else None
    kind, address, revision = Source.INDEX, None, None
    if repository := next(
        (text_field(item, key) for key in ("git", "hg", "svn") if key in item), None
    ):
        kind, address, revision = Source.VCS, repository, text_field(item, "ref")
    elif (where := text_field(item, "path")) is not None:
        kind = Source.EDITABLE if item.get("editable") is True else Source.PATH
        kind = Source.SELF if where in {".", "./"} else kind
        address = where
    elif (file := text_field(item, "file")) is not None:
        kind, address = (Source.URL if "://" in file else Source.PATH), file
    else:
        named = text_field(item, "index")
        address = urls.get(named, first) if named else first
    hashes = tuple(one for one in list_field(item, "hashes") if isinstance(one, str))
    extras = tuple(
        one for one in list_field(table_field({"e": item}, "e"), "extras") if isinstance(one, str)
    )
    return Dependency(
        normal(written),
        place,
        exact if exact and "*" not in exact else None,
        written,
        source=kind,
        address=address,
        revision=revision,
        hashes=hashes,
        marker=text_field(item, "markers"),
        extras=extras,
    )
