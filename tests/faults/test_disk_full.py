"""A full disk is an error with a next step; nothing is half-written, and room is all it needs."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def test_a_full_disk_while_appending_leaves_a_whole_log(tmp_path: Path) -> None:
    """On a small file system of its own, in a private mount namespace."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is absent: `apt-get install util-linux`")
    script = (
        f"mount -t tmpfs -o size=4m none {tmp_path} &&"
        f" exec {sys.executable} -m tests.faults.disk_full {tmp_path}"
    )
    for flags in ("-m", "-Urm"):
        command = ["unshare", flags, "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            break
    else:
        if "ermitted" in done.stderr or "ermission" in done.stderr:
            pytest.skip("this host gives no private mount namespace")
        pytest.fail(done.stderr[-2_000:])
    report = json.loads(done.stdout)
    assert report["slug"] == "disk-full"
    assert report["exit_code"] == 6
    assert "free some space" in report["next_step"]
    assert "INSERT" not in report["text"]
    assert report["blob_slug"] == "disk-full"
    assert report["blobs"] == []
    assert report["leftovers"] == []
    assert report["acknowledged"] > 0
    assert report["size"] == report["acknowledged"]
    assert report["sound"]
    assert report["next_index"] == report["size"]
