"""Snapshots of a hub's cache: followed inside it, held against its names, refused once moved."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.modelfolders import trained, write_model

from tidegate.__main__ import main
from tidegate.app.hub import take_snapshot
from tidegate.app.registry import Admission, admit_model
from tidegate.core.artifact.reference import resolve
from tidegate.core.decision import Decision
from tidegate.core.errors import SubjectError, TidegateError, UsageError
from tidegate.core.stage import Outcome
from tidegate.drills.arena import CARD, Arena
from tidegate.gates.registry.origin import claimed_origin
from tidegate.interop.hub import is_snapshot, lay_out, read_snapshot

ONE, TWO = "1" * 40, "2" * 40


def put(cache: Path, revision: str, name: str, data: bytes, *, large: bool) -> Path:
    """Put a file into a cache as the hub's client does; return its blob."""
    git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    blob = cache / "blobs" / (hashlib.sha256(data).hexdigest() if large else git)
    link = cache / "snapshots" / revision / name
    for folder in (blob.parent, link.parent):
        folder.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    link.symlink_to(os.path.relpath(blob, link.parent))
    return blob


def fetched(cache: Path, model: Path, revision: str, **refs: str) -> Path:
    """Put a whole model into a cache; return its snapshot."""
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        large = path.suffix == ".safetensors"
        put(cache, revision, str(path.relative_to(model)), path.read_bytes(), large=large)
    (cache / "refs").mkdir(exist_ok=True)
    for name, commit in refs.items():
        (cache / "refs" / name).write_text(commit)
    return cache / "snapshots" / revision


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub" / "models--acme--tumour"


@pytest.fixture
def snapshot(cache: Path, model: Path) -> Path:
    (cache / ".no_exist" / ONE).mkdir(parents=True)
    (cache / ".no_exist" / ONE / "adapter_config.json").touch()
    return fetched(cache, model, ONE, main=ONE, v1=ONE)


def test_a_snapshot_says_what_it_is(snapshot: Path) -> None:
    """Repository and commit by its place, branches and tags by the cache."""
    assert is_snapshot(snapshot)
    found = read_snapshot(snapshot)
    assert (found.repository, found.publisher, found.revision) == ("acme/tumour", "acme", ONE)
    assert found.refs == ("main", "v1")


