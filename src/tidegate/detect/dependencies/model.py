"""What a lock file says, whatever wrote it: distributions, where they come from, their hashes.

>>> normal("Typing_Extensions"), shown_url("https://user:word@pypi.example/simple/")
('typing-extensions', 'https://***@pypi.example/simple/')
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from tidegate.core.clock import Micros
from tidegate.core.finding import Location, Skipped

PYPI = "https://pypi.org/simple"
"""Where installers look when nothing says otherwise."""


class Format(StrEnum):
    """What wrote the file."""

    UV = "uv.lock"
    POETRY = "poetry.lock"
    PYLOCK = "pylock.toml"
    REQUIREMENTS = "requirements"
    CONDA_LOCK = "conda-lock"
    CONDA_EXPLICIT = "conda-explicit"
    PIPFILE = "Pipfile.lock"
    CONDA_ENVIRONMENT = "environment.yml"
    PIP_REPORT = "pip-report"
    INSTALLED = "installed"


class Ecosystem(StrEnum):
    """Whose names these are; the same name means different things in two of them."""

    PYPI = "PyPI"
    CONDA = "conda"


class Source(StrEnum):
    """How an installer gets the distribution."""

    INDEX = "index"
    """By name from a package index or a channel."""
    URL = "url"
    """An archive at an address of its own."""
    VCS = "vcs"
    """A revision of a repository."""
    PATH = "path"
    """Files beside the lock."""
    EDITABLE = "editable"
    """A folder that is imported in place."""
    SELF = "self"
    """The project that the lock belongs to."""
    UNSTATED = "unstated"
    """It was installed, and nothing says from where."""


class Role(StrEnum):
    """What a place is to the resolver."""

    PRIMARY = "index"
    EXTRA = "extra index"
    LINKS = "find-links"
    TRUSTED_HOST = "trusted host"


@dataclass(frozen=True, slots=True)
class Index:
    """A place that names are resolved from."""

    url: str
    role: Role
    place: Location


@dataclass(frozen=True, slots=True)
class Dependency:
    """One distribution that a lock names."""

    name: str
    """Normalised (packaging specifications, "Name normalization")."""
    place: Location
    version: str | None = None
    """Exact; ``None`` where the file leaves a choice."""
    written: str = ""
    """The name as the file has it."""
    ecosystem: Ecosystem = Ecosystem.PYPI
    source: Source = Source.INDEX
    address: str | None = None
    """Index, archive, repository or folder; ``None`` where the file does not say."""
    revision: str | None = None
    """Of a repository: what the lock resolved it to."""
    hashes: tuple[str, ...] = ()
    """``algorithm:hex`` of each archive that may be installed."""
    unhashed: int = 0
    """Archives that the lock names without a hash."""
    marker: str | None = None
    extras: tuple[str, ...] = ()
    direct: bool | None = None
    """Asked for by name, or only needed by others; ``None`` where the file does not say."""
    uploaded: Micros | None = None
    """When its youngest archive was uploaded."""
    licence: str | None = None
    """SPDX expression, or what it says of its licence in other words."""
    yanked: str | None = None
    """Why its publisher withdrew it; empty where no reason was given."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of an installed distribution that is not what was installed."""

    name: str
    problem: str
    place: Location
    kind: str = "changed"
    """``changed``, ``missing``, ``startup``, ``startup-known``."""


@dataclass(frozen=True, slots=True)
class LockFile:
    """What was read from one file, or from one environment."""

    path: str
    format: Format
    dependencies: tuple[Dependency, ...]
    indexes: tuple[Index, ...] = ()
    """In the order of the file."""
    gaps: tuple[Skipped, ...] = ()
    """What could not be read; it is not clean for that."""
    damage: tuple[Damage, ...] = ()
    offline: bool = False
    """It forbids every index (``--no-index``)."""
    unreadable: bool = False
    """Nothing of it could be read; its gap says why."""


def normal(name: str) -> str:
    """Normalise a name (packaging specifications, "Name normalization")."""
    return re.sub(r"[-_.]+", "-", name).strip("-").lower()


def shown_url(url: str) -> str:
    """Return an address as it may be shown: without its user and password."""
    return re.sub(r"(?<=://)[^/@\s]+(?=@)", "***", url)[:300]


def same_place(url: str) -> str:
    """Return an index address as it is compared: scheme, host and path, without credentials."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url.strip()
    if not parts.scheme or not parts.netloc:
        return url.strip().rstrip("/")
    return (
        f"{parts.scheme.lower()}://{(parts.hostname or '').lower()}{port}{parts.path.rstrip('/')}"
    )


def within(url: str, allowed: str) -> bool:
    """Tell whether an address is an allowed one, or lies under it.

    >>> within("https://pypi.example/team/simple/x.whl", "https://pypi.example/team")
    True
    >>> within("https://pypi.example.evil/team", "https://pypi.example")
    False
    """
    mine, theirs = same_place(url), same_place(allowed)
    return mine == theirs or mine.startswith(theirs + "/")
