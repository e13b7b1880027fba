"""Questions to a registry, as people and programs ask them."""

from pathlib import Path

import pytest
from tests.registered import Registry, harmless, layers, safetensors
from tests.sites import Tidegate

from tidegate.app.holdings import Holdings
from tidegate.core.digest import Digest
from tidegate.core.policy.directives import Quarantine
from tidegate.drills.arena import MODEL, Arena

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A promoted forest, which is held, and a model of tensors."""
    found = Registry(Arena.make(tmp_path_factory.mktemp("asked")))
    decision = found.admit("forest", "1", harmless(1), ".pkl")
    held = Quarantine(digest=decision.subjects[0].digest, reason="an advisory")
    found.admit("small", "1", safetensors(layers(1)))
    found.arena.workspace.act(held)
    return found


@pytest.fixture
def root(registry: Registry) -> Path:
    """Where its workspace is."""
    return registry.arena.workspace.root


def test_people_read_who_uses_what_and_where_the_log_says_so(
    tidegate: Tidegate, root: Path
) -> None:
    ran = tidegate("registry", "who-uses", "collections.OrderedDict", "-C", root)
    assert ran.code == 0
    assert "forest@1 (quarantined)" in ran.out
    assert "forest-1.pkl names collections:OrderedDict" in ran.out


def test_programs_read_a_document_and_an_exit_code(tidegate: Tidegate, root: Path) -> None:
    asked = ("registry", "who-uses", "collections", "--kind", "callable", "-C", root, "--json")
    ran = tidegate(*asked)
    assert ran.code == 0
    (user,) = ran.json["users"]
    assert (user["names"], user["state"]) == (["forest@1"], "quarantined")
    assert user["ways"][0]["kind"] == "callable"
    assert tidegate(*asked, "--exit-code").code == 1


def test_nobody_uses_it(tidegate: Tidegate, root: Path) -> None:
    ran = tidegate("registry", "who-uses", "no-such-package<2", "-C", root, "--exit-code")
    assert ran.code == 0
    assert "none of 2 models is known to use it (asked as package)" in ran.out


def test_what_can_not_be_told_is_no_no(tidegate: Tidegate, tmp_path: Path) -> None:
    other = Registry(Arena.make(tmp_path))
    other.admit("forest", "1", harmless(1), ".pkl")
    workspace = other.arena.workspace
    holdings = Holdings.read(workspace)
    told = holdings.admission(holdings.models[0]).gate.parameters["bom"]
    workspace.blobs.delete(Digest.parse(str(told)))
    ran = tidegate("registry", "who-uses", "numpy<1", "-C", workspace.root)
    assert ran.code == 4
    assert "doubtful" in ran.out


def test_nonsense_is_refused(tidegate: Tidegate, root: Path) -> None:
    ran = tidegate("registry", "who-uses", "what?", "--kind", "key", "-C", root)
    assert ran.code == 2
    assert "TG-USE/no-such-thing" in ran.err


def test_a_models_record(tidegate: Tidegate, root: Path) -> None:
    """Who, when, from what, and what stands behind each version."""
    ran = tidegate("registry", "show", "forest@1", "-C", root, "--json")
    assert ran.code == 0
    (version,) = ran.json["admitted"]
    assert (version["name"], version["state"], version["reason"]) == (
        "forest@1", "quarantined", "an advisory",
    )  # fmt: skip
    assert version["principal"] == "dana"
    assert version["scan"] == "clean, 1 of 1 files examined"
    assert version["signature"].startswith("by dana")
    assert version["made"][0].startswith("ready.csv sha256:")
    assert "score" in version["parts"]
    told = tidegate("registry", "show", "forest", "-C", root).out
    assert "quarantined: an advisory" in told
    assert "no stage of this name" in told


def test_a_stages_record_tells_where_back_to(tidegate: Tidegate, tmp_path: Path) -> None:
    """What was admitted before can be had back when the present version is held."""
    arena = Arena.make(tmp_path)
    first, second = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    first.write_bytes(safetensors(layers(1)))
    second.write_bytes(safetensors(layers(2)))
    arena.promoted(first, "1")
    arena.approve(arena.registered(second, "2"))
    assert arena.promote(second, "2").exit_code == 0
    held = arena.workspace.directives().resolve(f"{MODEL}/prod")
    arena.workspace.act(Quarantine(digest=str(held), reason="it drifts"))

    root = arena.workspace.root
    (stage,) = tidegate("registry", "show", MODEL, "-C", root, "--json").json["stages"]
    assert [move["to"] for move in stage["history"]] == [f"{MODEL}@1", f"{MODEL}@2"]
    assert stage["targets"] == [f"{MODEL}@1"]

    back = ("registry", "rollback", f"{MODEL}/prod", "--reason", "held", "-C", root, "--as", "dana")
    assert tidegate(*back, "--to", "1").code == 0
    assert tidegate("serve", "check", first, "--deployed-as", f"{MODEL}/prod", "-C", root, "--as",
                    "dana").code == 0  # fmt: skip
    (stage,) = tidegate("registry", "show", MODEL, "-C", root, "--json").json["stages"]
    assert stage["history"][-1]["to"] == f"{MODEL}@1"
    assert stage["targets"] == []
    assert tidegate(*back, "--to", "2").code == 2


def test_a_model_that_is_not_registered(tidegate: Tidegate, root: Path) -> None:
    ran = tidegate("registry", "show", "nobody", "-C", root)
    assert ran.code == 2
    assert "TG-SUB/not-admitted" in ran.err
