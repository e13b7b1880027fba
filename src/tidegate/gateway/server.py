"""Run the gateway on a socket: loopback by default, bounded headers, patience that ends.

uvicorn with its pure-Python HTTP parser, so that limits are ours: a connection that sends no whole
request head in time is closed, at its start and between requests.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""Seconds for a request's head to arrive once its first byte, or the connection, is there."""
KEEP_ALIVE_S = 15
GRACE_S = 20
"""Seconds that running requests have when the server is told to stop."""


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with a deadline for request heads."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Stop or begin waiting for a head."""
        super().data_received(data)
        # A cycle that runs has its head; its body is timed by the application.
        if self._running():
            self._stop_timer()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        super().connection_lost(exc)

    def _running(self) -> bool:
        # uvicorn declares that there is always a cycle; before the first request there is none.
        return bool(self.cycle) and not self.cycle.response_complete

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self._running() and not self.transport.is_closing():
            self.transport.close()


@dataclass(frozen=True, slots=True)
class Tls:
    """What a server shows of itself."""

    certificate: Path
    """PEM, with its intermediates."""
    key: Path
    """PEM."""


def server(
    app: ASGIApp, host: str, port: int, *, headers: int, connections: int, tls: Tls | None = None
) -> uvicorn.Server:
    """Return a server that is ready to run.

    Args:
        app: The gateway.
        host: Address to listen on.
        port: Port; 0 lets the system choose.
        headers: Bytes of a request's head.
        connections: How many may be open; more are answered 503.
        tls: Certificate and key; plain HTTP without.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=PatientProtocol,
            ws="none",
            lifespan="on",
            h11_max_incomplete_event_size=headers,
            limit_concurrency=connections,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
        )
    )
