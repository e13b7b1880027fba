"""What hangs on a key is told before it is revoked, is the same after, and comes true."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tidegate import __main__
from tidegate.app.affected import Affected, affected
from tidegate.app.serve import Deployment, check_deployment
from tidegate.app.workspace import Workspace
from tidegate.core.identity.keys import Scheme
from tidegate.core.policy.directives import RevokeKey
from tidegate.core.stage import Outcome
from tidegate.drills.arena import MODEL, STEWARDS, Arena

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> tuple[Arena, Path]:
    """One model, promoted to prod."""
    folder = tmp_path_factory.mktemp("affected")
    made, model = Arena.make(folder), folder / "model.safetensors"
    model.write_bytes((8).to_bytes(8, "little") + b"{}      ")
    made.promoted(model, "1.0.0")
    return made, model


@pytest.fixture
def workspace(arena: tuple[Arena, Path]) -> Workspace:
    return arena[0].workspace


def key_of(workspace: Workspace, principal: str, scheme: Scheme = Scheme.ED25519) -> str:
    keys = workspace.trust.keys
    return next(
        one.key.key_id for one in keys if (one.principal, one.key.scheme) == (principal, scheme)
    )


def lost(found: Affected) -> dict[str, str]:
    return {one.name: " | ".join(one.lost) for one in found.names}


def test_everything_hangs_on_the_key_that_signed_everything(workspace: Workspace) -> None:
    found = affected(workspace, key_of(workspace, "dana"))
    assert found.from_index == 0
    assert found.revoked_from is None
    told = lost(found)
    assert set(told) == {f"{MODEL}@1.0.0", f"{MODEL}/prod"}
    for part in ("ingest of", "train of", "validate of", "registry of", "means nothing"):
        assert part in told[f"{MODEL}/prod"], told
    names = {name for _, name, _ in found.artifacts}
    assert {"raw.csv", "ready.csv"} <= names
    assert {line.kind for line in found.statements} == {"attestation", "directive", "trust"}


def test_from_the_present_on_nothing_is_lost(workspace: Workspace) -> None:
    found = affected(workspace, key_of(workspace, "dana"), workspace.log.head.size)
    assert (found.statements, found.artifacts, found.names) == ((), (), ())


def test_only_what_came_after_the_index_is_lost(workspace: Workspace) -> None:
    key = key_of(workspace, "dana")
    everything = affected(workspace, key)
    index = next(line.index for line in everything.statements if "validate/" in line.says)
    told = lost(affected(workspace, key, index))[f"{MODEL}@1.0.0"]
    assert "validate of" in told
    assert "train of" not in told


def test_a_steward_s_key_holds_an_approval(workspace: Workspace) -> None:
    found = affected(workspace, key_of(workspace, STEWARDS[0]))
    assert f"the approval of {STEWARDS[0]} for registry/promote" in lost(found)[f"{MODEL}/prod"]
    assert found.artifacts == ()


def test_a_key_that_signs_models_holds_the_signatures_of_files(workspace: Workspace) -> None:
    found = affected(workspace, key_of(workspace, "dana", Scheme.P256))
    assert found.statements == ()
    assert set(lost(found)) == {f"{MODEL}@1.0.0", f"{MODEL}/prod"}
    assert "the signature over its files" in lost(found)[f"{MODEL}/prod"]
    later = affected(workspace, found.key.key.key_id, workspace.log.head.size)
    assert later.names == ()


def test_it_is_the_same_after_the_act_and_it_is_true(tmp_path: Path) -> None:
    arena, model = Arena.make(tmp_path), tmp_path / "model.safetensors"
    model.write_bytes((8).to_bytes(8, "little") + b"{}      ")
    arena.promoted(model, "1.0.0")
    deployment = Deployment(model, f"{MODEL}/prod")
    assert check_deployment(arena.workspace, deployment).outcome is Outcome.ALLOW
    key = key_of(arena.workspace, "dana", Scheme.P256)
    before = affected(arena.workspace, key, 3)
    arena.workspace.act(RevokeKey(key_id=key, from_index=3, reason="stolen"))
    after = affected(arena.workspace, key)
    assert after == replace(before, revoked_from=3)
    assert before.names
    assert check_deployment(arena.workspace, deployment).outcome is Outcome.DENY


def test_the_command_writes_nothing(
    workspace: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(workspace.environ["XDG_STATE_HOME"]))
    monkeypatch.setenv("HOME", os.environ["HOME"])
    size = workspace.log.head.size
    words = ["trust", "affected", STEWARDS[0], "-C", str(workspace.root)]
    assert __main__.main([*words, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["principal"], told["from"], told["revokedFrom"]) == (STEWARDS[0], 0, None)
    assert [one["name"] for one in told["names"]] == [f"{MODEL}/prod", f"{MODEL}@1.0.0"]
    assert __main__.main(words) == 0
    assert "registry/promote" in capfd.readouterr().out
    assert __main__.main([*words[:2], "nobody", *words[3:]]) == 2
    assert workspace.log.head.size == size
