"""Monitor: has live traffic left the profile that was frozen at promotion?

The state of the sequential test is a byproduct of each statement: a state file that was edited,
set back or lost is not the one that the log names, and the gate is undecided.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tidegate.core.errors import CheckError
from tidegate.core.finding import Coverage, Finding, Location
from tidegate.core.stage import Stage
from tidegate.detect.drift import judge as drift
from tidegate.detect.drift.edetector import EDetector
from tidegate.detect.drift.profile import Profile
from tidegate.detect.drift.rules import DETECTOR
from tidegate.detect.drift.windows import Window
from tidegate.gates.chain import ChainReader
from tidegate.gates.contract import Artifact, Check, CheckResult, GateRequest, Scalar
from tidegate.gates.history import Query, newest, newest_first
from tidegate.gates.monitor.files import State, StateFile
from tidegate.gates.monitor.rules import OTHER_REFERENCE

STATE = "drift-state"
"""Name of the byproduct that says where the test stands."""
_SHOWN = 40
"""Columns whose distances become facts, largest evidence first."""
_MEASURES = ("psi", "kl", "js", "ks", "chi_square_p", "wasserstein")


@dataclass(frozen=True, slots=True)
class Watch:
    """A window, the profile it is held against, and the test's settings."""

    profile: Profile
    window: Window
    state: StateFile
    tolerance: float | None = None
    run_length: float = 1_000.0
    restart: bool = False
    """Begin the test anew, after an alarm was handled or the state was lost."""


@dataclass(frozen=True, slots=True)
class MonitorGate:
    """The check of ``monitor run``."""

    watch: Watch
    chains: Callable[[], ChainReader]

    @property
    def stage(self) -> Stage:
        """Monitor."""
        return Stage.MONITOR

    def checks(self, request: GateRequest) -> Sequence[Check]:
        """Return the check: the reference is the frozen one, and the window is like it."""
        return (Check("drift", "TG-MON-01", DETECTOR, lambda: self._drift(request)),)

    def _drift(self, request: GateRequest) -> CheckResult:
        chains, model = self.chains(), str(request.subjects[0].digest)
        given = str(self.watch.profile.digest)
        promoted = newest(
            chains, model, Query({Stage.REGISTRY}, "promote", drill=request.order.drill)
        )
        frozen = None if promoted is None else promoted.gate.parameters.get("profile")
        if frozen != given:
            why = "the model was never promoted" if promoted is None else f"frozen: {frozen}"
            finding = Finding(
                OTHER_REFERENCE.id,
                OTHER_REFERENCE.severity,
                f"{given[:19]} is not the profile of the promotion ({why[:100]})",
                Location(request.materials[0].name),
                {"given": given, "frozen": str(frozen or "")},
            )
            return CheckResult(Coverage(1, 1, unit="profile"), (finding,), {"reference": False})
        test = self._test(chains, model, drill=request.order.drill)
        report = drift.judge(self.watch.profile, self.watch.window, test, path="window")
        facts: dict[str, Scalar] = {
            **report.facts,
            "reference": True,
            "psi": report.facts["psi_max"],
            **dict(_columns(report.columns)),
        }
        data = State(model, given, test).to_bytes()
        if request.order.dry_run:
            return CheckResult(report.coverage, report.findings, facts)
        digest = self.watch.state.prepare(data)
        byproduct = Artifact(STATE, "report", digest, self.watch.state.path)
        return CheckResult(report.coverage, report.findings, facts, (byproduct,))

    def _test(self, chains: ChainReader, model: str, *, drill: bool) -> EDetector:
        """Return the test where the log says that it stands, or a fresh one."""
        given = str(self.watch.profile.digest)
        logged = None if self.watch.restart else last_state(chains, model, given, drill=drill)
        if logged is None:
            return drift.start(
                self.watch.profile,
                tolerance=self.watch.tolerance,
                run_length=self.watch.run_length,
            )
        data = self.watch.state.find(logged)
        state = None if data is None else State.parse(data)
        if state is None or (state.model, state.profile) != (model, given):
            raise CheckError(
                "the state of the drift test is not the one that the log names",
                where=str(self.watch.state.path),
                cause=f"{logged[:19]} was signed after the last window",
                next_step="restore the file, or begin the test anew with --restart",
                slug="drift-state",
            )
        return state.test


def last_state(chains: ChainReader, model: str, profile: str, *, drill: bool) -> str | None:
    """Return the digest of the newest signed state of a model's test over a profile."""
    query = Query({Stage.MONITOR}, "run", outcome=None, drill=drill)
    for spoken in newest_first(chains, model, query):
        if not any(str(item.digest) == profile for item in spoken.gate.materials):
            continue
        for item in spoken.gate.byproducts:
            if item.name == STATE:
                return str(item.digest)
    return None


def _columns(columns: Sequence[drift.ColumnDrift]) -> Iterator[tuple[str, Scalar]]:
    """Yield each column's distances under names that policy can use."""
    seen: set[str] = set()
    for place, column in enumerate(columns[:_SHOWN]):
        name = re.sub(r"[^a-z0-9]+", "_", column.column.lower()).strip("_")[:60] or "column"
        name = name if name not in seen else f"{name}_{place}"
        seen.add(name)
        for measure in _MEASURES:
            yield f"{measure}_of_{name}", float(getattr(column, measure))
