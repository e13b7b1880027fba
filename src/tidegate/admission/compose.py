"""The webhook as an ASGI application: ``/validate`` for the API server, health for the kubelet.

::

    app = create_admission(settings, SystemClock())  # any ASGI server with TLS runs it

It answers every review that it can read, and answers a broken one with a refusal, not with an error
that the API server's failure policy would decide about. It makes no connection of its own.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidegate.admission.decide import Verdict, decide
from tidegate.admission.review import MAX_BYTES, Review, read_review, to_response
from tidegate.admission.settings import AdmissionSettings
from tidegate.admission.shelf import ShelfReader
from tidegate.core.clock import Clock
from tidegate.core.errors import StoreError, TidegateError
from tidegate.gateway.spool import Event, Spool

_log = logging.getLogger(__name__)
_TOO_LARGE = 413
_BAD = 400


@dataclass(slots=True)
class _Webhook:
    settings: AdmissionSettings
    clock: Clock
    reader: ShelfReader
    spool: Spool | None = None
    counts: dict[str, int] = field(default_factory=dict[str, int])

    async def validate(self, request: Request) -> Response:
        """Answer one review."""
        body = await _body(request)
        if body is None:
            return _json({"error": f"a review has at most {MAX_BYTES} bytes"}, _TOO_LARGE)
        try:
            review = read_review(body)
        except TidegateError as error:
            return _json({"error": error.problem, "cause": error.cause}, _BAD)
        # Decided in a thread: a folder that changed is verified then, and health still answers.
        verdict = await anyio.to_thread.run_sync(self._decide, review)
        answer = to_response(
            review.uid,
            allowed=verdict.allowed,
            message=verdict.message,
            warnings=verdict.warnings,
            audit={"reason": verdict.reason},
        )
        return _json(answer)

    async def alive(self, _: Request) -> Response:
        """Answer while the process runs."""
        return _json({"status": "ok"})

    async def ready(self, _: Request) -> Response:
        """Say what the decisions rest on; ready as soon as the folder could be read."""
        shelf = await anyio.to_thread.run_sync(self.reader.shelf)
        folder = self.settings.releases
        there = await anyio.to_thread.run_sync(folder.is_dir)
        told = {
            "status": "ok" if there else "no folder",
            "mode": self.settings.mode.value,
            "releases": len(shelf.by_resource),
            "recallsAt": shelf.recalls_at,
            "troubles": [{"file": one.file, "why": one.why} for one in shelf.troubles[:100]],
            "decisions": dict(self.counts),
        }
        return _json(told, 200 if there else 503)

    def _decide(self, review: Review) -> Verdict:
        now = self.clock.now()
        verdict = decide(review, self.reader.shelf(), self.settings, now=now)
        if verdict.glass and not review.dry_run:
            verdict = self._record(review, verdict)
        self.counts[verdict.reason] = self.counts.get(verdict.reason, 0) + 1
        _log.info("admission reason=%s allowed=%s", verdict.reason, verdict.allowed)
        return verdict

    def _record(self, review: Review, verdict: Verdict) -> Verdict:
        """Write down that the glass was broken; what can't be written down does not come in."""
        event = Event(
            "break-glass",
            {
                "uid": review.uid,
                "object": f"{review.kind} {review.namespace}/{review.name}"[:600],
                "user": review.user,
                "reason": verdict.glass,
                "refused": verdict.message[:2_000],
            },
        )
        try:
            if self.spool is not None:
                self.spool.append(event).result(timeout=5)
                return verdict
        except (StoreError, TimeoutError):
            _log.exception("the glass was broken, and that could not be recorded")
        return Verdict(
            allowed=False,
            reason="glass-not-recorded",
            message=f"{verdict.message}; the glass can't be broken: it could not be recorded",
        )


def create_admission(settings: AdmissionSettings, clock: Clock) -> Starlette:
    """Return the webhook; its spool is open from start-up to shutdown.

    Raises:
        StoreError: At start-up, where the spool can't be used.
        BusyError: Another process writes it.
    """
    reader = ShelfReader(settings.releases, settings.trust, clock, revocations=settings.revocations)
    webhook = _Webhook(settings, clock, reader)

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncGenerator[None]:
        webhook.spool = Spool(settings.spool, clock)
        reader.shelf()
        try:
            yield
        finally:
            webhook.spool.close()

    return Starlette(
        routes=[
            Route("/validate", webhook.validate, methods=["POST"]),
            Route("/healthz", webhook.alive, methods=["GET"]),
            Route("/readyz", webhook.ready, methods=["GET"]),
        ],
        lifespan=running,
    )


async def _body(request: Request) -> bytes | None:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
