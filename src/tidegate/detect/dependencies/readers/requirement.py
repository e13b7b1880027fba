"""One requirement of a requirements file: a name with a version, or an address.

>>> read_requirement("numpy==2.4.6 ; python_version >= '3.11'", Location("r.txt")).version
'2.4.6'
>>> found = read_requirement("git+https://git.example/team/tool.git@main#egg=tool", Location("r"))
>>> found.source.value, found.name, found.revision
('vcs', 'tool', 'main')
"""

import re
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from tidegate.core.errors import CheckError
from tidegate.core.finding import Location
from tidegate.detect.dependencies.documents import refusal
from tidegate.detect.dependencies.model import Dependency, Source, normal

MAX_LINE: Final = 64_000
_VCS: Final = re.compile(r"(?:git|hg|svn|bzr)\+")
_ADDRESS: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|\.{0,2}/|[A-Za-z]:\\|\.$)")
_ARCHIVE: Final = re.compile(r"\.(?:whl|zip|tar\.gz|tar\.bz2|tgz)$", re.IGNORECASE)
_NAMED: Final = re.compile(r"[A-Za-z0-9._-]+\s*(?:\[[^\]]*\])?\s*@\s")
_HASH: Final = re.compile(r"\s--hash=([a-z0-9]+):([0-9a-fA-F]+)(?=\s|$)")
_OPTION: Final = re.compile(r"\s--[a-z].*$")


def read_requirement(line: str, place: Location, *, editable: bool = False) -> Dependency:
    """Read a logical line that is no option.

    Raises:
        CheckError: It is no requirement.
    """
    if len(line) > MAX_LINE:
        raise refusal(f"a line is longer than {MAX_LINE} characters", str(place))
    hashes = tuple(f"{kind}:{text.lower()}" for kind, text in _HASH.findall(line))
    bare = _OPTION.sub("", _HASH.sub("", line)).strip()
    lone = _VCS.match(bare) or _ADDRESS.match(bare) or _ARCHIVE.search(bare.split(" ")[0])
    if (editable or lone) and not _NAMED.match(bare):
        return _addressed(bare, place, hashes, editable=editable)
    try:
        found = Requirement(bare)
    except InvalidRequirement as error:
        raise refusal("not a requirement", str(place), str(error).partition("\n")[0]) from None
    kind, address, revision = Source.INDEX, None, None
    if found.url:
        kind, address, revision = _where(found.url)
    return Dependency(
        normal(found.name),
        place,
        exact_version(found.specifier),
        found.name,
        source=kind,
        address=address,
        revision=revision,
        hashes=hashes or _fragment_hash(found.url),
        marker=str(found.marker) if found.marker else None,
        extras=tuple(sorted(found.extras)),
        direct=None,
    )


def exact_version(specifiers: SpecifierSet) -> str | None:
    """Return the one version that a specifier allows; nothing where it leaves a choice."""
    pins = [
        one.version
        for one in specifiers
        if one.operator in {"==", "==="} and not one.version.endswith(".*")
    ]
    return pins[0] if len(pins) == 1 else None


def _addressed(
    text: str, place: Location, hashes: tuple[str, ...], *, editable: bool
) -> Dependency:
    address, _, marker = text.partition(" ;")
    kind, where, revision = _where(address.strip())
    name = _named(address)
    if editable and kind is not Source.VCS:
        kind = Source.SELF if re.fullmatch(r"\./?(?:\[[^\]]*\])?", where) else Source.EDITABLE
    return Dependency(
        normal(name),
        place,
        None,
        name,
        source=kind,
        address=where,
        revision=revision,
        hashes=hashes or _fragment_hash(address),
        marker=marker.strip() or None,
        direct=True,
    )


def _where(address: str) -> tuple[Source, str, str | None]:
    if _VCS.match(address):
        body = address.partition("#")[0]
        try:
            path = urlsplit(body).path
        except ValueError as error:
            raise CheckError("not an address", cause=str(error), slug="bad-lock") from None
        _, separator, revision = path.rpartition("@")
        if separator:
            body = body[: -len(revision) - 1]
        return Source.VCS, body, revision if separator else None
    if "://" in address and not address.startswith("file:"):
        return Source.URL, address, None
    return Source.PATH, address.removeprefix("file://"), None


def _fragment_hash(address: str | None) -> tuple[str, ...]:
    fragment = (address or "").partition("#")[2]
    found = re.search(r"(?:^|&)(sha(?:256|384|512))=([0-9a-f]+)", fragment)
    return (f"{found[1]}:{found[2]}",) if found else ()


def _named(address: str) -> str:
    fragment = parse_qs(address.partition("#")[2])
    if "egg" in fragment:
        return fragment["egg"][0].partition("[")[0]
    last = PurePosixPath(unquote(address.partition("#")[0].rstrip("/"))).name
    return re.split(r"-\d|@|\.(?:git|zip|tar|whl)\b", last)[0][:100] or "unnamed"
