"""Who uses what, from the log and what was kept: no model file is there any more."""

from pathlib import Path

import pytest
from tests.registered import Registry, harmless, layers, safetensors

from tidegate.app.holdings import Holdings
from tidegate.app.question import Kind, ask
from tidegate.app.who_uses import Answer, who_uses
from tidegate.app.workspace import Workspace
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.core.identity.keys import Scheme
from tidegate.core.stage import Outcome
from tidegate.drills.arena import Arena
from tidegate.interop.bom import Package

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Three models: a pickle, a safetensors file and its fine-tune; none of the files is left."""
    folder = tmp_path_factory.mktemp("registry")
    found = Registry(Arena.make(folder))
    assert found.admit("forest", "1", harmless(1), ".pkl").outcome is Outcome.ALLOW
    assert found.admit("small", "1", safetensors(layers(1))).outcome is Outcome.ALLOW
    tuned = safetensors(layers(1, changed=1))
    assert found.admit("small-tuned", "1", tuned).outcome is Outcome.ALLOW
    for file in folder.glob("*-1.*"):
        file.unlink()
    return found


@pytest.fixture
def workspace(registry: Registry) -> Workspace:
    """The workspace as a new process sees it."""
    return registry.arena.workspace


def _users(answer: Answer) -> dict[str, str]:
    return {one.holding.versions[0]: one.uses[0].how for one in answer.models}


@pytest.mark.parametrize(
    "text",
    ["collections.OrderedDict", "collections:OrderedDict", "collections", "collections.*"],
)
def test_a_callable_that_a_pickle_names(workspace: Workspace, text: str) -> None:
    """By its name, or that of its module."""
    answer = who_uses(workspace, text, Kind.CALLABLE)
    assert _users(answer) == {"forest@1": "forest-1.pkl names collections:OrderedDict"}
    assert answer.unknown == ()
    assert answer.asked == 3


def test_a_callable_that_none_names(workspace: Workspace) -> None:
    """All were examined: nobody uses it."""
    answer = who_uses(workspace, "os.system", Kind.CALLABLE)
    assert (answer.models, answer.unknown) == ((), ())


def test_the_statement_that_says_so_is_named(workspace: Workspace) -> None:
    """Who doubts the answer can look it up."""
    (model,) = who_uses(workspace, "collections", Kind.CALLABLE).models
    holdings = Holdings.read(workspace)
    assert model.uses[0].index == holdings.admission(model.holding).index


def test_a_package_by_name_and_by_versions(workspace: Workspace) -> None:
    """The bill of materials was kept with the admission."""
    holdings = Holdings.read(workspace)
    version = next(
        one.version
        for one in holdings.bom(holdings.models[0]).bom.packages
        if one.name == "cryptography"
    )
    assert len(who_uses(workspace, "Cryptography", Kind.PACKAGE).models) == 3
    assert len(who_uses(workspace, f"cryptography<={version}").models) == 3
    assert len(who_uses(workspace, f"cryptography@{version}").models) == 3
    answer = who_uses(workspace, f"cryptography>{version}")
    assert answer.question.kinds == (Kind.PACKAGE,)
    assert (answer.models, answer.unknown) == ((), ())


def test_data_that_a_model_was_made_from(workspace: Workspace, registry: Registry) -> None:
    """By name, by digest and by file, through every step."""
    raw = registry.path("forest", "1").with_name("forest-1-raw.csv")
    for text in (str(raw), str(_digest(workspace, "raw.csv", "forest@1"))):
        answer = who_uses(workspace, text, Kind.DATASET)
        assert set(_users(answer)) == {"forest@1"}
    assert len(who_uses(workspace, "raw.csv").models) == 3


def _digest(workspace: Workspace, name: str, version: str) -> str:
    holdings = Holdings.read(workspace)
    model = next(one for one in holdings.models if version in one.versions)
    chain = holdings.chain(model)
    return next(digest for digest in chain.nodes if chain.names.get(digest) == name)


def test_models_that_share_tensors_with_a_base(workspace: Workspace) -> None:
    """Nobody said what the fine-tune was made from; its tensors do."""
    answer = who_uses(workspace, "small@1", Kind.BASE)
    assert _users(answer) == {"small-tuned@1": "derived: 5 of 6 tensors in common"}


def test_models_that_share_tensors_with_a_file(workspace: Workspace, tmp_path: Path) -> None:
    """The base need not be registered."""
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(safetensors({**layers(1), "more": b"x" * 64}))
    answer = who_uses(workspace, str(path), Kind.BASE)
    assert set(_users(answer)) == {"small@1", "small-tuned@1"}


def test_a_key_by_its_id_and_by_its_principal(workspace: Workspace) -> None:
    """Signatures of files and of every step count."""
    key = next(one.key for one in workspace.trust.keys if one.key.scheme is Scheme.P256)
    answer = who_uses(workspace, key.key_id)
    assert answer.question.kinds == (Kind.KEY,)
    assert set(_users(answer).values()) == {"it signed the files"}
    assert len(who_uses(workspace, "dana", Kind.KEY).models) == 3
    assert who_uses(workspace, "0" * 64).models == ()


def test_what_is_gone_is_unknown_not_absent(registry: Registry, tmp_path: Path) -> None:
    """A missing document is no proof that a model does not use something."""
    other = Registry(Arena.make(tmp_path))
    other.admit("forest", "1", harmless(1), ".pkl")
    workspace = other.arena.workspace
    holdings = Holdings.read(workspace)
    (model,) = holdings.models
    told = holdings.admission(model).gate.checks
    facts = next(one["facts"] for one in told if one["id"] == "scan")
    workspace.blobs.delete(Digest.parse(facts["names"]))
    answer = who_uses(workspace, "os.system", Kind.CALLABLE)
    assert answer.models == ()
    assert "no such blob" in answer.unknown[0].gaps[0]


def test_where_a_class_is_really_defined(workspace: Workspace) -> None:
    """Pickles name the module that holds a class, people the one that they import it from."""
    question = ask(workspace, "sklearn.linear_model.LogisticRegression")
    assert question.fits_callable("sklearn.linear_model._logistic:LogisticRegression")
    assert not question.fits_callable("sklearn.svm._classes:LogisticRegression")
    assert ask(workspace, "os.system").fits_callable("posix:system")


def test_versions_that_can_not_be_compared(workspace: Workspace) -> None:
    """Neither in the range nor out of it."""
    question = ask(workspace, "thing<2")
    assert question.fits_package(Package("thing", "1.9")) is True
    assert question.fits_package(Package("thing", "1.9rc1")) is True
    assert question.fits_package(Package("thing", "r2023-nightly")) is None
    assert question.fits_package(Package("other", "1")) is False


@pytest.mark.parametrize(("text", "kind"), [("", None), ("a b c!", Kind.CALLABLE), ("x", Kind.KEY)])
def test_what_can_be_nothing_is_refused(workspace: Workspace, text: str, kind: Kind | None) -> None:
    """Rather than answered with nobody."""
    with pytest.raises(UsageError):
        ask(workspace, text, kind)
