"""MLflow's own client and server, with the plug-in: nothing goes by, and honest work does.

MLflow lives outside this project's environment; ``python tools/peers.py mlflow`` installs it there.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools" / "peers" / "mlflow" / "bin" / "python"
pytestmark = [pytest.mark.slow, pytest.mark.interop]


@pytest.fixture(scope="module", params=["app", "store"])
def steps(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What each step came to, with the server started either way."""
    if not PYTHON.exists():
        pytest.skip("MLflow is not installed: python tools/peers.py mlflow")
    folder = tmp_path_factory.mktemp(f"mlflow-{request.param}")
    environ = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("TIDEGATE_", "MLFLOW_", "PYTEST_"))
    }
    environ |= {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # its threads outlive the server
    }
    ran = subprocess.run(
        [PYTHON, "-m", "tests.contract.mlflow_flow", folder, request.param],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    log = folder / "server.log"
    told = log.read_text("utf-8", "replace")[-4_000:] if log.exists() else ""
    assert ran.returncode == 0, (ran.stderr[-4_000:], told)
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_version_is_admitted_before_it_is_made(steps: Any) -> None:
    """Through the client and through the bare REST call; the refusal says what to do."""
    assert steps["register before admission"].startswith("PERMISSION_DENIED: ")
    assert "tidegate registry admit" in steps["register before admission"]
    status, body = steps["REST create before admission"]
    assert status == 403
    assert json.loads(body)["error_code"] == "PERMISSION_DENIED"
    assert steps["register after admission"] == "ok"


def test_an_alias_needs_promotion(steps: Any) -> None:
    """The same, for the name under which a model is served."""
    assert "tidegate registry promote" in steps["alias before promotion"]
    status, body = steps["REST alias before promotion"]
    assert (status, "TG-SUB/not-promoted" in body) == (403, True)
    assert steps["alias after promotion"] == "ok"


def test_a_download_is_verified(steps: Any) -> None:
    """Swapped bytes reach neither a client nor the server's own pages; the twin does."""
    assert steps["load"] == "ok"
    assert "TG-CFG/no-evidence" in steps["load without evidence"]
    assert steps["load by the server's word"] == "ok"
    assert steps["page's download"] == [200, True]
    assert "TG-VER/other-bytes" in steps["load what was swapped"]
    status, body = steps["page's download of what was swapped"]
    assert (status, "TG-VER/other-bytes" in body) == (403, True)
    assert "TG-SUB/not-admitted" in steps["register what was swapped"]
    assert steps["load the benign twin"] == "ok"


def test_a_recall_reaches_clients(steps: Any) -> None:
    """The server hands out nothing that was quarantined."""
    assert "TG-VER/recalled" in steps["load what was recalled"]


def test_what_is_no_model_passes(steps: Any) -> None:
    """Prompts live in the same registry."""
    assert steps["prompts"] == "ok"
