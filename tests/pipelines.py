"""Small pipelines in real workspaces, for tests of late stages: data admitted, a model trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import copytree

from tidegate.app.genesis import everything, found
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.canonical import Json
from tidegate.core.clock import FixedClock
from tidegate.core.decision import Decision
from tidegate.core.finding import Coverage, Detector
from tidegate.core.policy.directives import Approve
from tidegate.core.stage import Stage
from tidegate.gates.contract import Check, CheckResult, GateRequest, Order, Scalar, Target

NOW = 1_800_000_000_000_000

_GOVERNED: Mapping[str, Scalar] = {
    **{f"has_{name}": True for name in ("owner", "source", "licence", "label", "approval")},
    "tier": "trusted",
}
FACTS: Mapping[Stage, Mapping[str, Mapping[str, Scalar]]] = {
    Stage.INGEST: {"governance": _GOVERNED, "pii": {"above_label": 0}, "poison": {}},
    Stage.PREPARE: {
        "transform": {"pinned": True},
        "overlap": {"split": False, "exact": 0, "near": 0.0},
    },
    Stage.TRAIN: {"isolation": {"tier": 2}},
    Stage.VALIDATE: {
        "sources": {"distinct": 2, "locked": True},
        "metrics": {"gap": 0.0, "lower": 0.9},
        "agreement": {},
        "subgroups": {"lower": 0.9},
    },
    Stage.REGISTRY: {
        "scan": {},
        "signature": {"present": True, "verified": True},
        "bom": {"complete": True},
        "shadow": {"confusable": 0, "held": 0, "copies": 0, "derived": 0},
        "origin": {"listed": True, "moved": 0, "altered": 0},
    },
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
    """A workspace of dana, erin and finn, with a clock that moves a second a step."""

    root: Path
    workspace: Workspace
    clock: FixedClock

    @classmethod
    def begin(cls, root: Path, now: int = NOW) -> "Pipeline":
        clock = FixedClock(now)
        founders = tuple(map(everything, ("dana", "erin", "finn")))
        environ = {"XDG_STATE_HOME": str(root / "state")}
        return cls(root, found(root / "ws", founders, clock=clock, environ=environ), clock)

    def copy_to(self, root: Path) -> "Pipeline":
        """Return the same pipeline in another folder, where it goes its own way."""
        copytree(self.root, root, dirs_exist_ok=True)
        clock = FixedClock(self.clock.time)
        environ = {"XDG_STATE_HOME": str(root / "state")}
        workspace = Workspace.open(root / "ws", act_as="dana", clock=clock, environ=environ)
        return Pipeline(root, workspace, clock)

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

    def promote(self, model: Path, **parameters: Json) -> Decision:
        """Take a model through all stages up to a promotion that two others approved."""
        raw, table = self.root / "raw.csv", self.root / "table.csv"
        if not raw.exists():
            raw.write_text("x,y\n1,0\n")
            table.write_text("x,y\n2,0\n")
            self.admit(raw, source="feed", owner="olga")
            materials = (Target(raw.name, "table", raw),)
            target = Target(table.name, "table", table)
            prepared = self.attest(Stage.PREPARE, "admit", target, materials=materials)
            assert prepared.exit_code == 0, prepared.denials
            self.train(model, table)
        subject = Target(model.name, "model", model)
        for stage in (Stage.VALIDATE, Stage.REGISTRY):
            decision = self.attest(stage, "admit", subject)
            assert decision.exit_code == 0, decision.denials
        environ = {"XDG_STATE_HOME": str(self.root / "state")}
        for name in ("erin", "finn"):
            other = Workspace.open(
                self.workspace.root, act_as=name, clock=self.clock, environ=environ
            )
            other.act(
                Approve(subject=self.digest(model), action="registry/promote", reason="tested")
            )
        decision = self.attest(Stage.REGISTRY, "promote", subject, parameters=parameters)
        assert decision.exit_code == 0, decision.denials
        return decision

    @staticmethod
    def digest(path: Path) -> str:
        """Return a file's digest."""
        return str(resolve(path).digest)
