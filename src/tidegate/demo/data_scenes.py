"""The first scenes: sources are admitted, two of them are not, and a table is prepared."""

from pathlib import Path

from tidegate.app.ingest import AdmitRequest, admit
from tidegate.core.decision import Decision
from tidegate.core.finding import Severity
from tidegate.core.policy.directives import RegisterSource
from tidegate.core.stage import Outcome
from tidegate.demo.cast import Cast
from tidegate.demo.data import LABEL, Sources
from tidegate.demo.narrator import Narrator

_REGISTER = (
    ("clinic-a", "trusted", "Clinic A"),
    ("clinic-b", "trusted", "Clinic B"),
    ("lab-north", "trusted", "Laboratory North"),
    ("lab-south", "trusted", "Laboratory South"),
    ("partner-c", "partner", "Partner C"),
    ("web-feed", "web", "Feed D"),
)


def ingest(cast: Cast, sources: Sources, narrator: Narrator) -> None:
    """Register six sources and hand in what each delivered."""
    dana = cast.by("dana")
    for name, tier, owner in _REGISTER:
        dana.act(
            RegisterSource(
                source=name, tier=tier, owner=owner, licence="CC-BY-4.0", reason="demonstration"
            )
        )
    honest = (
        (sources.clinic_a, "clinic-a", "Clinic A"),
        (sources.clinic_b, "clinic-b", "Clinic B"),
        (sources.lab_north, "lab-north", "Laboratory North"),
        (sources.lab_south, "lab-south", "Laboratory South"),
    )
    for path, source, owner in honest:
        decision = _admit(cast, path, source, owner)
        narrator.tell(
            f"{path.name} is admitted", said(decision), expected=decision.outcome is Outcome.ALLOW
        )
    for path, source, owner, what in (
        (sources.partner, "partner-c", "Partner C", "a drop whose labels were flipped"),
        (sources.feed, "web-feed", "Feed D", "a feed with undeclared personal data"),
    ):
        decision = _admit(cast, path, source, owner)
        held = cast.by("dana").directives().is_quarantined(decision.subjects[0].digest)
        narrator.tell(
            f"{path.name}, {what}, is quarantined",
            said(decision),
            expected=decision.outcome is Outcome.DENY and held,
            attack=True,
        )


def _admit(cast: Cast, path: Path, source: str, owner: str) -> Decision:
    request = AdmitRequest(
        path=path, source=source, owner=owner, licence="CC-BY-4.0", label="internal", target=LABEL
    )
    return admit(cast.by("dana"), request)


def said(decision: Decision) -> str:
    """Return what a gate said, in one line."""
    place = f"log {decision.index}"
    if decision.outcome is Outcome.ALLOW:
        examined = decision.coverage.examined
        return f"{place}: {len(decision.rules)} rules hold, {examined} units examined"
    refusal = decision.denials[0].message if decision.denials else decision.outcome.value
    worst = next((item for item in decision.findings if item.severity >= Severity.HIGH), None)
    return f"{place}: {worst.message if worst else refusal}"
