"""Old versions are let go of; what anything live needs stays."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from tests.commands import breaches, command_of
from tests.registered import Registry, layers, safetensors

from tidegate.__main__ import main
from tidegate.app.holdings import Holdings, NotKept
from tidegate.app.maintenance import rebuild
from tidegate.app.registry import rolled_back
from tidegate.app.retention import Pruning, plan_pruning, prune
from tidegate.app.who_uses import who_uses
from tidegate.app.workspace import Workspace
from tidegate.core.clock import DAY, Micros
from tidegate.core.errors import UsageError
from tidegate.core.policy.directives import Alias, Quarantine
from tidegate.core.stage import Outcome
from tidegate.drills.arena import Arena

pytestmark = pytest.mark.slow
NOW, LONG = Micros(0), Micros(DAY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five versions: 1 was prod once, 3 is prod, 2 is held."""
    folder = tmp_path_factory.mktemp("retention")
    registry = Registry(Arena.make(folder))
    digests = []
    for version in "12345":
        decision = registry.admit("credit", version, safetensors(layers(int(version))))
        assert decision.outcome is Outcome.ALLOW
        digests.append(decision.subjects[0].digest)
    workspace = registry.arena.workspace
    for at in (0, 2):
        workspace.act(Alias(name="credit/prod", digest=digests[at], reason="promoted"))
    workspace.act(Quarantine(digest=digests[1], reason="a trigger"))
    return folder


@pytest.fixture
def registry(made: Path, tmp_path: Path) -> Iterator[Registry]:
    """A copy that goes its own way."""
    copytree(made, tmp_path / "copy")
    environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "memory")}
    workspace = Workspace.open(tmp_path / "copy/workspace", act_as="dana", environ=environ)
    yield Registry(Arena(tmp_path / "copy", workspace))
    workspace.engine.dispose()


def _names(plan: Pruning) -> list[str]:
    return sorted(name for one in plan.go for name in one.versions)


def test_only_what_nothing_needs_goes(registry: Registry) -> None:
    """Rollback targets, held versions, stages and the newest stay, each with its reason."""
    plan = plan_pruning(registry.arena.workspace, keep=1, older_than=NOW)
    assert _names(plan) == ["credit@4"]
    assert dict(plan.stay) == {
        "credit@1": "credit/prod can be rolled back to it",
        "credit@2": "quarantined",
        "credit@3": "credit/prod means it",
        "credit@5": "one of the newest 1",
    }


def test_the_newest_and_the_young_stay(registry: Registry) -> None:
    workspace = registry.arena.workspace
    assert _names(plan_pruning(workspace, keep=2, older_than=NOW)) == []
    assert _names(plan_pruning(workspace, keep=1, older_than=LONG)) == []
    with pytest.raises(UsageError):
        plan_pruning(workspace, keep=0, older_than=NOW)


def test_a_plan_changes_nothing(registry: Registry) -> None:
    workspace = registry.arena.workspace
    before = (workspace.log.head.size, list(workspace.blobs.list()))
    plan_pruning(workspace, keep=1, older_than=NOW)
    assert (workspace.log.head.size, list(workspace.blobs.list())) == before


def test_what_goes_is_logged_and_what_stays_still_answers(registry: Registry) -> None:
    """The log grows by the acts, a rebuild gives the same rows, and rollback works."""
    workspace = registry.arena.workspace
    size = workspace.log.head.size
    plan = plan_pruning(workspace, keep=1, older_than=NOW)
    done = prune(workspace, plan, "half a year has passed")
    assert [index for _, index in done] == list(range(size, size + len(done)))
    assert len(done) == 4  # bill of materials, signature, likeness, tensor manifest

    holdings = Holdings.read(registry.arena.workspace)
    for model in holdings.models:
        if model.versions == ("credit@4",):
            with pytest.raises(NotKept):
                holdings.bom(model)
            assert holdings.admission(model).gate.outcome is Outcome.ALLOW
        else:
            assert holdings.comparable(model).manifest() is not None
            assert holdings.bom(model).bom.packages
    answer = who_uses(registry.arena.workspace, "cryptography<0.1")
    assert [one.holding.versions for one in answer.unknown] == [("credit@4",)]
    assert rebuild(registry.arena.workspace).equal

    workspace = registry.arena.workspace
    workspace.act(rolled_back(workspace, "credit/prod", "1", "version 3 drifts"))
    assert workspace.directives().resolve("credit/prod") == str(
        workspace.directives().resolve("credit@1")
    )
    assert plan_pruning(registry.arena.workspace, keep=1, older_than=NOW).go == ()


def test_documents_that_a_live_version_shares_stay(registry: Registry) -> None:
    """None of these files names code: one document says so for all of them."""
    workspace = registry.arena.workspace
    prune(workspace, plan_pruning(workspace, keep=1, older_than=NOW), "old")
    holdings = Holdings.read(registry.arena.workspace)
    assert all(holdings.names(model).files == () for model in holdings.models)


def test_a_command_says_what_would_go_and_does_it_when_told(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run by default; the document is what its help promises."""
    root = str(registry.arena.workspace.root)
    words = ["registry", "prune", "--keep", "1", "--older-than", "0d", "--reason", "old", "-C",
             root, "--json"]  # fmt: skip
    for more, dry in (([], True), (["--yes", "--as", "dana"], False)):
        assert main([*words, *more]) == 0
        document = json.loads(capsys.readouterr().out)
        command = command_of(words)
        assert command is not None
        assert breaches(command, document) == []
        assert document["dryRun"] is dry
        assert document["prunable"][0]["names"] == ["credit@4"]
        assert len(document["erasures"]) == (0 if dry else 4)
    assert main([*words[:5], "soon", *words[6:]]) == 2
