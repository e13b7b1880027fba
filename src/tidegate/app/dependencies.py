"""The dependency check in a workspace: its settings, its advisories, its clock.

::

    with dependency_check(Path("."), settings, now=clock.now()) as checked:
        report = checked([Path("uv.lock")])
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.workspace import Workspace
from tidegate.config import Settings
from tidegate.core.clock import Micros
from tidegate.core.errors import SubjectError
from tidegate.detect.dependencies.advisories import AdvisoryIndex, Imported, judge_advisories
from tidegate.detect.dependencies.check import DependencyReport, check_paths
from tidegate.detect.dependencies.expectations import Expectations
from tidegate.gates.contract import Check
from tidegate.gates.dependencies import dependency_check as lock_check


@dataclass(frozen=True, slots=True)
class DependencyCheck:
    """A check that is ready to run."""

    run: Callable[[Sequence[Path]], DependencyReport]
    advisories: Imported | None
    """What releases are compared with; ``None`` where nothing was imported."""


def advisories_place(root: Path, settings: Settings) -> Path:
    """Return where the advisories of a workspace lie."""
    return root / settings.dependencies.advisories


@contextmanager
def dependency_check(
    root: Path, settings: Settings, *, now: Micros, advisories: Path | None = None
) -> Generator[DependencyCheck]:
    """Prepare the check.

    Args:
        root: Folder of the workspace; where there is none, settings are the defaults.
        settings: Its configuration.
        now: The time that ages are judged by.
        advisories: Another index than the configured one; it must be there.

    Raises:
        SubjectError: The index that was named is not there.
        VerificationError: The index is damaged.
    """
    section = settings.dependencies
    wanted = Expectations(
        internal=section.internal,
        internal_indexes=section.internal_indexes,
        indexes=section.indexes,
        allowed=section.allowed,
        licences=section.licences,
        denied_licences=section.denied_licences,
        minimum_age=Micros(section.minimum_age),
        now=now,
    )
    index = _opened(advisories or advisories_place(root, settings), named=advisories is not None)
    stale = Micros(section.advisories_age)
    judges = [judge_advisories(index, now=now, stale_after=stale)] if index else []
    try:
        yield DependencyCheck(
            lambda paths: check_paths(paths, wanted, judges=judges), index.told if index else None
        )
    finally:
        if index:
            index.__exit__(None, None, None)


def lock_checks(workspace: Workspace) -> tuple[Check, ...]:
    """Return the check of the lock that the configuration names; none where it names none."""
    lock = workspace.settings.dependencies.lock
    if lock is None:
        return ()

    def run() -> DependencyReport:
        now = workspace.clock.now()
        with dependency_check(workspace.root, workspace.settings, now=now) as ready:
            return ready.run([workspace.root / lock])

    return (lock_check(run),)


def _opened(place: Path, *, named: bool) -> AdvisoryIndex | None:
    try:
        return AdvisoryIndex.open(place)
    except SubjectError:
        if named:
            raise
        return None
