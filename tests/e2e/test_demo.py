"""The demonstration, as somebody runs it who has never seen Tidegate."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.sandbox.order import Tier
from tidegate.sandbox.probe import host

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        host().tier is Tier.NONE, reason=f"{host().reason}: {host().remedy or 'confinement'}"
    ),
]


def _tidegate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "tidegate", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_the_demonstration_holds_and_proves_itself_offline(tmp_path: Path) -> None:
    """Honest steps pass, attacks are stopped, and the file it leaves verifies alone."""
    told = _tidegate(tmp_path, "demo", "show")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "✗" not in told.stdout
    assert told.stdout.count("■") >= 8
    assert "7 of 7" in told.stdout
    pin = re.search(r"--pin\s+(sha256:[0-9a-f]{64})", told.stdout)
    assert pin is not None
    alone = tmp_path / "another-machine"
    alone.mkdir()
    for name in ("evidence.json", "trust.json"):
        (alone / name).write_bytes((tmp_path / "show" / name).read_bytes())
    arguments = ("verify", "evidence.json", "--trust", "trust.json", "--pin", pin.group(1))
    proved = _tidegate(alone, *arguments)
    assert proved.returncode == 0, proved.stdout + proved.stderr
    for stage in ("ingest", "prepare", "train", "validate", "registry", "serve"):
        assert stage in proved.stdout
    page = (tmp_path / "show" / "report.html").read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    # One changed byte of a signed statement is enough.
    data = bytearray((alone / "evidence.json").read_bytes())
    place = data.index(b'"envelope"') + 400
    data[place] = ord("A") if data[place] != ord("A") else ord("B")
    (alone / "evidence.json").write_bytes(bytes(data))
    assert _tidegate(alone, *arguments).returncode in (1, 5)
