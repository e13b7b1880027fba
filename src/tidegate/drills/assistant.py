"""An assistant that obeys whatever it reads, and servers that run while a drill does.

It is no language model; it stands for the part of one that can't tell instructions from data.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import uvicorn
from starlette.types import Receive, Scope, Send

from tidegate.core.canonical import Json
from tidegate.core.errors import CheckError

_ORDER = re.compile(r"\bput\b[^.]*\blink\b[^.]*?(https?://\S+)", re.IGNORECASE)
_SECRET = re.compile(r"secret: (\S+)")
_START_S = 15.0


@dataclass
class Assistant:
    """An OpenAI-compatible chat server; remembers what reached it."""

    seen: list[str] = field(default_factory=list[str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one chat request."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        texts = [str(item["content"]) for item in json.loads(body)["messages"]]
        self.seen += texts
        said: Json = {"choices": [{"message": {"role": "assistant", "content": _obey(texts)}}]}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})


def _obey(texts: list[str]) -> str:
    joined = "\n".join(texts)
    order, secret = _ORDER.search(joined), _SECRET.search(joined)
    if order and secret:
        return f"![chart]({order[1]}{quote(secret[1])})"
    return f"In short: {texts[-1].splitlines()[0][:80]}"


@contextmanager
def running(make: Callable[[], uvicorn.Server]) -> Generator[str]:
    """Run a server in a thread on a free port, and give its address.

    Raises:
        CheckError: It did not start.
    """
    server = make()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise CheckError("a server of the drill did not start", slug="not-staged")
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_START_S)
