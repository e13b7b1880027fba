"""Running replicas, verified again and again against the ledger.

Between a check at the door and the next deployment, files are swapped, keys are revoked and sources
are recalled. A watch looks at each replica as often as it is told, and *logs* a verdict only when
it changed or the last one has grown old: a look costs a hash, not an entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.app.release import publish_summary, write_proved
from tidegate.app.serve import Deployment, check_deployment
from tidegate.app.workspace import Workspace
from tidegate.core.clock import Micros
from tidegate.core.decision import Decision
from tidegate.core.finding import Severity
from tidegate.core.stage import Outcome
from tidegate.respond.alerts import Alert, is_url, post, record

OUTBOX = "deployments.jsonl"


@dataclass(frozen=True, slots=True)
class Replica:
    """Files that are being served, and what they should be."""

    path: Path
    alias: str
    """``credit-model/prod``."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one replica."""

    replica: Replica
    decision: Decision
    logged: bool
    alert: Alert | None = None


@dataclass(slots=True)
class ReplicaWatch:
    """Looks at replicas, and remembers the last verdict on each."""

    workspace: Workspace
    replicas: Sequence[Replica]
    refresh: Micros
    """How old the last logged verdict may grow."""
    releases: Path | None = None
    """Folder with a release file of each replica, for as long as it is allowed."""
    cloudevents: str | None = None
    """File or web address that gets alerts; a file of the workspace where absent."""
    _last: dict[str, tuple[Outcome, Micros]] = field(
        default_factory=dict[str, tuple[Outcome, Micros]]
    )

    def look(self) -> list[Look]:
        """Verify every replica now.

        Raises:
            AccessError: The principal may not sign for the serve gate.
            RemoteError: An alert was not taken; it stays in the outbox.
        """
        return [self._look(replica) for replica in self.replicas]

    def _look(self, replica: Replica) -> Look:
        seen = check_deployment(
            self.workspace, Deployment(replica.path, replica.alias, dry_run=True)
        )
        before = self._last.get(replica.alias)
        now = self.workspace.clock.now()
        if before is not None and before[0] is seen.outcome and now - before[1] < self.refresh:
            return Look(replica, seen, logged=False)
        decision = check_deployment(self.workspace, Deployment(replica.path, replica.alias))
        self._last[replica.alias] = (decision.outcome, now)
        self._release(replica, decision)
        changed = before is None or before[0] is not decision.outcome
        alert = None if decision.outcome is Outcome.ALLOW else self._alert(replica, decision)
        if alert is not None and changed:
            self._deliver(alert)
        return Look(replica, decision, logged=True, alert=alert if changed else None)

    def _release(self, replica: Replica, decision: Decision) -> None:
        if self.releases is None:
            return
        file = self.releases / f"{replica.alias.replace('/', '.')}.json"
        if decision.outcome is Outcome.ALLOW:
            receipt = publish_summary(self.workspace, decision, replica.alias)
            write_proved(self.workspace, receipt.index, file)
        else:
            # Who reads the folder must not go on by what held before.
            file.unlink(missing_ok=True)

    def _alert(self, replica: Replica, decision: Decision) -> Alert:
        worst = next(iter(decision.denials), None)
        told = "it could not be verified" if worst is None else worst.message
        return Alert(
            "deployment",
            Severity.CRITICAL if decision.outcome is Outcome.DENY else Severity.HIGH,
            decision.subjects[0].digest,
            f"{replica.alias} no longer verifies: {told}",
            self.workspace.id,
            self.workspace.clock.now(),
            decision.index,
            ("AML.T0010",),
            {"deployment": replica.alias, "outcome": decision.outcome.value},
        )

    def _deliver(self, alert: Alert) -> None:
        wanted = self.cloudevents
        kept = self.workspace.home / "monitor" / OUTBOX
        if wanted and not is_url(wanted):
            kept = Path(wanted)
        record(alert.to_event(), kept)
        if wanted and is_url(wanted):
            post(alert.to_event(), wanted, kept=kept)
