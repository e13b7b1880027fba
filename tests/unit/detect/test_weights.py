"""Weights: payloads and patches stand out, clean models do not, and rounding leaves nothing."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from tidegate.core.errors import SubjectError
from tidegate.detect.weights.disarm import disarm_file, rounded
from tidegate.detect.weights.inspect import inspect_model

Weights = dict[str, NDArray[np.float32]]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ELF = (b"\x7fELF\x02\x01\x01" + bytes(57) + b"a program's text " * 40) * 40


@pytest.fixture(scope="module")
def trained() -> Weights:
    x, y = load_digits(return_X_y=True)
    model = MLPClassifier((64, 32), max_iter=60, random_state=1).fit(x / 16, y)
    return {
        f"layer{n}.weight": np.ascontiguousarray(one.T, "f4") for n, one in enumerate(model.coefs_)
    }


def kinds(path: Path, weights: Weights, base: Weights | None = None) -> set[str]:
    save_file(weights, path / "m.safetensors")
    if base is not None:
        save_file(base, path / "b.safetensors")
    found = inspect_model(path / "m.safetensors", path / "b.safetensors" if base else None)
    assert found.examined + found.skipped == found.tensors
    return {one.kind for one in found.indicators}


def stuffed(weights: Weights, width: int, payload: bytes) -> Weights:
    first = weights["layer0.weight"].copy()
    octets = first.view(np.uint8).reshape(-1, 4)
    size = octets.shape[0] * width
    stream = np.frombuffer((payload * (size // len(payload) + 1))[:size], np.uint8)
    octets[:, :width] = stream.reshape(-1, width)
    return {**weights, "layer0.weight": first}


def test_trained_weights_do_not_stand_out(tmp_path: Path, trained: Weights) -> None:
    assert kinds(tmp_path, trained) == set()


def test_payloads_stand_out_as_far_as_statistics_see(tmp_path: Path, trained: Weights) -> None:
    noise = np.random.default_rng(0).bytes(100_000)
    assert kinds(tmp_path, stuffed(trained, 3, noise)) == {"mantissa"}
    assert kinds(tmp_path, stuffed(trained, 1, ELF)) == {"low-byte", "program"}
    assert kinds(tmp_path, stuffed(trained, 1, noise)) == set(), "unseen, and said to be"


def test_a_planted_path_stands_out(tmp_path: Path, trained: Weights) -> None:
    planted = {name: one.copy() for name, one in trained.items()}
    way = planted["layer2.weight"][3] @ planted["layer1.weight"]
    planted["layer0.weight"][:, 5] += 4 * way / np.linalg.norm(way)
    found = kinds(tmp_path, planted)
    assert "linear-path" in found


def test_edited_rows_stand_out_against_the_base(tmp_path: Path, trained: Weights) -> None:
    edited = {name: one.copy() for name, one in trained.items()}
    edited["layer0.weight"][7] += 0.5
    assert "sparse-change" in kinds(tmp_path, edited, trained)
    moved = {name: one + np.float32(0.001) for name, one in trained.items()}
    assert "sparse-change" not in kinds(tmp_path, moved, trained)


def test_rounding_leaves_no_payload_and_little_error(tmp_path: Path, trained: Weights) -> None:
    save_file(stuffed(trained, 1, ELF), tmp_path / "m.safetensors", {"note": "kept"})
    assert disarm_file(tmp_path / "m.safetensors", tmp_path / "d.safetensors") == 3
    after = load_file(tmp_path / "d.safetensors")
    for name, one in trained.items():
        assert not (after[name].view(np.uint32) & np.uint32(0xFFFF)).any()
        assert np.allclose(after[name], one, rtol=0.01, atol=1e-6)
    assert kinds(tmp_path, after) == set()


def test_special_values_stay() -> None:
    values = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 3.4028235e38], "<f4")
    values.view("<u4")[2] |= 0x1234
    out = rounded(values, keep=16)
    assert np.isposinf(out[0])
    assert np.isneginf(out[1])
    assert np.isnan(out[2])
    assert not out.view("<u4")[2] & 0xFFFF
    assert np.signbit(out[4])


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"x")
    with pytest.raises(SubjectError):
        inspect_model(tmp_path / "m.safetensors")
    with pytest.raises(SubjectError):
        disarm_file(tmp_path / "m.safetensors", tmp_path / "d")
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
