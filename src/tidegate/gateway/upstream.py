"""The model server behind: one pooled client, nothing of the caller's but the body goes there.

The transport of httpx is used without its client: no cookies, no redirects, no proxies from the
environment, no decoding. What comes back is passed on byte for byte.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx

from tidegate.core.errors import UsageError
from tidegate.gateway.problems import (
    UPSTREAM_BUSY,
    UPSTREAM_DOWN,
    UPSTREAM_FAILED,
    UPSTREAM_REFUSED,
    UPSTREAM_SLOW,
    Headers,
    Refused,
)

_KEPT = ("content-type", "cache-control")
"""Headers of an answer that are passed on; all else may tell about the inside."""
_CONNECT_S = 5.0
_METADATA_BYTES = 1 << 20
_OK, _REDIRECT, _CLIENT, _SERVER, _BUSY = 200, 300, 400, 500, 429


@dataclass(slots=True)
class Answer:
    """An answer whose head has come."""

    headers: Headers
    chunks: AsyncIterator[bytes]
    response: httpx.Response

    async def close(self) -> None:
        """Let go of the connection; an answer that was not read to its end is cancelled."""
        await self.response.aclose()


class Upstream:
    """The model server.

    Args:
        base: Its URL.
        headers: Sent with each request, such as its own key.
        timeout_s: Longest silence.
        connections: How many at once.

    Raises:
        UsageError: The URL is not http or https, or holds a user or a query.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
        connections: int,
    ) -> None:
        self._base = _checked(base)
        self._headers = dict(headers or {})
        self._timeout = httpx.Timeout(timeout_s, connect=_CONNECT_S).as_dict()
        self._transport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            retries=0,
            trust_env=False,
        )

    async def post(self, path: str, content: bytes, accept: str) -> Answer:
        """Send a body and return the answer's head.

        Raises:
            Refused: The server can't be reached, is too slow, or did not answer with success.
        """
        sent = {
            **self._headers,
            "content-type": "application/json",
            "accept": accept,
            "accept-encoding": "identity",
        }
        return await self._send("POST", path, sent, content)

    async def get(self, path: str) -> bytes:
        """Read a small document.

        Raises:
            Refused: As for :meth:`post`, or it is too large.
        """
        sent = {**self._headers, "accept": "application/json", "accept-encoding": "identity"}
        answer = await self._send("GET", path, sent, None)
        found = bytearray()
        try:
            async for chunk in answer.chunks:
                found += chunk
                if len(found) > _METADATA_BYTES:
                    raise Refused(UPSTREAM_FAILED)
        finally:
            await answer.close()
        return bytes(found)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        request = httpx.Request(
            method,
            self._base + path,
            headers=headers,
            content=content,
            extensions={"timeout": self._timeout},
        )
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.ConnectTimeout:
            raise Refused(UPSTREAM_DOWN) from None
        except httpx.TimeoutException:
            raise Refused(UPSTREAM_SLOW) from None
        except httpx.TransportError:
            raise Refused(UPSTREAM_DOWN) from None
        if response.status_code != _OK:
            await response.aclose()
            raise _refusal(response)
        kept = [
            (name.encode(), response.headers[name].encode("latin-1"))
            for name in _KEPT
            if name in response.headers
        ]
        return Answer(kept, _chunks(response), response)


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.TimeoutException:
        raise Refused(UPSTREAM_SLOW) from None
    except httpx.TransportError:
        raise Refused(UPSTREAM_FAILED) from None


def _refusal(response: httpx.Response) -> Refused:
    status = response.status_code
    if status == _BUSY:
        wait = response.headers.get("retry-after", "")
        headers = [(b"retry-after", wait.encode())] if wait.isdecimal() and len(wait) <= 6 else []  # noqa: PLR2004 - eleven days
        return Refused(UPSTREAM_BUSY, headers=headers)
    if _CLIENT <= status < _SERVER and status not in {401, 403, 407}:
        return Refused(UPSTREAM_REFUSED)
    # Ours to mend: a redirect, a refusal of our own key, or a failure.
    return Refused(UPSTREAM_FAILED)


def _checked(base: str) -> str:
    try:
        url = httpx.URL(base)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query:
        raise UsageError(
            "the model server's address is no plain http(s) URL",
            where="gateway.upstream",
            next_step="write it as http://127.0.0.1:8000",
            slug="upstream",
        )
    return str(url).rstrip("/")
