"""An arena: a throw-away workspace whose earlier stages have spoken, for one arm of one drill.

Everything lies in the arm's own folder, also what a client remembers, so that no drill can touch
the workspace, the log or the memory of whoever runs it. Statements of stages that a drill does not
attack are *stand-ins*: really signed and logged, their measured values made up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.app.bom import ModelCard
from tidegate.app.genesis import Founder, everything, found
from tidegate.app.keyring import models_key
from tidegate.app.registry import Admission, Promotion, admit_model, promote_model
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.decision import Decision
from tidegate.core.digest import Digest
from tidegate.core.finding import Coverage, Detector
from tidegate.core.identity.roles import Role
from tidegate.core.policy.directives import Approve
from tidegate.core.stage import Stage
from tidegate.drills.arms import require_allow
from tidegate.drills.models import GOOD
from tidegate.gates.contract import Check, CheckResult, GateRequest, Order, Scalar, Target

STEWARDS = ("ana", "bo")
"""Two people who approve, beside ``dana``, who may everything."""
MODEL = "credit-model"
CARD = ModelCard(
    "Risk",
    "Apache-2.0",
    "classification",
    "LogisticRegression",
    ("scores in a drill",),
    ("made up",),
)
_STAND_IN = Detector("stand-in", "1")
_FACTS: Mapping[Stage, Mapping[str, Mapping[str, Scalar]]] = {
    Stage.INGEST: {
        "governance": {
            "has_owner": True,
            "has_source": True,
            "has_licence": True,
            "has_label": True,
            "has_approval": True,
            "tier": "trusted",
        },
        "pii": {"above_label": 0},
        "poison": {},
    },
    Stage.PREPARE: {
        "transform": {"pinned": True},
        "overlap": {"split": True, "exact": 0, "near": 0.0},
    },
    Stage.TRAIN: {"transform": {"pinned": True}, "isolation": {"tier": 3}},
    Stage.VALIDATE: {
        "sources": {"distinct": 2, "locked": True},
        "metrics": {
            "gap": 0.01,
            "lower": 0.9,
            "accuracy_a": 0.93,
            "accuracy_low_a": 0.9,
            "accuracy_high_a": 0.95,
        },
        "agreement": {},
        "subgroups": {"lower": 0.8},
        "red_team": {},
    },
}


@dataclass(frozen=True, slots=True)
class StandIn:
    """A gate that states passing values for a stage that the drill is not about."""

    stage: Stage

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        """Return one check for each that policy asks about."""
        return tuple(_stated(name, facts) for name, facts in _FACTS[self.stage].items())


def _stated(name: str, facts: Mapping[str, Scalar]) -> Check:
    return Check(
        name,
        "TG-GOV-01",
        _STAND_IN,
        lambda: CheckResult(Coverage(1, 1, unit="stand-in"), (), dict(facts)),
    )


@dataclass(frozen=True, slots=True)
class Arena:
    """A workspace of three people in a folder."""

    folder: Path
    founded: Workspace

    @classmethod
    def make(cls, folder: Path, releaser: str | None = None) -> "Arena":
        """Found the workspace: ``dana`` holds every role, two stewards may approve.

        Args:
            folder: The arm's.
            releaser: A person beside them who may release models, and nothing else.
        """
        people = [everything("dana")]
        people += [Founder(name, frozenset({Role.STEWARD})) for name in STEWARDS]
        people += [Founder(releaser, frozenset({Role.RELEASER}))] if releaser else []
        environ = {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "memory")}
        workspace = found(folder / "workspace", tuple(people), name="drill", environ=environ)
        for name in filter(None, ("dana", releaser)):
            # With nothing remembered: each key makes a version of the trust root.
            models_key(replace(workspace), name, None)
        return cls(folder, workspace)

    @property
    def workspace(self) -> Workspace:
        """The workspace as a new process sees it, with nothing remembered."""
        return self.open()

    def open(self, act_as: str = "dana") -> Workspace:
        """Open the workspace anew, as somebody."""
        return replace(self.founded, act_as=act_as)

    def configured(self, text: str) -> "Arena":
        """Add to the workspace's configuration; return the arena in which it holds."""
        root, environ = self.founded.root, self.founded.environ
        with (root / "tidegate.toml").open("a", encoding="utf-8") as file:
            file.write(text)
        return Arena(self.folder, Workspace.open(root, environ=environ))

    def stand_in(self, stage: Stage, subject: Target, materials: Sequence[Target] = ()) -> Target:
        """Log that a stage allowed an artifact; return it by its digest.

        Raises:
            CheckError: The policy did not allow it: the arena is not what the drill needs.
        """
        order = Order("admit", (subject,), tuple(materials))
        decision = require_allow(self.workspace.run(StandIn(stage), order))
        return replace(subject, digest=Digest.parse(decision.subjects[0].digest))

    def admitted(self, name: str, path: Path) -> Target:
        """Log that the ingest gate allowed a file."""
        return self.stand_in(Stage.INGEST, Target(name, "table", path))

    def made(self, model: Path) -> Target:
        """Log a model's history up to its training, on data made for it."""
        raw = model.with_name(f"{model.stem}-raw.csv")
        ready = model.with_name(f"{model.stem}-ready.csv")
        known = int(resolve(model, kind="model").digest.hex[:8], 16)
        raw.write_text(f"x,y\n1,0\n2,1\n3,{known}\n", "utf-8")
        ready.write_text(raw.read_text("utf-8") + "4,1\n", "utf-8")
        source = self.admitted("raw.csv", raw)
        prepared = self.stand_in(Stage.PREPARE, Target("ready.csv", "table", ready), [source])
        return self.stand_in(Stage.TRAIN, Target("model", "model", model), [prepared])

    def trained(self, model: Path) -> Target:
        """Log a model's history up to its validation."""
        made = self.made(model)
        order = Order("judge", (made,))
        require_allow(self.workspace.run(StandIn(Stage.VALIDATE), order))
        return made

    def registered(self, model: Path, version: str) -> Target:
        """Train and admit a model: scanned, signed, with its bill of materials."""
        made = self.trained(model)
        require_allow(self.register(model, version))
        return made

    def register(self, model: Path, version: str) -> Decision:
        """Ask for a trained model's admission."""
        return admit_model(self.workspace, Admission(model, MODEL, version, CARD))

    def approve(self, model: Target, people: Sequence[str] = STEWARDS) -> None:
        """Let people approve a model's promotion."""
        for name in people:
            self.open(name).act(
                Approve(subject=str(model.digest), action="registry/promote", reason="reviewed")
            )

    def promoted(self, model: Path, version: str, profile: Path | None = None) -> Target:
        """Register, approve and promote a model to ``prod``."""
        made = self.registered(model, version)
        self.approve(made)
        require_allow(self.promote(model, version, profile))
        return made

    def promote(self, model: Path, version: str, profile: Path | None = None) -> Decision:
        """Ask for a version's promotion to ``prod``, with the reference of its monitoring."""
        return promote_model(self.workspace, Promotion(MODEL, version, "prod", model, profile))


def honest_release(folder: Path, version: str) -> Decision:
    """Promote a good model whose admission and approvals are in order: a twin of the attacks."""
    model = folder / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    arena = Arena.make(folder)
    arena.approve(arena.registered(model, version))
    return arena.promote(model, version)
