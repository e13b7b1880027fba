"""The dependency check: paths in, one report out.

::

    report = check_paths([Path("uv.lock")], Expectations(internal=("acme-*",)))
    report.findings, report.coverage, report.facts()
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.finding import Coverage, Finding, Skipped
from tidegate.detect.dependencies.expectations import Expectations
from tidegate.detect.dependencies.judge.identity import (
    judge_damage,
    judge_names,
    judge_releases,
)
from tidegate.detect.dependencies.judge.origins import judge_origins
from tidegate.detect.dependencies.judge.pins import judge_pins
from tidegate.detect.dependencies.model import LockFile, Source
from tidegate.detect.dependencies.readers.dispatch import read_path

Judge = Callable[[LockFile], Iterator[Finding | Skipped]]
"""A further judge, such as the advisories'."""


@dataclass(frozen=True, slots=True)
class DependencyReport:
    """What the check found, and what it could not look at."""

    locks: tuple[LockFile, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Skipped, ...] = ()
    """What was planned and could not be told, beyond what could not be read."""

    @property
    def coverage(self) -> Coverage:
        """Lock files and environments, and what in them could not be told."""
        failed = tuple(gap for lock in self.locks if lock.unreadable for gap in lock.gaps)
        gaps = tuple(gap for lock in self.locks if not lock.unreadable for gap in lock.gaps)
        skipped = gaps + self.gaps
        examined = sum(1 for lock in self.locks if not lock.unreadable)
        planned = examined + len(failed) + len(skipped)
        return Coverage(planned, examined, skipped, failed, unit="lock file")

    def facts(self) -> Mapping[str, bool | int | float | str]:
        """Return what policy decides on."""
        every = [
            one for lock in self.locks for one in lock.dependencies if one.source is not Source.SELF
        ]
        rules = [one.rule.partition("/")[2] for one in self.findings]
        return {
            "locks": len(self.locks),
            "dependencies": len(every),
            "pinned": sum(1 for one in every if one.version or one.revision),
            "hashed": sum(1 for one in every if one.hashes),
            "unpinned": rules.count("unpinned"),
            "unhashed": rules.count("unhashed"),
            "confused": rules.count("internal-name") + rules.count("internal-unstated"),
            "advisories": rules.count("advisory"),
            "malicious": rules.count("malicious"),
        }


def check_paths(
    paths: Sequence[Path],
    wanted: Expectations | None = None,
    *,
    judges: Iterable[Judge] = (),
    root: Path | None = None,
) -> DependencyReport:
    """Check lock files, environments, or the locks of folders.

    Args:
        paths: What to check.
        wanted: Settings; without any, only what is wrong everywhere is found.
        judges: Further judges.
        root: Folder that includes may not leave; by default the current one, or the file's.

    Raises:
        SubjectError: There is nothing at a path.
        CheckError: A file that was named can't be read.
    """
    locks = [lock for path in paths for lock in read_path(path, root)]
    return judge_locks(locks, wanted or Expectations(), tuple(judges))


def judge_locks(
    locks: Sequence[LockFile], wanted: Expectations, judges: Sequence[Judge] = ()
) -> DependencyReport:
    """Judge lock files that were read."""
    licences = {
        (one.name, one.version): one.licence
        for lock in locks
        for one in lock.dependencies
        if one.licence and one.version
    }
    told: list[Finding | Skipped] = []
    for lock in locks:
        told += judge_pins(lock)
        told += judge_origins(lock, wanted)
        told += judge_names(lock, wanted)
        told += judge_releases(lock, wanted, licences)
        told += judge_damage(lock)
        for judge in judges:
            told += judge(lock)
    # The same thing found twice is told once.
    once = {
        (one.rule, one.message, str(one.location)): one for one in told if isinstance(one, Finding)
    }
    gaps = dict.fromkeys(one for one in told if isinstance(one, Skipped))
    return DependencyReport(tuple(locks), tuple(once.values()), tuple(gaps))
