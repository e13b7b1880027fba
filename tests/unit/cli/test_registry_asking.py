"""Questions to a registry, as people and programs ask them."""

from pathlib import Path

import pytest
from tests.registered import Registry, harmless, layers, safetensors
from tests.sites import Tidegate

from tidegate.app.holdings import Holdings
from tidegate.core.digest import Digest
from tidegate.core.policy.directives import Quarantine
from tidegate.drills.arena import Arena

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
