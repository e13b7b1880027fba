"""Models that pass for others: by name, by version, by weights under another name."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from tests.registered import Registry, layers, rules, safetensors

from tidegate.core.digest import Digest, sha256
from tidegate.core.finding import Finding
from tidegate.core.policy.directives import Quarantine
from tidegate.core.stage import Outcome
from tidegate.drills.arena import Arena
from tidegate.gates.registry.kept import Likeness
from tidegate.gates.registry.likeness import take_likeness
from tidegate.gates.registry.shadow import Candidate, Registered, shadow_check
from tidegate.tensors.manifest import TensorManifest, build


class Shelf:
    """Registered models, and where what is kept of them goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models: list[Registered] = []
        self.kept: dict[str, bytes] = {}

    def keep(self, data: bytes) -> Digest:
        """Keep a document."""
        self.kept[str(sha256(data))] = data
        return sha256(data)

    def write(self, data: bytes, suffix: str = ".safetensors") -> Path:
        """Write a model."""
        path = self.folder / f"{sha256(data).hex[:12]}{suffix}"
        path.write_bytes(data)
        return path

    def add(self, version: str, path: Path, *, held: bool = False, known: bool = True) -> str:
        """Register a model, and return its digest."""
        taken = take_likeness(path, self.keep)
        digest = str(sha256(path.read_bytes())) if path.is_file() else f"sha256:{version:0>64.64}"
        manifest = self._manifest(taken.likeness)
        likeness = taken.likeness if known else None
        self.models.append(Registered(digest, (version,), held, likeness, lambda: manifest))
        return digest

    def _manifest(self, likeness: Likeness) -> TensorManifest | None:
        if likeness.tensors is None:
            return None
        return TensorManifest.parse(self.kept[str(likeness.tensors.manifest)])

    def ask(
        self, name: str, path: Path, version: str = "1", made_from: frozenset[str] = frozenset()
    ) -> dict[str, Finding]:
        """Return the findings, by rule."""
        digest = str(sha256(path.read_bytes())) if path.is_file() else "sha256:" + "f" * 64
        asks = Candidate(path, name, version, digest, made_from)
        result = shadow_check(asks, lambda: self.models, self.keep).run()
        assert Likeness.parse(self.kept[str(result.facts["likeness"])])
        assert result.coverage.complete
        return {one.rule.partition("/")[2]: one for one in result.findings}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def _other(shelf: Shelf) -> Path:
    return shelf.write(safetensors({"other": Random(9).randbytes(400)}))


@pytest.mark.parametrize(
    ("registered", "asked", "rule"),
    [
        ("tumour", "turnour", "confusable-name"),
        ("model-l", "model-1", "confusable-name"),
        ("credit-model", "credit_model", "confusable-name"),
        ("foo", "fo0", "confusable-name"),
        ("credit-scoring", "credit-scorign", "similar-name"),
        ("scoring-credit", "credit-scoring", "similar-name"),
        ("credit-v1", "credit-v2", None),
        ("tumour-a", "tumour-b", None),
        ("tumour", "tumour", None),
        ("tumour", "fraud", None),
    ],
)
def test_names(shelf: Shelf, registered: str, asked: str, rule: str | None) -> None:
    """What reads the same is refused, a slip is told, a family is let be."""
    shelf.add(f"{registered}@1", shelf.write(safetensors(layers(1))))
    found = shelf.ask(asked, _other(shelf), "2")
    assert set(found) == ({rule} if rule else set())


@pytest.mark.parametrize(
    ("version", "told"),
    [("1.0", True), ("v1", True), ("1.0.0", True), ("1.1", False), ("10", False)],
)
def test_versions_in_another_spelling(shelf: Shelf, version: str, *, told: bool) -> None:
    """1 and 1.0 are one version to those who install."""
    shelf.add("tumour@1", shelf.write(safetensors(layers(1))))
    assert ("same-version" in shelf.ask("tumour", _other(shelf), version)) is told


def test_the_same_tensors_in_other_files(shelf: Shelf) -> None:
    """A changed order and header make another digest, and the same model."""
    shelf.add("tumour@1", shelf.write(safetensors(layers(1))))
    copy = shelf.write(safetensors(dict(reversed(layers(1).items()))))
    found = shelf.ask("fraud", copy)
    assert set(found) == {"renamed-copy"}
    assert found["renamed-copy"].message == "every tensor in common with tumour@1"
    assert shelf.ask("tumour", copy, "2") == {}


def test_the_same_bytes_under_another_name(shelf: Shelf) -> None:
    """The plainest of copies."""
    path = shelf.write(safetensors(layers(1)))
    shelf.add("tumour@1", path)
    assert set(shelf.ask("fraud", path)) == {"renamed-copy"}


def test_a_fine_tune_of_what_is_registered(shelf: Shelf) -> None:
    """Told, unless its lineage names the base."""
    base = shelf.add("base@1", shelf.write(safetensors(layers(1))))
    tuned = shelf.write(safetensors(layers(1, changed=1)))
    found = shelf.ask("fraud", tuned)
    assert found["undeclared-base"].message == "5 of 6 tensors in common with base@1"
    assert found["undeclared-base"].evidence["other"] == base
    assert shelf.ask("fraud", tuned, made_from=frozenset({base})) == {}


