"""The real flow with MLflow's client and server on SQLite, for an environment that has both.

Run by ``test_mlflow.py`` with the peer's Python: ``python -m tests.contract.mlflow_flow FOLDER``.
It prints one JSON object: what each step came to.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.modelfolders import trained

from tidegate.core.policy.directives import Quarantine
from tidegate.drills.arena import MODEL, Arena
from tidegate.drills.arms import require_allow

_START_S = 120.0


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[str]:
    """Run MLflow's server; give its address."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"), *arguments,
    ]  # fmt: skip
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, process_group=0)
    address = f"http://127.0.0.1:{port}"
    try:
        await_health(process, f"{address}/health")
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def await_health(process: "subprocess.Popen[bytes]", url: str) -> None:
    """Ask until the server answers."""
    end = time.monotonic() + _START_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own server
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def outcome(call: Callable[[], object]) -> str:
    """Return ``ok``, or the code and the message of MLflow's error."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - in the peer's environment

    try:
        call()
    except MlflowException as error:
        return f"{error.error_code}: {error}"
    return "ok"


def post(address: str, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """Ask the REST API without any client of MLflow."""
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/api/2.0/mlflow/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - same
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def get(url: str) -> tuple[int, bytes]:
    """Return status and body."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def flow(folder: Path, arena: Arena, address: str) -> dict[str, Any]:
    """Log, register, name, download and swap a model."""
    import mlflow  # noqa: PLC0415 - in the peer's environment
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - same

    mlflow.set_tracking_uri(address)
    client = mlflow.MlflowClient()
    with mlflow.start_run():
        fitted = LogisticRegression().fit([[0], [1], [2], [3]], [0, 0, 1, 1])
        info = mlflow.sklearn.log_model(fitted, name="model")
    model = next((folder / "artifacts").rglob("MLmodel")).parent
    source = client.get_logged_model(info.model_id).artifact_location
    steps: dict[str, Any] = {}

    def register() -> object:
        return mlflow.register_model(info.model_uri, MODEL)

    def name() -> object:
        return client.set_registered_model_alias(MODEL, "prod", "1")

    def download() -> object:
        return mlflow.sklearn.load_model(f"models:/{MODEL}@prod").predict([[3]])

    steps["register before admission"] = outcome(register)
    body = {"name": MODEL, "source": source, "model_id": info.model_id}
    steps["REST create before admission"] = post(address, "model-versions/create", body)
    made = trained(arena, model)
    require_allow(arena.register(model, "1"))
    steps["register after admission"] = outcome(register)
    steps["alias before promotion"] = outcome(name)
    alias = {"name": MODEL, "alias": "prod", "version": "1"}
    steps["REST alias before promotion"] = post(address, "registered-models/alias", alias)
    arena.approve(made)
    require_allow(arena.promote(model, "1"))
    steps["alias after promotion"] = outcome(name)
    steps["load"] = outcome(download)
    os.environ["TIDEGATE_FOLDER"] = str(folder)
    steps["load without evidence"] = outcome(download)
    os.environ["TIDEGATE_MLFLOW__EVIDENCE"] = "server"
    steps["load by the server's word"] = outcome(download)
    file = f"{address}/model-versions/get-artifact?name={MODEL}&version=1&path=MLmodel"
    steps["page's download"] = get(file)[0], get(file)[1] == (model / "MLmodel").read_bytes()
    kept = (model / "MLmodel").read_bytes()
    (model / "MLmodel").write_bytes(kept + b"\n")
    steps["load what was swapped"] = outcome(download)
    steps["page's download of what was swapped"] = get(file)[0], get(file)[1].decode()
    steps["register what was swapped"] = outcome(register)
    (model / "MLmodel").write_bytes(kept)
    steps["load the benign twin"] = outcome(download)
    arena.workspace.act(Quarantine(digest=str(made.digest), reason="poisoned"))
    steps["load what was recalled"] = outcome(download)
    steps["prompts"] = outcome(lambda: mlflow.genai.register_prompt("hello", "Hi {{name}}"))
    return steps


def main() -> int:
    """Run the flow in a folder that is given, against one way of starting the server."""
    folder, way = Path(sys.argv[1]), sys.argv[2]
    os.environ |= {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "memory")}
    arena = Arena.make(folder)
    os.environ["TIDEGATE_FOLDER"] = str(folder / "workspace")
    uri = f"sqlite:///{folder}/mlflow.db"
    ways = {"app": ("--app-name", "tidegate"), "store": ("--registry-store-uri", f"tidegate:{uri}")}
    with server(folder, *ways[way]) as address:
        steps = flow(folder, arena, address)
    sys.stdout.write("\n" + json.dumps(steps) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
