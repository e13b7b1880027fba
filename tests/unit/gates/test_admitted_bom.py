"""The bill of materials of an admission: made from evidence, signed for, or absent."""

from pathlib import Path

import pytest

from tidegate.app.registry import SPDX_SUFFIX, Admission, admit_model, bom_path
from tidegate.core.digest import Digest, sha256
from tidegate.core.stage import Outcome, Stage
from tidegate.drills.arena import CARD, MODEL, Arena
from tidegate.drills.models import GOOD
from tidegate.interop.bom import diff, read_bom, score, validate_bom

pytestmark = pytest.mark.slow


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena.make(tmp_path / "ws")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(GOOD.encoded())
    return path


def test_both_documents_are_valid_and_signed_for(arena: Arena, model: Path) -> None:
    arena.trained(model)
    workspace = arena.workspace
    decision = admit_model(workspace, Admission(model, MODEL, "1.0.0", CARD, spdx=True))
    assert decision.outcome is Outcome.ALLOW
    texts = {
        "bom": bom_path(model).read_bytes(),
        "spdx": bom_path(model, SPDX_SUFFIX).read_bytes(),
    }
    digest = decision.subjects[0].digest
    (signed,) = workspace.chains().read([digest]).of(Stage.REGISTRY)
    for name, text in texts.items():
        assert signed.gate.parameters[name] == str(sha256(text))
        assert validate_bom(text).problems == ()
    one, two = (read_bom(text).bom for text in texts.values())
    # SPDX has no parts of a second.
    assert {field for change in diff(one, two) for field in change.fields} == {"at"}


def test_it_tells_what_the_ledger_knows(arena: Arena, model: Path) -> None:
    arena.trained(model)
    decision = admit_model(arena.workspace, Admission(model, MODEL, "1.0.0", CARD))
    bom = read_bom(bom_path(model).read_bytes()).bom
    chain = arena.workspace.chains().read([decision.subjects[0].digest])
    logged = {(link.stage.value, link.verified.envelope) for link in chain.links}
    told = {(part.stage, part.digest) for part in bom.attestations}
    assert told == {pair for pair in logged if pair[0] != "registry"}
    assert [step.stage for step in bom.steps][-2:] == ["train", "validate"]
    trained = next(step for step in bom.steps if step.stage == "train")
    assert trained.outputs == (Digest.parse(decision.subjects[0].digest),)
    assert bom.data
    assert not bom_path(model, SPDX_SUFFIX).exists()
    assert score(bom).lacking == ()


def test_a_refused_model_has_neither(arena: Arena, model: Path) -> None:
    arena.trained(model)
    refused = Admission(model, MODEL, "1.0.0", CARD, spdx=True, dry_run=True)
    admit_model(arena.workspace, refused)
    assert sorted(path.name for path in model.parent.glob("model.*")) == [model.name]
