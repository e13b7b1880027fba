"""Judge dependencies by advisories, and say what the data can't tell."""

from collections.abc import Callable, Iterator

from tidegate.core.clock import SECOND, Micros
from tidegate.core.finding import Finding, Skipped
from tidegate.detect.dependencies.advisories.index import AdvisoryIndex
from tidegate.detect.dependencies.advisories.osv import (
    Advisory,
    Affected,
    UnreadableRecordError,
    is_affected,
)
from tidegate.detect.dependencies.judge.findings import about, called, finding
from tidegate.detect.dependencies.model import Dependency, Ecosystem, LockFile, Source

_DAY = 86_400 * SECOND
_SHOWN = 5


def judge_advisories(
    index: AdvisoryIndex, *, now: Micros, stale_after: Micros
) -> Callable[[LockFile], Iterator[Finding | Skipped]]:
    """Return a judge for one index.

    Args:
        index: The advisories.
        now: The time that their age is judged by.
        stale_after: Age of the data from which what they clear is undecided.
    """
    age = now - index.told.newest

    def judge(lock: LockFile) -> Iterator[Finding | Skipped]:
        if age > stale_after:
            days = f"{age // _DAY} days old, {stale_after // _DAY} are allowed"
            yield Skipped("advisories", f"the data is of {index.told.date}: {days}")
        elsewhere: list[str] = []
        for one in dict.fromkeys(lock.dependencies):
            if one.source is Source.SELF:
                continue
            if one.ecosystem is not Ecosystem.PYPI:
                elsewhere.append(one.name)
            elif one.version is None:
                yield Skipped(
                    f"{one.name} in {lock.path}", "without a version, no advisory can be told"
                )
            else:
                yield from _release(index, one, one.version)
        if elsewhere:
            names = ", ".join(elsewhere[:_SHOWN])
            yield Skipped(lock.path, f"conda packages are in no advisory data: {names}")

    return judge


def _release(index: AdvisoryIndex, one: Dependency, version: str) -> Iterator[Finding | Skipped]:
    for advisory, affected in index.about(one.name):
        try:
            hit = is_affected(version, affected)
        except UnreadableRecordError as error:
            yield Skipped(called(one), f"whether it has {advisory.id} can't be told: {error}")
            continue
        if hit:
            yield _finding(one, advisory, affected)


def _finding(one: Dependency, advisory: Advisory, affected: Affected) -> Finding:
    slug = "malicious" if advisory.malicious else "advisory"
    names = ", ".join((advisory.id, *advisory.aliases[:3]))
    fixed = ", ".join(affected.fixed[:3])
    message = f"{called(one)}: {names}: {advisory.summary or 'no summary'}"
    evidence = {**about(one), "advisory": advisory.id, "aliases": list(advisory.aliases[:10])}
    if fixed:
        evidence["fixed"] = fixed
    if not advisory.stated:
        evidence["severity"] = "not stated; taken as high"
    fix = f"Move to {fixed}." if fixed and not advisory.malicious else None
    return finding(slug, message, one.place, severity=advisory.severity, evidence=evidence, fix=fix)
