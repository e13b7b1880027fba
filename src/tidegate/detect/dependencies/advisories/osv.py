"""One OSV record (OSV schema 1.x): what it says of packages of the Python index.

>>> record = read_record({"id": "X-1", "modified": "2026-01-02T00:00:00Z", "affected": [
...     {"package": {"ecosystem": "PyPI", "name": "Demo"},
...      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}]}]}]})
>>> [is_affected("1.1", one) for one in record.affected], record.affected[0].fixed
([True], ('1.2',))
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.finding import Severity
from tidegate.detect.dependencies.advisories.cvss import base_score
from tidegate.detect.dependencies.documents import list_field, table_field, text_field
from tidegate.detect.dependencies.model import normal
from tidegate.detect.dependencies.readers.moments import moment

MAX_EVENTS: Final = 2_000
MAX_VERSIONS: Final = 20_000
MAX_AFFECTED: Final = 2_000
_EVENTS: Final = ("introduced", "fixed", "last_affected", "limit")
_WORDS: Final = {
    "CRITICAL": Severity.CRITICAL, "HIGH": Severity.HIGH, "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM, "LOW": Severity.LOW,
}  # fmt: skip
_SCORES: Final = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))


@dataclass(frozen=True, slots=True)
class Affected:
    """One package of an advisory."""

    name: str
    """Normalised."""
    ranges: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Each a list of events: ``introduced``, ``fixed``, ``last_affected``, ``limit``."""
    versions: tuple[str, ...] = ()

    @property
    def fixed(self) -> tuple[str, ...]:
        """Versions that fix it."""
        return tuple(value for events in self.ranges for kind, value in events if kind == "fixed")


@dataclass(frozen=True, slots=True)
class Advisory:
    """What is kept of a record."""

    id: str
    modified: Micros
    summary: str
    aliases: tuple[str, ...]
    severity: Severity
    stated: bool
    """Whether the record states a severity that could be read."""
    malicious: bool
    affected: tuple[Affected, ...]


class UnreadableRecordError(ValueError):
    """It is no OSV record, or says something that can't be evaluated."""


def read_record(value: Json) -> Advisory | None:
    """Read a record; nothing where it was withdrawn or is about no package of the Python index.

    Raises:
        UnreadableRecordError: It is none.
    """
    if not isinstance(value, Mapping):
        raise UnreadableRecordError("it is no object")
    name, changed = text_field(value, "id"), moment(text_field(value, "modified"))
    if not name or changed is None:
        raise UnreadableRecordError("it has no id or no date")
    if text_field(value, "withdrawn"):
        return None
    listed = list_field(value, "affected")
    if len(listed) > MAX_AFFECTED:
        raise UnreadableRecordError("it names too many packages")
    affected = tuple(one for item in listed if (one := _affected(item)) is not None)
    if not affected:
        return None
    malicious = name.startswith("MAL-")
    severity, stated = _severity(value)
    summary = (
        text_field(value, "summary") or (text_field(value, "details") or "").partition("\n")[0]
    )
    aliases = tuple(one[:100] for one in list_field(value, "aliases")[:50] if isinstance(one, str))
    # What is not rated counts as high: unknown is not harmless.
    level = Severity.CRITICAL if malicious else severity or Severity.HIGH
    return Advisory(
        name[:100], changed, summary[:300], aliases, level, stated or malicious, malicious, affected
    )


def _affected(item: Any) -> Affected | None:
    if not isinstance(item, Mapping):
        raise UnreadableRecordError("an affected package is no object")
    package = table_field(item, "package")
    # An ecosystem may have a suffix after a colon.
    if (text_field(package, "ecosystem") or "").partition(":")[0] != "PyPI":
        return None
    name = text_field(package, "name")
    if not name:
        raise UnreadableRecordError("an affected package has no name")
    ranges = tuple(
        _events(one)
        for one in list_field(item, "ranges")
        if isinstance(one, Mapping) and one.get("type") in {"ECOSYSTEM", "SEMVER"}
    )
    versions = tuple(one for one in list_field(item, "versions") if isinstance(one, str))
    if len(versions) > MAX_VERSIONS:
        raise UnreadableRecordError("it names too many versions")
    if not ranges and not versions:
        # Only commits are named: any version may have it.
        ranges = ((("introduced", "0"),),)
    return Affected(normal(name), ranges, versions)


def _events(one: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    given = list_field(one, "events")
    if len(given) > MAX_EVENTS:
        raise UnreadableRecordError("a range has too many events")
    found = [
        (kind, event[kind])
        for event in given
        if isinstance(event, Mapping)
        for kind in _EVENTS
        if isinstance(event.get(kind), str)
    ]
    return tuple(found)


def _severity(value: Mapping[str, Any]) -> tuple[Severity | None, bool]:
    given = [one for one in list_field(value, "severity") if isinstance(one, Mapping)]
    for item in list_field(value, "affected"):
        given += [one for one in list_field(item, "severity") if isinstance(one, Mapping)]
    scores = [
        score for one in given if (score := base_score(text_field(one, "score") or "")) is not None
    ]
    if scores:
        highest = max(scores)
        return next((level for limit, level in _SCORES if highest >= limit), Severity.LOW), True
    word = (text_field(table_field(value, "database_specific"), "severity") or "").upper()
    return _WORDS.get(word), word in _WORDS


def _version(text: str) -> Version | None:
    """Return a version to compare; ``None`` is before all others."""
    if text == "0":
        return None
    try:
        return Version(text)
    except InvalidVersion as error:
        raise UnreadableRecordError(str(error)) from None


def is_affected(version: str, one: Affected) -> bool:
    """Tell whether a release is affected (OSV schema, "Evaluation").

    Raises:
        UnreadableRecordError: The version, or one that the advisory names, can't be compared.
    """
    try:
        mine = Version(version)
    except InvalidVersion as error:
        raise UnreadableRecordError(str(error)) from None
    return _listed(mine, version, one.versions) or any(
        _in_range(mine, events) for events in one.ranges
    )


def _listed(mine: Version, written: str, versions: tuple[str, ...]) -> bool:
    for text in versions:
        if text == written:
            return True
        try:
            if Version(text) == mine:
                return True
        except InvalidVersion:
            continue
    return False


def _in_range(mine: Version, events: tuple[tuple[str, str], ...]) -> bool:
    limits = [value for kind, value in events if kind == "limit" and value != "*"]
    if limits and not any(_before(mine, limit) for limit in limits):
        return False
    affected = False
    for kind, value in sorted(events, key=_order):
        at = _version(value)
        reached = at is None or mine >= at
        if kind in {"introduced", "fixed"} and reached:
            affected = kind == "introduced"
        elif kind == "last_affected" and (at is None or mine > at):
            affected = False
    return affected


def _before(mine: Version, limit: str) -> bool:
    at = _version(limit)
    return at is not None and mine < at


def _order(event: tuple[str, str]) -> tuple[bool, Version, bool]:
    at = _version(event[1])
    # At one version a fix counts before what is introduced anew.
    return at is not None, at or Version("0"), event[0] == "introduced"
