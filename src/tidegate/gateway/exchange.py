"""One request through the gateway, from key to answer; the order is the security of it.

Who asks, how often, whether the model is verified, how large, what it says: each step may refuse,
and nothing reaches the model server before all have passed. The decision is on disk before the
first byte of an answer leaves.
"""

import asyncio
import logging
import secrets
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import orjson
from anyio import CancelScope, create_task_group, fail_after, move_on_after
from starlette.types import Message, Receive, Scope, Send

from tidegate.core.clock import Clock
from tidegate.core.errors import AccessError, StoreError
from tidegate.gateway import problems
from tidegate.gateway.guard import Guard, Screening
from tidegate.gateway.keys import KeyFile, Keyring
from tidegate.gateway.limits import Buckets, Slots
from tidegate.gateway.problems import Face, Headers, Refused
from tidegate.gateway.provenance import Provenance
from tidegate.gateway.segments import READERS, Body
from tidegate.gateway.settings import GatewaySettings, Mode
from tidegate.gateway.spool import Event, Spool
from tidegate.gateway.tally import Tally
from tidegate.gateway.upstream import Answer, Upstream

_log = logging.getLogger(__name__)
_JSON = "application/json"


@dataclass(slots=True)
class Parts:
    """What the gateway is made of; the last three live as long as it runs."""

    settings: GatewaySettings
    clock: Clock
    keys: KeyFile | Keyring
    buckets: Buckets
    slots: Slots
    guard: Guard
    provenance: Provenance
    tally: Tally
    spool: Spool | None = None
    upstream: Upstream | None = None

    def ring(self) -> Keyring:
        """Return the keys that count now.

        Raises:
            Refused: They can't be read.
        """
        try:
            return self.keys.ring() if isinstance(self.keys, KeyFile) else self.keys
        except AccessError:
            raise Refused(problems.NO_KEYS) from None

    def record(self, event: Event) -> "Future[None]":
        """Hand an event to the spool.

        Raises:
            Refused: There is none.
        """
        if self.spool is None:
            raise Refused(problems.NO_RECORD)
        return self.spool.append(event)


