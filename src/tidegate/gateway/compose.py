"""The gateway as an ASGI application: which paths there are, and what stands behind each.

::

    app = create_gateway(settings, SystemClock())  # any ASGI server runs it

Nothing else is served: a path that is not in the table is 404, whatever the model server has there.
"""

import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tidegate.core.clock import Clock
from tidegate.gateway import problems
from tidegate.gateway.exchange import Exchange, Parts
from tidegate.gateway.guard import Guard
from tidegate.gateway.keys import KeyFile, Keyring
from tidegate.gateway.limits import Buckets, Slots
from tidegate.gateway.problems import Face, Refused
from tidegate.gateway.provenance import Provenance
from tidegate.gateway.segments import Body
from tidegate.gateway.settings import GatewaySettings
from tidegate.gateway.spool import Spool
from tidegate.gateway.tally import Tally
from tidegate.gateway.upstream import Upstream

_log = logging.getLogger(__name__)
_METADATA = ("versions", "platform", "inputs", "outputs")
Handler = Callable[[Exchange], Awaitable[None]]


def create_gateway(settings: GatewaySettings, clock: Clock) -> Starlette:
    """Return the gateway; its spool and its connections live from start-up to shutdown.

    A release that does not verify makes every request 503; who wants to refuse to start asks
    :meth:`Provenance.check` first.

    Raises:
        AccessError: The key file can't be used.
        CheckError: The input check's model is damaged.
    """
    limits = settings.limits
    callers = settings.callers
    parts = Parts(
        settings=settings,
        clock=clock,
        keys=callers if isinstance(callers, Keyring) else KeyFile(callers),
        buckets=Buckets(clock, per_minute=limits.requests_per_minute, burst=limits.burst),
        slots=Slots(limits.concurrent, limits.concurrent_each),
        guard=Guard(limits.text),
        provenance=Provenance(
            settings.deployment, settings.trust, clock, revocations=settings.revocations
        ),
        tally=Tally(clock),
    )
    app = Starlette(
        routes=_routes(parts),
        lifespan=lambda _: _running(parts),
        exception_handlers={HTTPException: _unknown, Exception: _broken},
    )
    app.router.redirect_slashes = False
    return app


def _routes(parts: Parts) -> list[Route]:
    def post(path: str, face: Face, handler: Handler) -> Route:
        return Route(path, _Endpoint(parts, face, handler), methods=["POST"])

    def get(path: str, face: Face, handler: Handler) -> Route:
        return Route(path, _Endpoint(parts, face, handler), methods=["GET"])

    openai, inference = Face.OPENAI, Face.INFERENCE
    return [
        get("/v2/health/live", inference, _live),
        get("/v2/health/ready", inference, _ready),
        get("/v2/models/{model}", inference, _metadata),
        get("/v2/models/{model}/ready", inference, _model_ready),
        post("/v2/models/{model}/infer", inference, _infer),
        get("/v1/models", openai, _models),
        post("/v1/chat/completions", openai, _openai("chat", "/v1/chat/completions")),
        post("/v1/completions", openai, _openai("completions", "/v1/completions")),
        post("/v1/embeddings", openai, _openai("embeddings", "/v1/embeddings")),
    ]


@asynccontextmanager
async def _running(parts: Parts) -> AsyncGenerator[None]:
    limits = parts.settings.limits
    parts.spool = Spool(parts.settings.spool, parts.clock)
    parts.upstream = Upstream(
        parts.settings.upstream,
        headers=parts.settings.upstream_headers,
        timeout_s=limits.timeout_s,
        connections=limits.concurrent,
    )
    try:
        yield
    finally:
        await parts.upstream.close()
        left = parts.tally.due(closing=True)
        if left is not None:
            parts.spool.append(left)
        parts.spool.close()


@dataclass(frozen=True)
class _Endpoint:
    """One path; where refusals become answers."""

    parts: Parts
    face: Face
    handler: Handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(self.parts, scope, receive, send, self.face)
        try:
            await self.handler(exchange)
        except Refused as refused:
            if not exchange.decided:
                self.parts.tally.count(refused.problem.code)
            await exchange.refuse(refused)
        due = self.parts.tally.due()
        if due is not None:
            self.parts.record(due)


def _openai(operation: str, path: str) -> Handler:
    async def handle(exchange: Exchange) -> None:
        exchange.admit()
        with exchange.parts.slots.hold(exchange.caller):
            body = await exchange.body()
            deployment = exchange.parts.settings.deployment
            if body.get("model") != deployment.model:
                raise Refused(problems.NO_MODEL)
            await exchange.infer(operation, path, {**body, "model": deployment.inner})

    return handle


async def _infer(exchange: Exchange) -> None:
    exchange.admit()
    inner = _model(exchange)
    with exchange.parts.slots.hold(exchange.caller):
        body: Body = await exchange.body()
        await exchange.infer("infer", f"/v2/models/{inner}/infer", body)


async def _models(exchange: Exchange) -> None:
    exchange.admit()
    entry = {
        "id": exchange.parts.settings.deployment.model,
        "object": "model",
        "created": 0,
        "owned_by": "tidegate",
    }
    await exchange.answer(orjson.dumps({"object": "list", "data": [entry]}))


async def _metadata(exchange: Exchange) -> None:
    exchange.admit()
    inner = _model(exchange)
    upstream = _upstream(exchange)
    try:
        told: Any = orjson.loads(await upstream.get(f"/v2/models/{inner}"))
    except orjson.JSONDecodeError:
        raise Refused(problems.UPSTREAM_FAILED) from None
    if not isinstance(told, dict):
        raise Refused(problems.UPSTREAM_FAILED)
    kept = {name: told[name] for name in _METADATA if name in told}
    name = exchange.parts.settings.deployment.model
    await exchange.answer(orjson.dumps({"name": name, **kept}))


async def _model_ready(exchange: Exchange) -> None:
    exchange.admit()
    await _upstream(exchange).get(f"/v2/models/{_model(exchange)}/ready")
    await exchange.answer(b'{"ready":true}')


async def _live(exchange: Exchange) -> None:
    await exchange.answer(b'{"live":true}')


async def _ready(exchange: Exchange) -> None:
    standing = exchange.parts.provenance.standing()
    if not standing.verified:
        raise Refused(problems.UNVERIFIED, reason=standing.reason)
    if exchange.parts.spool is None or not exchange.parts.spool.healthy:
        raise Refused(problems.NO_RECORD)
    exchange.parts.ring()
    await exchange.answer(b'{"ready":true}')


def _model(exchange: Exchange) -> str:
    deployment = exchange.parts.settings.deployment
    if exchange.scope["path_params"]["model"] != deployment.model:
        raise Refused(problems.NO_MODEL)
    return deployment.inner


def _upstream(exchange: Exchange) -> Upstream:
    if exchange.parts.upstream is None:
        raise Refused(problems.UPSTREAM_DOWN)
    return exchange.parts.upstream


async def _unknown(request: Request, error: Exception) -> Response:
    method = isinstance(error, HTTPException) and error.status_code == problems.NO_METHOD.status
    return _outside(request, problems.NO_METHOD if method else problems.NOT_FOUND)


async def _broken(request: Request, _: Exception) -> Response:
    return _outside(request, problems.INTERNAL)


def _outside(request: Request, problem: problems.Problem) -> Response:
    """Return an answer where no exchange is."""
    refused = Refused(problem)
    face = Face.INFERENCE if request.url.path.startswith("/v2") else Face.OPENAI
    return Response(
        problems.body(refused, face, secrets.token_hex(12)),
        problem.status,
        {"content-type": problems.media_type(face).decode()},
    )
