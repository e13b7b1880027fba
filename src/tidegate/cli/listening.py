"""Servers of the command line: bound before they are announced, and serving until interrupted."""

import logging
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from tidegate.cli import output
from tidegate.cli.options import Showing
from tidegate.core.canonical import Json
from tidegate.core.errors import RemoteError, UsageError

_MAX_PORT = 65_535
_BACKLOG = 2_048


def listen(application: Any, address: str, showing: Showing, name: str) -> int:
    """Serve an ASGI application until it is interrupted.

    Args:
        application: What answers.
        address: ``HOST:PORT``; port 0 lets the system choose.
        showing: How the start is told.
        name: What is served.

    Raises:
        UsageError: The address is none.
        RemoteError: It can't be listened on.
    """
    import uvicorn  # noqa: PLC0415 - an extra, needed only to serve

    config = uvicorn.Config(
        application, log_level=logging.WARNING, access_log=False, lifespan="off",
        server_header=False,
    )  # fmt: skip
    with bound(address) as (open_socket, url):
        announce(showing, name, {"serving": name, "url": url})
        uvicorn.Server(config).run(sockets=[open_socket])
    return 0


@contextmanager
def bound(address: str, scheme: str = "http") -> Generator[tuple[socket.socket, str]]:
    """Listen on an address; yield the socket and its URL.

    Raises:
        UsageError: The address is none.
        RemoteError: It can't be listened on.
    """
    host, port = _parts(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise RemoteError(
            "can't listen here",
            where=address,
            cause=error.strerror,
            next_step="choose another address or port",
            slug="listen",
        ) from None
    with opened:
        shown = f"[{host}]" if ":" in host else host
        yield opened, f"{scheme}://{shown}:{opened.getsockname()[1]}"


def announce(showing: Showing, name: str, facts: Mapping[str, Json]) -> None:
    """Say what is served from now on: to people beside the output, to programs as one line.

    Args:
        showing: How.
        name: What is served, as people call it.
        facts: What programs read; ``url`` among them.
    """
    if showing.as_json:
        output.emit_line(showing, facts)
    else:
        output.notice(f"serving {name} on {facts['url']}, until interrupted")


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _MAX_PORT:
        raise UsageError(
            "not an address to listen on",
            where=address[:100],
            next_step="write it as HOST:PORT, such as 127.0.0.1:8441",
            slug="bad-address",
        )
    return host.removeprefix("[").removesuffix("]"), int(port)
