"""What is tried around a model's admission: old keys, exercises that act, swaps, borrowed names."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from tests.workspaces import admit, workspace

from tidegate.app.genesis import everything, found
from tidegate.app.registry import Admission, Promotion, admit_model, promote_model, signature_path
from tidegate.app.release import publish_summary
from tidegate.app.serve import Deployment, check_deployment
from tidegate.app.trustees import next_version, publish
from tidegate.app.workspace import Workspace
from tidegate.core.decision import Decision
from tidegate.core.errors import AccessError, SubjectError, TrustError, UsageError
from tidegate.core.identity.keys import PublicKey, Scheme
from tidegate.core.policy.directives import Quarantine, RevokeKey
from tidegate.core.stage import Outcome
from tidegate.drills.arena import CARD, MODEL, Arena
from tidegate.drills.models import GOOD
from tidegate.interop.oms import sign_model

ALIAS = f"{MODEL}/prod"


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena.make(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(GOOD.encoded())
    return path


def models_key_of(workspace: Workspace) -> PublicKey:
    keys = (trusted.key for trusted in workspace.trust.keys)
    return next(key for key in keys if key.scheme is Scheme.P256)


def denied(decision: Decision) -> set[str]:
    return {result.rule for result in decision.denials}


def check(arena: Arena, model: Path) -> Decision:
    return check_deployment(arena.workspace, Deployment(model, ALIAS))


@pytest.mark.parametrize(("since", "ends"), [("ever", True), ("now", False)])
def test_a_revoked_key_signs_no_model(arena: Arena, model: Path, since: str, *, ends: bool) -> None:
    """From the index on: what the log shows to be older stands."""
    arena.promoted(model, "1.0.0")
    assert check(arena, model).outcome is Outcome.ALLOW
    index = 0 if since == "ever" else arena.workspace.log.head.size
    key = models_key_of(arena.workspace).key_id
    arena.workspace.act(RevokeKey(key_id=key, from_index=index, reason="stolen"))
    decision = check(arena, model)
    assert ("serve.signature" in denied(decision)) is ends
    assert (decision.outcome is Outcome.ALLOW) is not ends


def test_a_key_that_had_ended_signs_no_model_anew(arena: Arena, model: Path) -> None:
    """Its old signature stands, as an admission names it; a new one has no such witness."""
    arena.promoted(model, "1.0.0")
    workspace = arena.workspace
    key, now = models_key_of(workspace), workspace.clock.now()
    keys = (
        replace(one, valid_until=now) if one.key == key else one for one in workspace.trust.keys
    )
    publish(workspace, next_version(workspace.trust, keys=tuple(keys)))
    assert check(arena, model).outcome is Outcome.ALLOW
    signer = workspace.keys.load("dana-models", passphrase=None)
    signature_path(model).write_bytes(sign_model(model, signer, name=MODEL).to_bytes())
    assert "serve.signature" in denied(check(arena, model))


def test_an_exercise_moves_no_name(arena: Arena, model: Path) -> None:
    """A model that was admitted in a drill alone has no version, signature or stage."""
    arena.promoted(model, "1.0.0")
    other = model.with_name("other.safetensors")
    other.write_bytes(GOOD.encoded() + b" ")
    decision = admit_model(arena.workspace, Admission(other, MODEL, "2.0.0", CARD, drill=True))
    assert decision.index is not None
    assert not signature_path(other).exists()
    assert arena.workspace.directives().resolve(f"{MODEL}@2.0.0") is None
    meant = arena.workspace.directives().resolve(ALIAS)
    promote_model(arena.workspace, Promotion(MODEL, "1.0.0", "prod", model, drill=True))
    assert len(arena.workspace.directives().aliases[ALIAS]) == 1
    assert arena.workspace.directives().resolve(ALIAS) == meant


def test_a_model_that_is_swapped_after_the_first_look_is_not_admitted(
    arena: Arena, model: Path
) -> None:
    """The name is bound to the digest that the gate judged, or to none."""
    arena.trained(model)

    def swap(principal: str) -> None:
        if principal == "dana-models":
            model.write_bytes(GOOD.encoded() + b" ")

    workspace = replace(arena.open("dana"), unlock=swap)
    with pytest.raises(SubjectError) as caught:
        admit_model(workspace, Admission(model, MODEL, "1.0.0", CARD))
    assert caught.value.slug == "other-bytes"
    assert arena.workspace.directives().aliases == {}


def test_a_link_in_the_signatures_place_is_not_followed(arena: Arena, model: Path) -> None:
    """Who prepared the folder does not choose what is overwritten."""
    treasure = model.with_name("treasure")
    treasure.write_text("mine")
    signature_path(model).symlink_to(treasure)
    arena.registered(model, "1.0.0")
    assert treasure.read_text() == "mine"
    assert not signature_path(model).is_symlink()


def test_what_was_only_tried_has_no_summary(arena: Arena, model: Path) -> None:
    """A summary names the log entry of its check."""
    arena.promoted(model, "1.0.0")
    decision = check_deployment(arena.workspace, Deployment(model, ALIAS, dry_run=True))
    with pytest.raises(UsageError):
        publish_summary(arena.workspace, decision, ALIAS)


# ── who acts ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    return workspace(tmp_path, everything("ann"), everything("bob"))


def test_a_revoked_principal_gets_no_verdict(shop: Workspace, tmp_path: Path) -> None:
    """What it signed would count for nothing, so it must not look like an allow."""
    drop = tmp_path / "drop.bin"
    drop.write_bytes(b"rows")
    bob = replace(shop, act_as="bob")
    shop.act(RevokeKey(key_id=bob.principal.key_id, from_index=0, reason="left"))
    size = shop.log.head.size
    for attempt in (
        lambda: admit(bob, drop),
        lambda: bob.act(Quarantine(digest="sha256:" + "ab" * 32, reason="mine now")),
    ):
        with pytest.raises(TrustError):
            attempt()
    assert replace(shop).log.head.size == size


def test_a_key_under_another_name_does_not_act(arena: Arena) -> None:
    """The trust root says whose key it is, not the name that it is kept under."""
    with pytest.raises(AccessError) as caught:
        _ = arena.open("dana-models").principal
    assert caught.value.slug == "other-principal"


def test_two_founders_at_once_leave_one_workspace(tmp_path: Path) -> None:
    """The one who comes second takes nothing away from the first."""
    barrier = Barrier(2)

    def attempt(_: int) -> bool:
        barrier.wait()
        try:
            found(tmp_path / "ws", (everything("ann"),), environ={"HOME": str(tmp_path)})
        except UsageError:
            return False
        return True

    def rounds() -> Iterator[bool]:
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(attempt, range(2))

    assert sorted(rounds()) == [False, True]
    again = Workspace.open(tmp_path / "ws", environ={"HOME": str(tmp_path)})
    assert again.log.head.size == 2  # genesis and trust root
    assert again.principal.name == "ann"
