"""What a workspace expects of its dependencies: settings, parsed once.

>>> wanted = Expectations(internal=("acme-*",), allowed=("numpy", "torch>=2.6,<3"))
>>> wanted.is_internal("acme-models"), wanted.admits("torch", "2.5.0"), wanted.admits("numpy", "1")
(True, False, True)
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion

from tidegate.core.clock import Micros
from tidegate.core.errors import UsageError
from tidegate.detect.dependencies.model import normal
from tidegate.detect.dependencies.names import KnownNames

_NOW = Micros(0)


@dataclass(frozen=True)
class Expectations:
    """Rules of the house; without any, only what is wrong everywhere is found."""

    internal: tuple[str, ...] = ()
    """Patterns of names that are yours: ``acme-*``."""
    internal_indexes: tuple[str, ...] = ()
    """Where these must come from."""
    indexes: tuple[str, ...] = ()
    """Indexes that may be used; empty allows any."""
    allowed: tuple[str, ...] = ()
    """Names, or names with versions, that may be used; empty allows any."""
    licences: tuple[str, ...] = ()
    """SPDX ids that may be used; empty allows each that is not denied."""
    denied_licences: tuple[str, ...] = ()
    minimum_age: Micros = _NOW
    """How long ago a release must have been uploaded."""
    now: Micros = field(default=_NOW, kw_only=True)
    """The time that ages are judged by."""

    def is_internal(self, name: str) -> bool:
        """Tell whether a name is claimed as one's own."""
        return any(fnmatchcase(name, pattern.lower()) for pattern in self._patterns)

    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        return tuple(
            normal(pattern) if "[" not in pattern else pattern for pattern in self.internal
        )

    @cached_property
    def _allowed(self) -> dict[str, list[SpecifierSet]]:
        found: dict[str, list[SpecifierSet]] = {}
        for text in self.allowed:
            try:
                one = Requirement(text)
            except InvalidRequirement as error:
                raise UsageError(
                    "the allow-list has an entry that is no requirement",
                    where=text[:100],
                    cause=str(error).partition("\n")[0],
                    next_step="write a name, or a name with versions: torch>=2.6,<3",
                    slug="bad-allow-list",
                ) from None
            found.setdefault(normal(one.name), []).append(one.specifier)
        return found

    def lists(self, name: str) -> bool:
        """Tell whether the allow-list has a name, in whatever version."""
        return name in self._allowed

    def admits(self, name: str, version: str | None) -> bool:
        """Tell whether the allow-list has a release; always where there is no list."""
        if not self.allowed:
            return True
        specifiers = self._allowed.get(name, [])
        if version is None:
            return any(not str(one) for one in specifiers)
        try:
            return any(one.contains(version, prereleases=True) for one in specifiers)
        except InvalidVersion:
            return any(not str(one) for one in specifiers)

    @cached_property
    def known(self) -> KnownNames:
        """The names of the allow-list, for comparing others with."""
        return KnownNames(self._allowed)

    @cached_property
    def allowed_licences(self) -> frozenset[str]:
        """SPDX ids in lower case."""
        return frozenset(one.lower() for one in self.licences)

    @cached_property
    def refused_licences(self) -> frozenset[str]:
        """SPDX ids in lower case."""
        return frozenset(one.lower() for one in self.denied_licences)
