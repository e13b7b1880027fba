"""The verifying loader: what was released and is clean comes out, nothing else is touched."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import tidegate as tg
from tidegate.core.digest import sha256
from tidegate.core.errors import TidegateError
from tidegate.drills.models import GOOD

MODEL = LogisticRegression().fit(np.arange(8).reshape(-1, 1), [0, 0, 0, 0, 1, 1, 1, 1])


def dumped(write: Callable[[Any], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


HONEST: dict[str, bytes] = {
    "joblib": dumped(lambda file: joblib.dump(MODEL, file)),
    "pickle": pickle.dumps(MODEL),
    "gzip": dumped(lambda file: joblib.dump(MODEL, file, compress=("gzip", 3))),
    "zlib": dumped(lambda file: joblib.dump(MODEL, file, compress=3)),
    "xz": dumped(lambda file: joblib.dump(MODEL, file, compress=("xz", 3))),
}


def load(place: Path, data: bytes, **given: Any) -> Any:
    path = place / "model"
    path.write_bytes(data)
    return tg.load(path, digest=given.get("digest", sha256(data)))


@pytest.mark.parametrize("form", list(HONEST))
def test_an_estimator_comes_out(tmp_path: Path, form: str) -> None:
    assert load(tmp_path, HONEST[form]).predict([[7]]) == [1]


def test_arrays_come_out(tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3)
    data = dumped(lambda file: np.save(file, array))
    assert (load(tmp_path, data) == array).all()
    assert load(tmp_path, GOOD.encoded())


class Fires:
    """What a pickle would run."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("squeeze", [None, ("gzip", 3)])
def test_a_pickle_that_would_run_code_is_not_loaded(
    tmp_path: Path, squeeze: tuple[str, int] | None
) -> None:
    """The control arm shows that it would."""
    canary = tmp_path / "canary"
    data = dumped(lambda file: joblib.dump(Fires(canary), file, compress=squeeze or 0))
    assert refused(tmp_path, data) == "TG-CHK/not-clean"
    assert not canary.exists()
    joblib.load(io.BytesIO(data))
    assert canary.exists()


def test_other_bytes_are_not_loaded(tmp_path: Path) -> None:
    assert refused(tmp_path, HONEST["joblib"], digest=sha256(b"other")) == "TG-VER/other-bytes"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"hello", "TG-SUB/no-loader"),
        (HONEST["gzip"][:-20], "TG-CHK/not-clean"),
        (HONEST["gzip"] + HONEST["gzip"], "TG-CHK/"),
    ],
)
def test_what_has_no_loader_is_told(tmp_path: Path, data: bytes, code: str) -> None:
    assert refused(tmp_path, data).startswith(code)


def refused(place: Path, data: bytes, **given: Any) -> str:
    with pytest.raises(TidegateError) as caught:
        load(place, data, **given)
    assert caught.value.next_step
    return caught.value.code
