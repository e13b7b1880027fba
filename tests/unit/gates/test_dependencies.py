"""A lock that the configuration names is judged at the gate of registry, and its facts signed."""

from dataclasses import replace
from pathlib import Path

import pytest

from tidegate.app.registry import Admission, admit_model
from tidegate.config.model import Dependencies
from tidegate.core.decision import Decision
from tidegate.core.stage import Outcome
from tidegate.drills.arena import CARD, MODEL, Arena
from tidegate.drills.models import GOOD

SHA = "sha256:" + "a" * 64
INDEX = "--index-url https://pypi.example/simple\n"


def admitted(folder: Path, text: str | None) -> Decision:
    arena = Arena.make(folder)
    model = folder / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    workspace = arena.workspace
    settings = workspace.settings
    if text is not None:
        (workspace.root / "requirements.txt").write_text(text)
        section = Dependencies(internal=("acme-*",), lock=Path("requirements.txt"))
        settings = settings.model_copy(update={"dependencies": section})
    own = replace(workspace, settings=settings)
    return admit_model(own, Admission(model, MODEL, "1.0.0", CARD, dry_run=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "outcome", "confused"),
    [
        (None, None, None),
        (f"{INDEX}numpy==2.4.6 --hash={SHA}\n", Outcome.ALLOW, 0),
        (f"{INDEX}acme-x==1 --hash={SHA}\n", Outcome.DENY, 1),
        ("no requirement ==\n", Outcome.UNDECIDED, None),
    ],
)
def test_the_lock_is_judged_where_one_is_named(
    text: str | None, outcome: Outcome | None, confused: int | None, tmp_path: Path
) -> None:
    decision = admitted(tmp_path, text)
    found = [check for check in decision.checks if check.id == "dependencies"]
    assert [check.outcome for check in found] == ([outcome] if outcome else [])
    assert [check.facts.get("confused") for check in found] == ([confused] if outcome else [])
