"""What release files and the ledger say of a model that another registry is about to take."""

from pathlib import Path

import pytest
from tests.proving import MODEL, STRANGER, TRUST, recalls, release

from tidegate.admission.shelf import ShelfReader
from tidegate.app.admitted import Plugin, ReleaseEvidence, open_evidence, plugin_settings
from tidegate.core.clock import SystemClock
from tidegate.core.digest import sha256
from tidegate.core.errors import ConfigError, ProofError, SubjectError, UnreadableSubject
from tidegate.interop.release import Recalls

OTHER = sha256(b"another model")


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / "credit.json").write_bytes(release(index=3))
    return folder


def evidence(folder: Path) -> ReleaseEvidence:
    return ReleaseEvidence(folder, ShelfReader(folder, TRUST, SystemClock(), every=0))


def test_a_release_is_evidence(releases: Path) -> None:
    """Of its bytes, under its name, at its stage."""
    found = evidence(releases)
    assert found.admitted(MODEL, "credit") == "credit/prod"
    assert found.admitted(MODEL, None) == "credit/prod"
    assert found.promoted(MODEL, "credit", "prod") == "credit/prod"
    assert found.meaning("credit/prod") == MODEL


def test_it_is_evidence_of_nothing_else(releases: Path) -> None:
    """Other bytes, another name, another stage."""
    found = evidence(releases)
    with pytest.raises(SubjectError, match="never released"):
        found.admitted(OTHER, "credit")
    with pytest.raises(SubjectError, match="never released as fraud"):
        found.admitted(MODEL, "fraud")
    with pytest.raises(SubjectError, match="not promoted to credit/staging"):
        found.promoted(MODEL, "credit", "staging")
    with pytest.raises(SubjectError, match=r"means sha256:"):
        found.promoted(OTHER, "credit", "prod")
    with pytest.raises(SubjectError, match="means nothing"):
        found.meaning("credit/staging")


def test_recalls_end_it(releases: Path) -> None:
    """Without any change to the release."""
    found = evidence(releases)
    (releases / "recalls.json").write_bytes(recalls(Recalls(frozenset({str(MODEL)})), index=9))
    for ask in (
        lambda: found.admitted(MODEL, None),
        lambda: found.promoted(MODEL, "credit", "prod"),
        lambda: found.meaning("credit/prod"),
    ):
        with pytest.raises(ProofError, match="recalled"):
            ask()


def test_a_file_that_does_not_verify_is_told(tmp_path: Path) -> None:
    """It lets nothing in, and the refusal names it."""
    (tmp_path / "forged.json").write_bytes(release(key=STRANGER))
    with pytest.raises(SubjectError, match=r"forged\.json"):
        evidence(tmp_path).admitted(MODEL, "credit")


def test_a_folder_that_is_gone_is_no_evidence(releases: Path) -> None:
    """Also after it was read once."""
    found = evidence(releases)
    assert found.admitted(MODEL, None)
    releases.rename(releases.with_name("moved"))
    with pytest.raises(UnreadableSubject):
        found.admitted(MODEL, None)


@pytest.mark.parametrize("missing", ["RELEASES", "TRUST", "PIN"])
def test_releases_need_their_trust_root(tmp_path: Path, missing: str) -> None:
    """None of the three can be guessed."""
    environ = {
        "TIDEGATE_FOLDER": str(tmp_path),
        "TIDEGATE_MLFLOW__EVIDENCE": "releases",
        "TIDEGATE_MLFLOW__RELEASES": "releases",
        "TIDEGATE_MLFLOW__TRUST": "trust.json",
        "TIDEGATE_MLFLOW__PIN": str(MODEL),
    }
    del environ[f"TIDEGATE_MLFLOW__{missing}"]
    with pytest.raises(ConfigError, match="trust root"):
        open_evidence(plugin_settings(environ))


def test_settings_come_from_the_named_folder(tmp_path: Path) -> None:
    """From its file; the environment has the last word."""
    (tmp_path / "tidegate.toml").write_text('[mlflow]\nstages = ["prod"]\nevidence = "server"\n')
    environ = {"TIDEGATE_FOLDER": str(tmp_path), "TIDEGATE_MLFLOW__STAGES": "live"}
    found = plugin_settings(environ)
    assert found == Plugin(tmp_path, found.settings)
    assert found.settings.stages == ("live",)
    assert found.believes_server
    with pytest.raises(ConfigError, match="no evidence of its own"):
        open_evidence(found)
