"""The log over HTTP: static-looking tiles for anyone, and the witness's one call.

The tiles are C2SP tlog-tiles, so that the log can be read, mirrored and verified by clients
that know nothing of Tidegate; ``add-checkpoint`` is C2SP tlog-witness.
"""

import logging

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidegate.core.errors import StoreError, TidegateError
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.log import Log
from tidegate.core.ledger.note import MAX_NOTE, Note
from tidegate.core.ledger.tiles import WIDTH, TilePath, encode_bundle, parse_path, tile_width
from tidegate.logbook.witness import Witness

logger = logging.getLogger(__name__)

_IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable"}
_CHANGING = {"cache-control": "no-cache"}
_SAFE = {"x-content-type-options": "nosniff", "content-security-policy": "default-src 'none'"}


def ledger_app(log: Log, *, witness: Witness | None = None) -> Starlette:
    """Serve a log, and a witness if one is given.

    Args:
        log: The log; its newest signed head is published.
        witness: Answers ``POST /add-checkpoint``.
    """

    # Sync endpoints: Starlette runs them in its thread pool, as the store blocks.
    def checkpoint(request: Request) -> Response:
        del request
        return _text(log.checkpoint())

    def tile(request: Request) -> Response:
        name = parse_path(f"tile/{request.path_params['path']}")
        data = None if name is None else _tile(log, name)
        if data is None:
            return Response(status_code=404, headers=_SAFE | _CHANGING)
        return Response(data, headers=_SAFE | _IMMUTABLE, media_type="application/octet-stream")

    routes = [
        Route("/checkpoint", checkpoint, methods=["GET"]),
        Route("/tile/{path:path}", tile, methods=["GET"]),
    ]
    if witness is not None:
        routes.append(_witness_route(witness))
    return Starlette(routes=routes, exception_handlers={TidegateError: _failed})


def witness_app(witness: Witness) -> Starlette:
    """Serve a witness alone: ``POST /add-checkpoint``."""
    return Starlette(routes=[_witness_route(witness)], exception_handlers={TidegateError: _failed})


def _witness_route(witness: Witness) -> Route:
    async def add_checkpoint(request: Request) -> Response:
        body = await _bounded_body(request)
        if body is None:
            return Response(status_code=413, headers=_SAFE)
        answer = await run_in_threadpool(witness.add_checkpoint, body)
        headers = _SAFE | {"content-type": answer.content_type}
        return Response(answer.body, status_code=answer.status, headers=headers)

    return Route("/add-checkpoint", add_checkpoint, methods=["POST"])


def _tile(log: Log, name: TilePath) -> bytes | None:
    # Nobody can verify what no signed head covers, so it is not there yet.
    size = Checkpoint.parse(Note.parse(log.checkpoint()).text).size
    width = name.width
    if width > tile_width(size, name.level or 0, name.index):
        return None
    if name.level is not None:
        return log.reader().tile(name.level, name.index, width)
    start = name.index * WIDTH
    return encode_bundle(list(log.entries(start, start + width)))


async def _bounded_body(request: Request) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_NOTE:
            return None
    return bytes(body)


def _text(data: bytes) -> Response:
    return Response(data, headers=_SAFE | _CHANGING, media_type="text/plain; charset=utf-8")


def _failed(request: Request, error: Exception) -> Response:
    # A damaged store is no missing tile: it must be seen on both sides.
    code = error.code if isinstance(error, TidegateError) else "TG-BUG"
    logger.error("%s: %s", request.url.path, code)
    status = 503 if isinstance(error, StoreError) else 500
    return Response(f"{code}\n", status_code=status, headers=_SAFE, media_type="text/plain")
