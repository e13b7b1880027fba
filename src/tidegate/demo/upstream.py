"""A small model server for the demonstration: Open Inference v2, and a chat endpoint that obeys.

It loads the model through :func:`tidegate.gates.serve.read_verified`, so that a file which was
swapped since it was checked is refused at load. Its chat endpoint does what any text tells it, as a
naive assistant does; what stands in front of it has to know better.

Run as ``python -m tidegate.demo.upstream MODEL DIGEST PORT-FILE``.
"""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from tidegate.core.digest import Digest
from tidegate.core.errors import TidegateError
from tidegate.gates.serve import read_verified

MODEL = "tumour"
_MAX_BODY = 1 << 20
_SECRET = "the-service-password-is-ocean"  # noqa: S105 - what the injected document asks for


class Handler(BaseHTTPRequestHandler):
    """Answers the two kinds of requests."""

    model: Any = None
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that the server is there."""
        self._answer({"name": MODEL, "ready": True, "live": True})

    def do_POST(self) -> None:
        """Predict, or chat."""
        size = min(int(self.headers.get("content-length", 0)), _MAX_BODY)
        asked = json.loads(self.rfile.read(size))
        if self.path.endswith("/infer"):
            self._answer(self._infer(asked))
        else:
            self._answer(_chat(asked))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent."""

    def _infer(self, asked: dict[str, Any]) -> dict[str, Any]:
        tensor = asked["inputs"][0]
        rows = np.array(tensor["data"], dtype=float).reshape(tensor["shape"])
        scores = self.model.predict_proba(rows)[:, 1]
        output = {
            "name": "malignant",
            "datatype": "FP64",
            "shape": [len(scores)],
            "data": [round(float(score), 4) for score in scores],
        }
        return {"model_name": MODEL, "outputs": [output]}

    def _answer(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _chat(asked: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(asked["messages"]).lower()
    said = _SECRET if "password" in text else "The report is about a routine examination."
    message = {"role": "assistant", "content": said}
    return {"object": "chat.completion", "model": MODEL, "choices": [{"message": message}]}


def main(model: str, digest: str, port_file: str) -> int:
    """Load the model if it is the admitted one, and serve it on a free loopback port."""
    try:
        data = read_verified(Path(model), Digest.parse(digest))
    except TidegateError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return error.exit_code
    Handler.model = joblib.load(io.BytesIO(data))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Path(port_file).write_text(str(server.server_port), "ascii")
        server.serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:4]))
