"""The SDK: what a notebook or a build script calls."""

from pathlib import Path

import pytest
from tests.workspaces import workspace

import tidegate as tg


def test_every_public_name_loads() -> None:
    """``__all__`` tells the truth."""
    for name in tg.__all__:
        assert getattr(tg, name) is not None


def test_a_gate_decides_from_python(tmp_path: Path) -> None:
    """A table without an owner is refused, and the decision says by which rule."""
    shop = workspace(tmp_path)
    drop = tmp_path / "drop.csv"
    drop.write_text("x,y\n" + "".join(f"{n},{n % 2}\n" for n in range(50)))
    pipeline = tg.Pipeline(shop)
    decision = pipeline.gate("ingest").admit(drop)
    assert decision.outcome is tg.Outcome.DENY
    assert "ingest.owner" in {result.rule for result in decision.denials}
    assert pipeline.verify(drop).exit_code == 1


def test_no_such_stage(tmp_path: Path) -> None:
    """A misspelt stage is a usage error that names the stages."""
    with pytest.raises(tg.TidegateError) as caught:
        tg.Pipeline(workspace(tmp_path)).gate("ingset")
    assert caught.value.code == "TG-USE/no-such-stage"


def test_bytes_are_handed_out_only_when_they_are_the_admitted_ones(tmp_path: Path) -> None:
    """A loader gets what was hashed, or nothing."""
    from tidegate.core.digest import sha256  # noqa: PLC0415 - only here

    model = tmp_path / "model.bin"
    model.write_bytes(b"weights")
    assert tg.read_verified(model, sha256(b"weights")) == b"weights"
    with pytest.raises(tg.TidegateError) as caught:
        tg.read_verified(model, sha256(b"other"))
    assert caught.value.code == "TG-VER/other-bytes"