@dataclass(slots=True)
class Exchange:
    """One request that is being served."""

    parts: Parts
    scope: Scope
    receive: Receive
    send: Send
    face: Face
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    caller: str = ""
    started: bool = False
    """Whether the head of the answer has left."""
    decided: bool = False
    """Whether an event of its own tells what became of it."""
    extra: Headers = field(default_factory=list[tuple[bytes, bytes]])
    """Headers that go with any answer."""

    def admit(self) -> None:
        """Check head, key, rate and the model's standing.

        Raises:
            Refused: One of them is wanting.
        """
        self._head()
        caller = self.parts.ring().identify(self._token())
        if caller is None:
            raise Refused(
                problems.UNAUTHENTICATED,
                headers=[(b"www-authenticate", b'Bearer realm="tidegate"')],
            )
        self.caller = caller
        allowance = self.parts.buckets.take(caller)
        self.extra += allowance.headers()
        if not allowance.granted:
            raise Refused(problems.RATE_LIMITED)
        standing = self.parts.provenance.standing()
        if not standing.verified:
            raise Refused(problems.UNVERIFIED, reason=standing.reason)
        digest = str(self.parts.settings.deployment.digest)
        self.extra.append((b"x-tidegate-model-digest", digest.encode()))

    async def body(self) -> Body:
        """Read the body, bounded in size and time.

        Raises:
            Refused: It is too large or slow, no JSON object, or sent in a coding.
        """
        media = self._header(b"content-type").partition(b";")[0].strip().lower()
        coding = self._header(b"content-encoding").strip().lower()
        binary = self._header(b"inference-header-content-length")
        if media != _JSON.encode() or coding not in {b"", b"identity"} or binary:
            raise Refused(problems.NOT_JSON_TYPE)
        limit = self.parts.settings.limits.body
        length = self._header(b"content-length")
        if length.isdigit() and (len(length) > 12 or int(length) > limit):  # noqa: PLR2004 - more digits than any limit
            raise Refused(problems.TOO_LARGE, headers=[(b"connection", b"close")])
        try:
            with fail_after(self.parts.settings.limits.receive_s):
                data = await self._read(limit)
        except TimeoutError:
            raise Refused(problems.TOO_SLOW, headers=[(b"connection", b"close")]) from None
        try:
            parsed: Any = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise Refused(problems.NOT_JSON) from None
        if not isinstance(parsed, dict):
            raise Refused(problems.NOT_JSON)
        return parsed

    async def infer(self, operation: str, path: str, body: Body) -> None:
        """Judge the body, record the decision, and pass it on or refuse it."""
        screening = await self.parts.guard.screen(READERS[operation](body))
        blocked = screening.flagged and self.parts.settings.mode is Mode.BLOCK
        outcome = "blocked" if blocked else "annotated" if screening.flagged else "passed"
        recorded = self.parts.record(self._decided(operation, outcome, screening))
        self.decided = True
        if blocked:
            await _durable(recorded)
            raise Refused(problems.BLOCKED, rules=screening.rules)
        if screening.flagged:
            self.extra.append((b"x-tidegate-findings", ", ".join(screening.rules).encode()))
        # Written anew, so that the model server reads what was judged: of two keys of one name
        # each parser may take another.
        content = orjson.dumps(body)
        accept = "text/event-stream" if body.get("stream") is True else _JSON
        await self._unless_gone(path, content, accept, recorded)

    async def _unless_gone(
        self, path: str, content: bytes, accept: str, recorded: "Future[None]"
    ) -> None:
        """Fetch and pass on the answer, and stop the model server when the caller goes away."""
        refused: list[Refused] = []
        sent = 0
        outcome = "cancelled"

        async def work(scope: CancelScope) -> None:
            nonlocal sent, outcome
            try:
                sent = await self._relay(path, content, accept, recorded)
                outcome = "answered"
            except Refused as error:
                outcome = error.problem.code
                refused.append(error)
            scope.cancel()

        async with create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            await work(group.cancel_scope)
        self.parts.record(
            Event("finished", {"request": self.id, "outcome": outcome, "bytes": sent})
        )
        if refused:
            raise refused[0]

    async def _watch(self, scope: CancelScope) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _relay(self, path: str, content: bytes, accept: str, recorded: "Future[None]") -> int:
        upstream = self.parts.upstream
        if upstream is None:
            raise Refused(problems.UPSTREAM_DOWN)
        limits = self.parts.settings.limits
        with move_on_after(limits.total_s) as scope:
            answer = await upstream.post(path, content, accept)
            try:
                await _durable(recorded)
                return await self._stream(answer, limits.answer)
            finally:
                with CancelScope(shield=True):
                    await answer.close()
        if scope.cancelled_caught:
            raise Refused(problems.UPSTREAM_SLOW)
        return 0

    async def _stream(self, answer: Answer, limit: int) -> int:
        sent = 0
        await self._start(200, answer.headers)
        async for chunk in answer.chunks:
            sent += len(chunk)
            if sent > limit:
                raise Refused(problems.UPSTREAM_FAILED)
            await self.send(_chunk(chunk, more=True))
        await self.send(_chunk(b"", more=False))
        return sent

    async def answer(self, content: bytes, status: int = 200) -> None:
        """Send a whole answer of our own."""
        await self._start(status, [(b"content-type", _JSON.encode())], len(content))
        await self.send(_chunk(content, more=False))

    async def refuse(self, refused: Refused) -> None:
        """Send a refusal, or break the connection off where an answer has begun."""
        if self.started:
            _log.warning("request %s: broken off, %s", self.id, refused.problem.code)
            return
        content = problems.body(refused, self.face, self.id)
        headers = [(b"content-type", problems.media_type(self.face)), *refused.headers]
        await self._start(refused.problem.status, headers, len(content))
        await self.send(_chunk(content, more=False))

    async def _start(self, status: int, headers: Headers, length: int | None = None) -> None:
        self.started = True
        fixed = [
            (b"x-request-id", self.id.encode()),
            (b"x-content-type-options", b"nosniff"),
            *self.extra,
        ]
        if length is not None:
            fixed += [(b"content-length", b"%d" % length), (b"cache-control", b"no-store")]
        await self.send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *fixed]}
        )

    def _decided(self, operation: str, outcome: str, screening: Screening) -> Event:
        return Event(
            "decided",
            {
                "request": self.id,
                "caller": self.caller,
                "operation": operation,
                "outcome": outcome,
                "rules": screening.rules,
                "texts": screening.texts,
                "characters": screening.characters,
                "model": str(self.parts.settings.deployment.digest),
            },
        )

    async def _read(self, limit: int) -> bytes:
        found = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Refused(problems.TOO_SLOW)
            found += message.get("body", b"")
            if len(found) > limit:
                raise Refused(problems.TOO_LARGE, headers=[(b"connection", b"close")])
            if not message.get("more_body"):
                return bytes(found)

    def _head(self) -> None:
        # The server bounds what it holds of an unfinished head; a whole one is bounded here.
        size = len(self.scope["raw_path"]) + len(self.scope["query_string"])
        size += sum(len(name) + len(value) + 4 for name, value in self.scope["headers"])
        if size > self.parts.settings.limits.headers:
            raise Refused(problems.HEAD_TOO_LARGE)

    def _token(self) -> str:
        scheme, _, token = self._header(b"authorization").partition(b" ")
        return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""

    def _header(self, name: bytes) -> bytes:
        found = [value for key, value in self.scope["headers"] if key == name]
        # Two headers of one name are read by each server in its own way: none counts.
        return found[0] if len(found) == 1 else b""


async def _durable(recorded: "Future[None]") -> None:
    try:
        await asyncio.wrap_future(recorded)
    except StoreError:
        raise Refused(problems.NO_RECORD) from None


def _chunk(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
