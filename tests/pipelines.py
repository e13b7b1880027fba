"""Small pipelines in real workspaces, for tests of late stages: data admitted, a model trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tidegate.app.genesis import everything, found
from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.clock import FixedClock
from tidegate.core.decision import Decision
from tidegate.core.finding import Coverage, Detector
from tidegate.core.stage import Stage
from tidegate.gates.contract import Check, CheckResult, GateRequest, Order, Scalar, Target

NOW = 1_800_000_000_000_000
_GOVERNED: Mapping[str, Scalar] = {
    **{f"has_{name}": True for name in ("owner", "source", "licence", "label", "approval")},
    "tier": "trusted",
}
FACTS: Mapping[Stage, Mapping[str, Mapping[str, Scalar]]] = {
    Stage.INGEST: {"governance": _GOVERNED, "pii": {"above_label": 0}, "poison": {}},
    Stage.PREPARE: {"transform": {"pinned": True}, "overlap": {"exact": 0, "near": 0.0}},
    Stage.TRAIN: {"isolation": {"tier": 2}},
}
"""What the default policy wants to hear of a stage that is not under test."""


@dataclass(frozen=True)
class StandIn:
    """A gate whose checks look at nothing and state what the policy wants."""

    stage: Stage
    facts: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        def result(facts: Mapping[str, Scalar]) -> CheckResult:
            return CheckResult(Coverage(1, 1), facts=facts)

        return [
            Check(name, "TG-GOV-01", Detector(name, "1"), partial(result, facts))
            for name, facts in (self.facts or FACTS.get(self.stage, {"stand_in": {}})).items()
        ]


@dataclass(frozen=True)
class Pipeline:
    """A workspace of one, with a clock that moves a second a step."""

    root: Path
    workspace: Workspace
    clock: FixedClock

    @classmethod
    def begin(cls, root: Path) -> "Pipeline":
        clock = FixedClock(NOW)
        return cls(root, found(root / "ws", (everything("dana"),), clock=clock, environ={}), clock)

    def attest(self, stage: Stage, action: str, subject: Target, **more: object) -> Decision:
        """Run a stand-in gate of a stage over one subject."""
        self.clock.advance(1_000_000)
        materials = more.get("materials", ())
        parameters: Mapping[str, Json] = more.get("parameters", {})  # type: ignore[assignment]  # a Json
        assert isinstance(materials, tuple)
        order = Order(action, (subject,), materials=materials, parameters=parameters)
        return self.workspace.run(StandIn(stage), order)

    def admit(self, path: Path, *, source: str, owner: str) -> Decision:
        """Admit raw data of a source."""
        said = {"source": source, "owner": owner}
        target = Target(path.name, "table", path, annotations=said)
        decision = self.attest(Stage.INGEST, "admit", target)
        assert decision.exit_code == 0, decision.denials
        return decision

    def train(self, model: Path, *data: Path) -> Decision:
        """State that a model was trained on admitted data."""
        materials = tuple(Target(path.name, "table", path) for path in data)
        decision = self.attest(
            Stage.TRAIN, "admit", Target(model.name, "model", model), materials=materials
        )
        assert decision.exit_code == 0, decision.denials
        return decision
