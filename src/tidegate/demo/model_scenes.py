"""The scenes between data and release: prepare, train confined, validate on two sources."""

from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree

from tidegate.app.prepare import PrepareRequest, prepare
from tidegate.app.produce import CommandRequest
from tidegate.app.train import train_model
from tidegate.app.validate import Roles, ValidateRequest, validate
from tidegate.core.stage import Outcome
from tidegate.demo.cast import Cast
from tidegate.demo.data import GROUP, LABEL, Sources
from tidegate.demo.data_scenes import said
from tidegate.demo.narrator import Narrator


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of training."""

    table: Path
    """The prepared training table."""
    model: Path
    code: Path
    scorecard: Path


def write_code(folder: Path) -> Path:
    """Write the pipeline's programs, as a user's own folder of code."""
    with as_file(files("tidegate.demo") / "code") as code:
        copytree(code, folder, ignore=lambda _, names: [n for n in names if n == "__pycache__"])
    return folder


def build(cast: Cast, sources: Sources, folder: Path, narrator: Narrator) -> Trained:
    """Prepare the table and train the model; an input that no gate admitted is refused."""
    code = write_code(folder / "code")
    prepared = prepare(
        cast.by("dana"),
        PrepareRequest(
            CommandRequest(
                ("python", "prepare.py"),
                {"a.csv": sources.clinic_a, "b.csv": sources.clinic_b},
                folder / "prepared",
                code,
            ),
            train=("train.csv",),
            validation=("tuning.csv",),
        ),
    )
    narrator.tell(
        "two clinics' tables are joined and split; no row is on both sides",
        said(prepared.decision),
        expected=prepared.decision.outcome is Outcome.ALLOW and prepared.outputs is not None,
    )
    table, model = folder / "prepared" / "train.csv", folder / "model"
    hostile = CommandRequest(
        ("python", "train.py"), {"train": sources.partner}, folder / "from-partner", code
    )
    refused = train_model(cast.by("tara"), hostile)
    narrator.tell(
        "training on the partner's drop all the same is refused before it starts",
        said(refused.decision),
        expected=refused.decision.outcome is Outcome.DENY and refused.completed is None,
        attack=True,
    )
    honest = CommandRequest(("python", "train.py"), {"train": table}, model, code)
    trained = train_model(cast.by("tara"), honest, name="tumour")
    tier = trained.completed.tier.value if trained.completed else 0
    narrator.tell(
        f"the model is trained without a network, on read-only inputs (isolation tier {tier})",
        said(trained.decision),
        expected=trained.decision.outcome is Outcome.ALLOW and trained.outputs is not None,
    )
    return Trained(table, model / "model.joblib", code, folder / "scorecard")


def judge(cast: Cast, sources: Sources, trained: Trained, narrator: Narrator) -> None:
    """Validate on two laboratories' sets."""
    decision = validate(
        cast.by("vic"),
        ValidateRequest(
            model=trained.model,
            sets=(("north", sources.lab_north), ("south", sources.lab_south)),
            roles=Roles(LABEL, (GROUP,)),
            argv=("python", "predict.py"),
            code=trained.code,
            scorecard=trained.scorecard,
        ),
    )
    facts = next((dict(check.facts) for check in decision.checks if check.id == "metrics"), {})
    narrator.tell(
        "two laboratories' sets agree about it, overall and in each subgroup",
        f"{said(decision)}; accuracy at least {float(facts.get('lower', 0)):.2f}, "
        f"sets differ by {float(facts.get('gap', 1)):.2f}",
        expected=decision.outcome is Outcome.ALLOW,
    )
