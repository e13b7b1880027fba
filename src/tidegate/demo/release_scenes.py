"""The middle scenes: a model is admitted, promoted and deployed; a hostile file is not."""

import pickle
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.bom import ModelCard
from tidegate.app.registry import (
    Admission,
    Promotion,
    admit_model,
    promote_model,
)
from tidegate.app.release import publish_summary, write_proved
from tidegate.app.serve import Deployment, check_deployment
from tidegate.core.policy.directives import Approve
from tidegate.core.stage import Outcome
from tidegate.demo.cast import Cast
from tidegate.demo.data_scenes import said
from tidegate.demo.narrator import Narrator

NAME, VERSION, STAGE = "tumour", "1", "prod"
ALIAS = f"{NAME}/{STAGE}"


@dataclass(frozen=True, slots=True)
class Released:
    """What was released."""

    model: Path
    digest: str
    release: Path
    """The release that the gateway wants to see."""


class _Payload:
    """Pickles into a call that writes a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self._marker), "w"))


def registry(cast: Cast, model: Path, profile: Path, folder: Path, narrator: Narrator) -> None:
    """Refuse a pickle that would run code; admit and promote the honest model."""
    _refuse_hostile(cast, folder, narrator)
    card = ModelCard(
        owner="Diagnostics team",
        licence="Apache-2.0",
        task="classification",
        architecture="LogisticRegression",
        uses=("second reading of measurements",),
        limitations=("one scanner type", "no use without a physician"),
    )
    decision = admit_model(cast.by("rory"), Admission(model, NAME, VERSION, card))
    narrator.tell(
        "the model is scanned, signed (OMS) and admitted with its CycloneDX BOM",
        said(decision),
        expected=decision.outcome is Outcome.ALLOW,
    )
    promotion = Promotion(NAME, VERSION, STAGE, model, profile)
    alone = promote_model(cast.by("rory"), promotion)
    narrator.tell(
        "one person alone tries to promote it, and is refused",
        said(alone),
        expected=alone.outcome is not Outcome.ALLOW,
        attack=True,
    )
    for approver in ("dana", "vic"):
        cast.by(approver).act(
            Approve(
                subject=decision.subjects[0].digest,
                action="registry/promote",
                reason="the scorecard was read",
            )
        )
    promoted = promote_model(cast.by("rory"), promotion)
    narrator.tell(
        "with two approvals and the whole chain it is promoted",
        said(promoted),
        expected=promoted.outcome is Outcome.ALLOW,
    )


def _refuse_hostile(cast: Cast, folder: Path, narrator: Narrator) -> None:
    marker = folder / "the-payload-ran"
    hostile = folder / "from-a-hub.pkl"
    hostile.write_bytes(pickle.dumps(_Payload(marker)))
    decision = admit_model(cast.by("rory"), Admission(hostile, "helper", "1"))
    untouched = not marker.exists()
    pickle.loads(hostile.read_bytes())  # noqa: S301 - the control: loading it does run the payload
    ran = marker.exists()
    narrator.tell(
        "a pickle that would run code is refused, and was not run (loading it does run it)",
        said(decision),
        expected=decision.outcome is Outcome.DENY and untouched and ran,
        attack=True,
    )


def deploy(cast: Cast, model: Path, folder: Path, narrator: Narrator) -> Released:
    """Check the deployment and write the release that the gateway wants to see."""
    deployed = folder / model.name
    deployed.write_bytes(model.read_bytes())
    signature = model.with_name(f"{model.name}.oms.json")
    decision = check_deployment(cast.by("omar"), Deployment(deployed, ALIAS, signature))
    release, operator = folder / "release.json", cast.by("omar")
    write_proved(operator, publish_summary(operator, decision, ALIAS).index, release)
    narrator.tell(
        "the deployed bytes are what was promoted, and the whole chain holds",
        said(decision),
        expected=decision.outcome is Outcome.ALLOW,
    )
    return Released(deployed, decision.subjects[0].digest, release)
