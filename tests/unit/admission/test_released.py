"""``serve released``: files held against a release, by a machine that has no workspace."""

import json
from pathlib import Path

import pytest
from tests.proving import OLGA, TRUST, recalls, release

from tidegate.app.trust import write_chain
from tidegate.cli.options import Showing
from tidegate.cli.released import released
from tidegate.core.attest.chain import sign_trust_root
from tidegate.core.digest import sha256
from tidegate.core.errors import TidegateError
from tidegate.interop.release import Recalls

PIN = str(TRUST.digest)
BYTES = b"weights"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "model.bin").write_bytes(BYTES)
    (tmp_path / "release.json").write_bytes(release(digest=sha256(BYTES), index=5))
    write_chain(tmp_path / "trust.json", [sign_trust_root(TRUST, [OLGA])])
    return tmp_path


def ask(place: Path, *, pin: str = PIN, withdrawn: bool = False, days: int | None = None) -> int:
    return released(
        place / "model.bin",
        release=place / "release.json",
        trust=place / "trust.json",
        pin=pin,
        recalls=place / "recalls.json" if withdrawn else None,
        days=days,
        showing=Showing(json=True),
    )


def test_the_released_bytes_pass(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(place, days=1) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["digest"] == str(sha256(BYTES))
    assert told["signers"] == ["olga"]


def test_swapped_bytes_do_not(place: Path) -> None:
    (place / "model.bin").write_bytes(b"weight5")
    assert refused(place) == "TG-VER/other-bytes"


def test_recalled_bytes_do_not(place: Path) -> None:
    gone = Recalls(frozenset({str(sha256(BYTES))}))
    (place / "recalls.json").write_bytes(recalls(gone, index=7))
    assert refused(place, withdrawn=True) == "TG-VER/recalled"


def test_another_trust_root_does_not_do(place: Path) -> None:
    assert refused(place, pin="sha256:" + "0" * 64) == "TG-VER/wrong-anchor"


def test_a_file_that_is_no_release_is_told(place: Path) -> None:
    (place / "release.json").write_text("{}")
    assert refused(place).startswith("TG-VER/")


def refused(place: Path, *, pin: str = PIN, withdrawn: bool = False) -> str:
    with pytest.raises(TidegateError) as caught:
        ask(place, pin=pin, withdrawn=withdrawn)
    return caught.value.code