def test_a_quantised_model(shelf: Shelf) -> None:
    """Names and shapes remain, and no byte: a hint, no more."""
    wide = {name: data * 4 for name, data in layers(1).items()}
    shelf.add("base@1", shelf.write(safetensors(wide, "F32", 4)))
    narrow = safetensors({name: data * 2 for name, data in layers(2).items()}, "F16", 2)
    found = shelf.ask("fraud", shelf.write(narrow))
    assert set(found) == {"same-shape"}
    assert "6 of another type" in found["same-shape"].message


@pytest.mark.parametrize("changed", [0, 3])
def test_weights_of_a_held_model(shelf: Shelf, changed: int) -> None:
    """Neither a new name nor a fine-tune ends a quarantine, nor the next version."""
    shelf.add("bad@1", shelf.write(safetensors(layers(1))), held=True)
    more = {**layers(1, changed=changed), "head": b"x" * 32}
    path = shelf.write(safetensors(more))
    for name in ("fraud", "bad"):
        assert set(shelf.ask(name, path, "2")) == {"held-weights"}


def test_an_unrelated_model_of_a_held_ones_shape(shelf: Shelf) -> None:
    """An architecture is no one's property."""
    shelf.add("bad@1", shelf.write(safetensors(layers(1))), held=True)
    assert set(shelf.ask("fraud", shelf.write(safetensors(layers(2))))) == {"same-shape"}


def test_other_formats_by_their_bytes(shelf: Shelf) -> None:
    """A pickle of the same weights in another frame, and one of other weights."""
    weights = Random(1).randbytes(300_000)
    shelf.add("tumour@1", shelf.write(pickle.dumps({"w": weights}), ".pkl"))
    renamed = shelf.write(pickle.dumps({"note": "v2", "w": weights}), ".pkl")
    assert set(shelf.ask("fraud", renamed)) == {"renamed-copy"}
    half = Random(2).randbytes(120_000)
    tuned = shelf.write(pickle.dumps({"w": weights, "more": half}), ".pkl")
    assert set(shelf.ask("fraud", tuned)) == {"undeclared-base"}
    assert shelf.ask("fraud", shelf.write(pickle.dumps({"w": Random(3).randbytes(300_000)}))) == {}


def test_small_files_are_alike_by_form_alone(shelf: Shelf) -> None:
    """A few hundred bytes of configuration tell nothing."""
    shelf.add("tumour@1", shelf.write(pickle.dumps({"a": 1}), ".pkl"))
    assert shelf.ask("fraud", shelf.write(pickle.dumps({"a": 2}), ".pkl")) == {}


def test_models_without_a_likeness_are_told(shelf: Shelf) -> None:
    """An answer over half of the registry says so."""
    shelf.add("old@1", shelf.write(safetensors(layers(1))), known=False)
    found = shelf.ask("fraud", shelf.write(safetensors(layers(1, changed=1))))
    assert set(found) == {"not-compared"}


def test_a_lost_manifest_is_told_from_what_is_left(shelf: Shelf) -> None:
    """The sketch of tensors is nearly as good."""
    shelf.add("base@1", shelf.write(safetensors(layers(1))))
    shelf.models = [replace(one, manifest=lambda: None) for one in shelf.models]
    found = shelf.ask("fraud", shelf.write(safetensors(layers(1, changed=1))))
    assert set(found) == {"undeclared-base"}


def test_a_folder_with_one_model_in_two_precisions(shelf: Shelf, tmp_path: Path) -> None:
    """It has no one root over its tensors, and is compared by its bytes."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("one", "two"):
        weights = {"w": Random(name).randbytes(100_000)}
        (folder / f"{name}.safetensors").write_bytes(safetensors(weights))
    (folder / "config.json").write_text(json.dumps({"_name_or_path": "org/base"}))
    taken = take_likeness(folder, shelf.keep)
    assert taken.manifest is None
    assert taken.likeness.sketch.pieces > 50
    assert taken.likeness.bases == ("org/base",)
    assert Likeness.parse(taken.likeness.to_bytes()) == taken.likeness


def test_a_likeness_survives_being_kept(shelf: Shelf) -> None:
    """With the root that the manifest has."""
    path = shelf.write(safetensors(layers(1)))
    taken = take_likeness(path, shelf.keep)
    assert Likeness.parse(taken.likeness.to_bytes()) == taken.likeness
    assert taken.likeness.tensors is not None
    assert taken.likeness.tensors.root == build(path).root


@pytest.mark.slow
def test_admission_refuses_shadows_by_the_default_policy(tmp_path: Path) -> None:
    """Names that pass for others and held weights are refused, copies are told."""
    registry = Registry(Arena.make(tmp_path))
    first = registry.admit("tumour", "1", safetensors(layers(1)))
    assert first.outcome is Outcome.ALLOW
    assert rules(first) == set()

    passing = registry.admit("turnour", "1", safetensors(layers(2)))
    assert {one.rule for one in passing.denials} == {"registry.shadow-name"}

    copy = registry.admit("fraud", "1", safetensors(dict(reversed(layers(1).items()))))
    assert copy.outcome is Outcome.ALLOW
    assert rules(copy) == {"renamed-copy"}

    held = first.subjects[0].digest
    registry.arena.workspace.act(Quarantine(digest=held, reason="a trigger was found"))
    back = registry.admit("helper", "1", safetensors(layers(1, changed=2)))
    assert "registry.shadow-held" in {one.rule for one in back.denials}
