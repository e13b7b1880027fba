"""Downloads that verify: admitted bytes come out, whatever else lies in the storage does not."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.unit.mlflow_plugin.conftest import Shop

from tidegate.core.artifact.manifest import Manifest
from tidegate.core.artifact.reference import resolve
from tidegate.core.digest import Digest
from tidegate.drills.arena import MODEL

pytest.importorskip("mlflow", reason="pip install 'tidegate[mlflow]'")

import mlflow.artifacts
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tidegate.mlflow_plugin import artifacts as plugin
from tidegate.mlflow_plugin.addresses import Address
from tidegate.mlflow_plugin.artifacts import VerifiedArtifacts
from tidegate.mlflow_plugin.files import matching

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "_seen", plugin._Seen())


def opened(what: str, source: Path, name: str | None = MODEL) -> ArtifactRepository:
    return get_artifact_repository(str(Address(what, str(source), name)))


def digest(folder: Path) -> str:
    return str(resolve(folder).digest)


def refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(MlflowException, match=said) as caught:
        call()
    assert caught.value.get_http_status_code() == 403


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("what", ["digest", f"{MODEL}/prod", f"{MODEL}@1"])
def test_admitted_bytes_come_out(shop: Shop, tmp_path: Path, what: str) -> None:
    """By digest, version or stage: whole, one folder of it, or one file."""
    found = opened(digest(shop.good) if what == "digest" else what, shop.good)
    assert isinstance(found, VerifiedArtifacts)
    target = tmp_path / "out"
    target.mkdir()
    assert Path(found.download_artifacts("", str(target))) == target
    assert files(target) == files(shop.good)
    one = found.download_artifacts("data/labels.json", str(tmp_path / "one"))
    assert Path(one) == tmp_path / "one" / "data" / "labels.json"
    assert Path(one).read_bytes() == (shop.good / "data" / "labels.json").read_bytes()
    part = found.download_artifacts("data")
    assert files(Path(part)) == {"labels.json": b'["no", "yes"]'}


def test_mlflow_downloads_by_the_address(shop: Shop, tmp_path: Path) -> None:
    """Through MLflow's own function, with a path below the address."""
    address = f"tidegate://{quote(digest(shop.good), safe='')}/data/labels.json?src={shop.good}"
    path = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=str(tmp_path / "o"))
    assert Path(path).read_bytes() == b'["no", "yes"]'


@pytest.mark.parametrize("path", ["", "data", "data/labels.json", "MLmodel"])
@pytest.mark.parametrize("seen", [True, False])
def test_swapped_bytes_stay_where_they_are(
    shop: Shop, tmp_path: Path, path: str, *, seen: bool
) -> None:
    """Also when the model was downloaded whole before; and nothing is left in the target."""
    found = opened(f"{MODEL}/prod", shop.good)
    if seen:
        found.download_artifacts("")
    (shop.good / "data" / "labels.json").write_text('["yes", "no"]', "utf-8")
    target = tmp_path / "out"
    target.mkdir()
    if seen and path == "MLmodel":  # this file is still the admitted one
        assert Path(found.download_artifacts(path, str(target))).is_file()
        return
    refused(lambda: found.download_artifacts(path, str(target)), "TG-VER/other-bytes")
    assert not list(target.iterdir())


