"""Models as trees over their tensors: one root however they are kept, and one name a change."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tidegate.core.errors import ProofError, SubjectError, TidegateError, VerificationError
from tidegate.tensors.compare import Kinship, compare
from tidegate.tensors.loading import load_tensors
from tidegate.tensors.manifest import Entry, TensorManifest, build, verify_shard

Arrays = dict[str, NDArray[np.float32]]


def model(seed: int = 0, layers: int = 6) -> Arrays:
    rng = np.random.default_rng(seed)
    return {f"layer.{n}.w": rng.normal(size=(8, n + 1)).astype("f4") for n in range(layers)}


def save(path: Path, arrays: Arrays, *, shards: int = 1, note: str = "") -> Path:
    """Write a model, as one file or as a folder of shards."""
    metadata = {"note": note} if note else None
    if shards == 1:
        save_file(arrays, path, metadata)
        return path
    path.mkdir()
    for number in range(shards):
        part = dict(list(arrays.items())[number::shards])
        save_file(part, path / f"model-{number:05d}-of-{shards:05d}.safetensors", metadata)
    (path / "config.json").write_text("{}")
    return path


def test_the_root_does_not_depend_on_files(tmp_path: Path) -> None:
    whole = build(save(tmp_path / "a.safetensors", model()))
    assert build(save(tmp_path / "b.safetensors", model(), note="renamed")).root == whole.root
    assert build(save(tmp_path / "c", model(), shards=3)) == whole
    assert build(save(tmp_path / "d.safetensors", model(1))).root != whole.root
    assert TensorManifest.parse(whole.to_bytes()) == whole


def test_a_shard_is_verified_by_itself_and_a_change_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", model(), shards=3)
    manifest = build(folder)
    shard = folder / "model-00001-of-00003.safetensors"
    assert verify_shard(shard, manifest) == 2
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ProofError, match=r"layer\.4\.w") as caught:
        verify_shard(shard, manifest)
    assert caught.value.slug == "other-tensor"
    assert verify_shard(folder / "model-00000-of-00003.safetensors", manifest) == 2


def test_tensors_are_verified_as_they_are_loaded(tmp_path: Path) -> None:
    path = save(tmp_path / "m.safetensors", model())
    manifest = build(path)
    loaded = dict(load_tensors(path, manifest))
    assert all((loaded[name] == array).all() for name, array in model().items())
    assert list(dict(load_tensors(path, manifest, ["layer.2.w"]))) == ["layer.2.w"]
    save(path, {**model(), "layer.2.w": model(1)["layer.2.w"]})
    good = load_tensors(path, manifest, ["layer.1.w"])
    assert (next(good)[1] == model()["layer.1.w"]).all()
    with pytest.raises(ProofError, match=r"layer\.2\.w"):
        dict(load_tensors(path, manifest))
    with pytest.raises(SubjectError):
        dict(load_tensors(path, manifest, ["nothing"]))


def kin(base: Arrays, ours: Arrays, tmp_path: Path) -> Kinship:
    paths = [save(tmp_path / f"{n}.safetensors", arrays) for n, arrays in enumerate((base, ours))]
    return compare(build(paths[0]), build(paths[1])).kinship


def test_kinship(tmp_path: Path) -> None:
    base = model()
    renamed = {name.replace("layer", "block"): array for name, array in base.items()}
    tuned = {**base, "layer.5.w": base["layer.5.w"] + 1}
    half = {name: array.astype("f2") for name, array in base.items()}
    assert kin(base, dict(reversed(base.items())), tmp_path) is Kinship.SAME
    assert kin(base, renamed, tmp_path) is Kinship.SAME
    assert kin(base, tuned, tmp_path) is Kinship.DERIVED
    assert kin(base, {**base, "head": base["layer.0.w"] * 3}, tmp_path) is Kinship.DERIVED
    assert kin(base, model(1), tmp_path) is Kinship.SAME_SHAPE
    assert kin(base, half, tmp_path) is Kinship.SAME_SHAPE
    other = {f"x{n}": np.ones((3, n + 2), "f4") for n in range(5)}
    assert kin(base, other, tmp_path) is Kinship.UNRELATED


def damaged(path: Path) -> dict[str, bytes]:
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]

    def made(header: object, body: bytes = body) -> bytes:
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + body

    name, entry = next(iter(header.items()))
    return {
        "empty": b"",
        "short": whole[:6],
        "huge header": (1 << 60).to_bytes(8, "little") + whole[8:],
        "no object": made([1]),
        "trailing": whole + b"x",
        "cut off": whole[:-1],
        "overlap": made({**header, name: {**entry, "data_offsets": [0, 8]}}),
        "wrong shape": made({**header, name: {**entry, "shape": [9, 9]}}),
        "negative": made({**header, name: {**entry, "shape": [-1]}}),
        "unknown type": made({**header, name: {**entry, "dtype": "F99"}}),
        "further field": made({**header, name: {**entry, "more": 1}}),
        "twice": made(header).replace(b'"layer.1.w"', b'"layer.0.w"'),
    }


@pytest.mark.parametrize("how", [
    "empty", "short", "huge header", "no object", "trailing", "cut off", "overlap", "wrong shape",
    "negative", "unknown type", "further field", "twice",
])  # fmt: skip
def test_a_file_with_two_readings_is_refused(tmp_path: Path, how: str) -> None:
    path = save(tmp_path / "m.safetensors", model())
    path.write_bytes(damaged(path)[how])
    with pytest.raises(SubjectError) as caught:
        build(path)
    assert caught.value.next_step


def test_two_files_may_not_hold_one_name(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for name in ("a", "b"):
        save(tmp_path / "m" / f"{name}.safetensors", model())
    with pytest.raises(SubjectError) as caught:
        build(tmp_path / "m")
    assert caught.value.slug == "tensor-twice"


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.text(st.characters(codec="utf-8"), max_size=8),
        st.sampled_from(["F32", "BF16"]),
        st.lists(st.integers(0, 9), max_size=3).map(tuple),
        st.binary(min_size=32, max_size=32).map(bytes.hex),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda entry: entry.name,
).map(lambda found: tuple(sorted(found, key=lambda entry: entry.name.encode())))


@settings(max_examples=60, deadline=None)
@given(ENTRIES, st.data())
def test_every_changed_byte_of_a_manifest_is_seen(
    entries: tuple[Entry, ...], data: st.DataObject
) -> None:
    """It reads as the same tensors, or not at all."""
    manifest = TensorManifest(entries)
    whole = bytearray(manifest.to_bytes())
    assert TensorManifest.parse(bytes(whole)) == manifest
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = TensorManifest.parse(bytes(whole))
    except VerificationError:
        return
    assert found.root == manifest.root


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_anything_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "m.safetensors"
    path.write_bytes(raw)
    try:
        build(path)
    except TidegateError:
        return