def test_it_becomes_the_plain_folder(snapshot: Path, model: Path, tmp_path: Path) -> None:
    """With the digest of the files as anybody else would fetch them, and without links."""
    made = lay_out(read_snapshot(snapshot), tmp_path / "out")
    assert (made.files, made.altered, made.unnamed) == (3, (), 0)
    assert resolve(tmp_path / "out").digest == resolve(model).digest
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_other_snapshots_stay_out(snapshot: Path, cache: Path, model: Path, tmp_path: Path) -> None:
    """Neither their files nor their oddities matter; nor does a file that is called as a folder."""
    put(cache, TWO, "more.json", b"{}", large=False)
    (cache / "snapshots" / TWO / "bad").symlink_to("/etc/hostname")
    put(cache, ONE, "blobs", b"a file of this name", large=False)
    lay_out(read_snapshot(snapshot), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {path.name for path in model.iterdir()} | {"blobs"}


@pytest.mark.parametrize(
    ("target", "slug"),
    [
        ("/etc/hostname", "link-outside"),
        ("../../../../outside", "link-outside"),
        ("../../blobs/gone", "broken-link"),
        ("odd", "loop"),
    ],
)
def test_links_stay_inside(snapshot: Path, tmp_path: Path, target: str, slug: str) -> None:
    """What leads out, dangles or turns in circles is refused, and nothing is left behind."""
    (tmp_path / "outside").write_text("secret")
    (snapshot / "odd").symlink_to(target)
    with pytest.raises(SubjectError) as caught:
        lay_out(read_snapshot(snapshot), tmp_path / "new" / "out")
    assert caught.value.slug == slug
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("large", [True, False])
def test_changed_blobs_show(snapshot: Path, cache: Path, tmp_path: Path, *, large: bool) -> None:
    """By both kinds of names that a hub gives."""
    blob = put(cache, ONE, "extra", b"fetched", large=large)
    blob.write_bytes(b"changed")
    assert lay_out(read_snapshot(snapshot), tmp_path / "out").altered == ("extra",)


def test_a_cache_without_links_has_no_names(snapshot: Path, tmp_path: Path) -> None:
    """On systems without links the files lie in the snapshot themselves."""
    data = (snapshot / "MLmodel").read_bytes()
    (snapshot / "MLmodel").unlink()
    (snapshot / "MLmodel").write_bytes(data)
    made = lay_out(read_snapshot(snapshot), tmp_path / "out")
    assert (made.files, made.unnamed) == (3, 1)


def _link(snapshot: Path) -> Path:
    real = snapshot.rename(snapshot.with_name("3" * 40))
    snapshot.symlink_to(real.name)
    return snapshot


def _branch(snapshot: Path) -> Path:
    return snapshot.rename(snapshot.with_name("main"))


def _name(snapshot: Path) -> Path:
    cache = snapshot.parent.parent
    return cache.rename(cache.with_name("models--a--b--c")) / "snapshots" / ONE


def _ref(snapshot: Path) -> Path:
    (snapshot.parent.parent / "refs" / "main").write_text("somewhere")
    return snapshot


@pytest.mark.parametrize("change", [_link, _branch, _name, _ref])
def test_what_is_no_snapshot_is_refused(snapshot: Path, change: Callable[[Path], Path]) -> None:
    with pytest.raises(SubjectError, match="not a snapshot"):
        read_snapshot(change(snapshot))


def test_an_empty_one_is_refused(snapshot: Path, tmp_path: Path) -> None:
    shutil.rmtree(snapshot)
    snapshot.mkdir()
    with pytest.raises(SubjectError, match="not a snapshot"):
        lay_out(read_snapshot(snapshot), tmp_path / "out")


def test_nothing_is_overwritten(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="already"):
        lay_out(read_snapshot(snapshot), tmp_path / "out")


# In a workspace ----------------------------------------------------------------------------------


def admitted(arena: Arena, snapshot: Path, target: Path, version: str) -> Decision:
    path, origin = take_snapshot(arena.workspace, snapshot, target)
    trained(arena, path)
    return admit_model(arena.workspace, Admission(path, "tumour", version, CARD, origin=origin))


def configured(arena: Arena, text: str) -> Arena:
    """Found workspaces read their settings when they are opened."""
    file = arena.folder / "workspace" / "tidegate.toml"
    file.write_text(file.read_text("utf-8") + text, "utf-8")
    environ = {"HOME": str(arena.folder), "XDG_STATE_HOME": str(arena.folder / "memory")}
    where = type(arena.founded).open(arena.folder / "workspace", act_as="dana", environ=environ)
    return Arena(arena.folder, where)


@pytest.mark.slow
def test_its_origin_is_signed(snapshot: Path, tmp_path: Path) -> None:
    """Repository, commit and refs are in the statement; the listed publisher passes."""
    arena = configured(Arena.make(tmp_path), '\n[huggingface]\npublishers = ["Acme"]\n')
    decision = admitted(arena, snapshot, tmp_path / "one", "1")
    assert decision.outcome is Outcome.ALLOW, decision.denials
    link = next(
        link
        for link in arena.workspace.chains().read([decision.subjects[0].digest]).links
        if link.gate.gate.stage == "registry"
    )
    assert claimed_origin(link.gate.parameters) == ("acme/tumour", ONE, ("main", "v1"))


@pytest.mark.slow
def test_unlisted_publishers_are_refused(snapshot: Path, tmp_path: Path) -> None:
    """One repository of a publisher may be listed without the others."""
    arena = configured(Arena.make(tmp_path), '\n[huggingface]\npublishers = ["acme/heart", "b"]\n')
    decision = admitted(arena, snapshot, tmp_path / "one", "1")
    assert decision.outcome is Outcome.DENY
    assert "TG-REG-07/unlisted-publisher" in {finding.rule for finding in decision.findings}


@pytest.mark.slow
def test_changed_caches_are_refused(snapshot: Path, cache: Path, tmp_path: Path) -> None:
    put(cache, ONE, "extra.json", b"{}", large=False).write_bytes(b"[]")
    decision = admitted(Arena.make(tmp_path), snapshot, tmp_path / "one", "1")
    assert decision.outcome is Outcome.DENY
    assert "TG-REG-07/altered-blob" in {finding.rule for finding in decision.findings}


@pytest.mark.slow
def test_moved_tags_are_refused(snapshot: Path, cache: Path, tmp_path: Path) -> None:
    """The tag was admitted at another commit; a branch may move, and so may a new tag come."""
    arena = Arena.make(tmp_path)
    assert admitted(arena, snapshot, tmp_path / "one", "1").outcome is Outcome.ALLOW
    other = write_model(tmp_path / "other", remark="two")
    second = fetched(cache, other, TWO, main=TWO, v1=TWO)
    decision = admitted(arena, second, tmp_path / "two", "2")
    assert {one.rule for one in decision.denials} == {"registry.origin"}
    (told,) = (one for one in decision.findings if one.rule == "TG-REG-07/moved-ref")
    assert "v1 means 222222222222, and meant 111111111111 when tumour@1" in told.message
    (cache / "refs" / "v1").write_text(ONE)
    (cache / "refs" / "v2").write_text(TWO)
    decision = admitted(arena, second, tmp_path / "three", "2")
    assert decision.outcome is Outcome.ALLOW, decision.denials


def test_errors_name_a_next_step(snapshot: Path, tmp_path: Path) -> None:
    """Each of them."""
    for call in (
        lambda: read_snapshot(tmp_path),
        lambda: lay_out(read_snapshot(snapshot), snapshot),
    ):
        with pytest.raises(TidegateError) as caught:
            call()
        assert caught.value.next_step


@pytest.mark.slow
def test_people_admit_it_by_one_command(
    snapshot: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dry run leaves no file; without a folder for them it says what to name."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "memory"))
    arena = Arena.make(tmp_path)
    trained(arena, tmp_path / "model")

    def run(*more: str) -> int:
        command = ["registry", "admit", str(snapshot), "--name", "tumour", "--version", "1"]
        card = ["--owner", "Risk", "--licence", "Apache-2.0", "--task", "classification"]
        card += ["--architecture", "ViT", "--use", "tests", "--limitation", "made up"]
        place = ["-C", str(arena.folder / "workspace"), "--as", "dana"]
        return main([*command, *card, *place, *more])

    assert run() == 2
    assert "--into" in capsys.readouterr().err
    assert run("--into", str(tmp_path / "out"), "--dry-run") == 0
    assert not (tmp_path / "out").exists()
    assert run("--into", str(tmp_path / "out")) == 0
    assert (tmp_path / "out.oms.json").is_file()
    assert arena.workspace.directives().resolve("tumour@1") == str(resolve(tmp_path / "out").digest)