def test_what_was_swapped_while_it_is_fetched(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is hashed is the copy, and the copy is what is handed out."""
    found = opened(f"{MODEL}/prod", shop.good)

    def swap(folder: Path, wanted: Digest) -> Manifest | None:
        (shop.good / "MLmodel").write_text("swapped", "utf-8")
        return matching(folder, wanted)

    before = files(shop.good)
    monkeypatch.setattr(plugin, "matching", swap)
    assert files(Path(found.download_artifacts(""))) == before
    assert tmp_path.exists()


def test_what_mlflow_adds_is_not_handed_out(shop: Shop) -> None:
    """Its own file may lie in the storage; it is no part of what was admitted."""
    (shop.good / "registered_model_meta").write_text("model_name: x\n")
    got = Path(opened(f"{MODEL}/prod", shop.good).download_artifacts(""))
    assert "registered_model_meta" not in files(got)


def test_only_admitted_files_are_listed(shop: Shop) -> None:
    """One level at a time, with sizes, from the manifest."""
    found = opened(f"{MODEL}/prod", shop.good)
    top = {item.path: (item.is_dir, item.file_size) for item in found.list_artifacts()}
    assert top["data"] == (True, None)
    assert top["MLmodel"] == (False, (shop.good / "MLmodel").stat().st_size)
    (shop.good / "data" / "more.json").write_text("{}")
    assert [item.path for item in found.list_artifacts("data")] == ["data/labels.json"]


@pytest.mark.parametrize("what", ["own digest", f"{MODEL}/staging", f"{MODEL}@9", "nobody/prod"])
def test_without_evidence_nothing_comes(shop: Shop, what: str) -> None:
    """A digest that nobody admitted, and names that mean nothing."""
    what = digest(shop.stranger) if what == "own digest" else what
    refused(lambda: opened(what, shop.stranger).download_artifacts(""), "TG-SUB/")


def test_a_digest_is_bound_to_the_models_name(shop: Shop) -> None:
    """Where the registry named the model, another model's bytes are refused."""
    found = opened(digest(shop.good), shop.good, "fraud")
    refused(lambda: found.download_artifacts(""), "TG-SUB/not-admitted")


def test_a_client_may_believe_the_server(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without evidence of its own it verifies that the bytes are those that the server named."""
    monkeypatch.setenv("TIDEGATE_FOLDER", str(shop.good))
    found = opened(digest(shop.good), shop.good)
    refused(lambda: found.download_artifacts(""), "TG-CFG/no-evidence")
    monkeypatch.setenv("TIDEGATE_MLFLOW__EVIDENCE", "server")
    assert files(Path(found.download_artifacts(""))) == files(shop.good)
    refused(lambda: opened(f"{MODEL}/prod", shop.good).download_artifacts(""), "TG-CFG/no-evidence")
    shutil.copy(shop.stranger / "MLmodel", shop.good / "MLmodel")
    refused(lambda: found.download_artifacts(""), "TG-VER/other-bytes")


def test_uploads_are_refused(shop: Shop) -> None:
    """What was admitted does not change."""
    found = opened(f"{MODEL}/prod", shop.good)
    before = files(shop.good)
    refused(lambda: found.log_artifact(str(shop.stranger / "MLmodel")), "does not change")
    refused(lambda: found.log_artifacts(str(shop.stranger)), "does not change")
    refused(lambda: found.delete_artifacts("MLmodel"), "does not change")
    assert files(shop.good) == before


@pytest.mark.parametrize("path", ["../good/MLmodel", "/etc/hostname", "data/../../x"])
def test_paths_stay_inside(shop: Shop, path: str) -> None:
    found = opened(f"{MODEL}/prod", shop.good)
    refused(lambda: found.download_artifacts(path), "leads out of the model")


@pytest.mark.parametrize(
    "uri",
    [
        "tidegate://",
        "tidegate://x",
        "tidegate:/x?src=/y",
        "tidegate://sha256%3Aabc?src=/y",
        "tidegate://x?src=/y&src=/z",
        "tidegate://x?src=/y&token=z",
        "tidegate://x?src=tidegate%3A%2F%2Fx%3Fsrc%3D%2Fy",
        "tidegate://x?src=models%3A%2Fx%2F1",
        "tidegate://x/a/../../b?src=/y",
        "tidegate://x?src=/y#z",
        "tidegate://x?src=/" + "y" * 9_000,
    ],
)
def test_damaged_addresses_are_refused(uri: str) -> None:
    with pytest.raises(MlflowException) as caught:
        get_artifact_repository(uri)
    assert "TG-" in str(caught.value)


def test_addresses_survive_a_round_trip() -> None:
    """Whatever characters the source and the path have."""
    for source in ("s3://b/a b?versionId=1&x=%2F", "/a/ü", "mlflow-artifacts:/0/m#1"):
        address = Address("a/prod", source, "Model 1", "dir/ü x")
        assert Address.parse(str(address)) == address


def test_secrets_are_not_told(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the refusal nor in the log."""
    monkeypatch.setenv("TIDEGATE_MLFLOW__EVIDENCE", "server")
    uri = Address(digest(shop.good), "ftp://me:hunter2@127.0.0.1:1/x", MODEL)
    with pytest.raises(Exception, match=r".") as caught:
        get_artifact_repository(str(uri)).download_artifacts("")
    assert "hunter2" not in caplog.text
    assert os.environ["TIDEGATE_FOLDER"]
    assert "hunter2" not in str(caught.value)
