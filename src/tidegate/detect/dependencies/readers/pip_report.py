"""The record of a resolution that pip writes (``pip install --dry-run --report FILE``)."""

from collections.abc import Mapping
from typing import Any

from tidegate.core.canonical import Json
from tidegate.core.finding import Location
from tidegate.detect.dependencies.documents import (
    list_field,
    refusal,
    table_field,
    tables,
    text_field,
)
from tidegate.detect.dependencies.licences import stated_licence
from tidegate.detect.dependencies.model import Dependency, Format, LockFile, Source, normal


def read_pip_report(value: Json, path: str) -> LockFile:
    """Read an installation report of version 1.

    Raises:
        CheckError: It is none.
    """
    if not isinstance(value, Mapping) or value.get("version") != "1" or "install" not in value:
        raise refusal("no installation report of pip of version 1", path)
    place = Location(path)
    found = tuple(_package(item, place) for item in tables(value, "install", path))
    return LockFile(path, Format.PIP_REPORT, found)


def _package(item: Mapping[str, Any], place: Location) -> Dependency:
    metadata, download = table_field(item, "metadata"), table_field(item, "download_info")
    written = text_field(metadata, "name")
    if written is None:
        raise refusal("a package has no name", str(place))
    archive = table_field(download, "archive_info")
    hashes = tuple(f"{kind}:{text}" for kind, text in table_field(archive, "hashes").items())
    classifiers = [one for one in list_field(metadata, "classifier") if isinstance(one, str)]
    requested = item.get("requested")
    yanked = item.get("is_yanked") is True
    return Dependency(
        normal(written),
        place,
        text_field(metadata, "version"),
        written,
        source=direct_source(download, direct=item.get("is_direct") is True),
        address=text_field(download, "url"),
        revision=text_field(table_field(download, "vcs_info"), "commit_id"),
        hashes=hashes,
        unhashed=1 if "archive_info" in download and not hashes else 0,
        direct=requested if isinstance(requested, bool) else None,
        licence=stated_licence(
            text_field(metadata, "license_expression"), classifiers, text_field(metadata, "license")
        ),
        yanked=(text_field(metadata, "yanked_reason") or "") if yanked else None,
    )


def direct_source(told: Mapping[str, Any], *, direct: bool) -> Source:
    """Return what a direct URL record (PEP 610) says of where a distribution is from."""
    if "vcs_info" in told:
        return Source.VCS
    if "dir_info" in told:
        editable = table_field(told, "dir_info").get("editable") is True
        return Source.EDITABLE if editable else Source.PATH
    return Source.URL if direct else Source.INDEX
