"""Replicas that are watched: what changes is logged and told, once; what doesn't costs no entry."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tidegate.app.replicas import Replica, ReplicaWatch
from tidegate.cli import watching
from tidegate.core.clock import DAY, FixedClock, Micros
from tidegate.core.errors import UsageError
from tidegate.core.policy.directives import Quarantine, Release
from tidegate.core.stage import Outcome
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.models import GOOD

ALIAS = f"{MODEL}/prod"
pytestmark = pytest.mark.slow


@pytest.fixture
def guard(tmp_path: Path) -> tuple[ReplicaWatch, Arena]:
    arena, model = Arena.make(tmp_path), tmp_path / "model.safetensors"
    model.write_bytes(GOOD.encoded())
    arena.promoted(model, "1.0.0")
    return (
        ReplicaWatch(
            arena.workspace,
            [Replica(model, ALIAS)],
            Micros(DAY),
            tmp_path / "releases",
            str(tmp_path / "alerts.jsonl"),
        ),
        arena,
    )


def test_a_swap_is_logged_and_told_once(guard: tuple[ReplicaWatch, Arena], tmp_path: Path) -> None:
    watch, arena = guard
    (first,) = watch.look()
    assert (first.decision.outcome, first.logged) == (Outcome.ALLOW, True)
    assert (tmp_path / "releases" / f"{MODEL}.prod.json").exists()
    size = arena.workspace.ledger.size()
    (second,) = watch.look()
    assert (second.decision.outcome, second.logged) == (Outcome.ALLOW, False)
    assert arena.workspace.ledger.size() == size
    model = watch.replicas[0].path
    honest = model.read_bytes()
    model.write_bytes(honest + b" ")
    (third,) = watch.look()
    assert (third.decision.outcome, third.logged) == (Outcome.DENY, True)
    assert not list((tmp_path / "releases").iterdir())
    (fourth,) = watch.look()
    assert (fourth.logged, fourth.alert) == (False, None)
    (event,) = map(json.loads, (tmp_path / "alerts.jsonl").read_text().splitlines())
    assert event["type"] == "tidegate.alert.deployment.v1"
    assert event["data"]["logIndex"] == third.decision.index
    model.write_bytes(honest)
    (fifth,) = watch.look()
    assert (fifth.decision.outcome, fifth.logged) == (Outcome.ALLOW, True)


def test_a_quarantine_upstream_is_seen_and_lifted(guard: tuple[ReplicaWatch, Arena]) -> None:
    watch, arena = guard
    watch.look()
    where = arena.workspace
    digest = where.directives().resolve(ALIAS)
    assert digest is not None
    raw = next(node for node in where.chains().read([digest]).nodes if node != digest)
    where.act(Quarantine(digest=raw, reason="poisoned"))
    assert watch.look()[0].decision.outcome is Outcome.DENY
    where.act(Release(digest=raw, reason="a false alarm"))
    assert watch.look()[0].decision.outcome is Outcome.ALLOW


def test_an_old_verdict_is_renewed(guard: tuple[ReplicaWatch, Arena]) -> None:
    watch, _ = guard
    watch.look()
    later = FixedClock(watch.workspace.clock.now() + 2 * DAY)
    watch.workspace = replace(watch.workspace, clock=later)
    assert watch.look()[0].logged


@pytest.mark.parametrize("text", ["model", "=a/b", "model=", "model=prod"])
def test_what_names_no_replica_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        watching._replica(text)
