"""Talking to a log or a witness over HTTP: bounded in time and size, trusting nothing.

What is fetched here is verified by ``core.ledger``: use it as the fetch of a ``TileReader``::

    with HttpLog("https://log.example/acme") as remote:
        head = open_checkpoint(remote.checkpoint(), [key]).checkpoint
        reader = TileReader(FetchedTiles(remote.fetch), head.size, head.root)
"""

from time import monotonic
from types import TracebackType
from typing import Self

import httpx

from tidegate.core.errors import RemoteError
from tidegate.core.ledger.note import MAX_NOTE
from tidegate.core.ledger.tiles import MAX_BUNDLE

_OK = 200
_NOT_FOUND = frozenset({404, 410})


class HttpLog:
    """A log, or a witness, under a URL prefix.

    Args:
        prefix: Such as ``https://log.example/acme``; redirects are not followed.
        timeout: Seconds for each step of a request; a whole answer gets six times as long.
        max_bytes: Largest answer that is read.
        client: A configured client (mTLS, proxies); closed by its owner. Without one, a plain
            client is made, which reads no proxy settings from the environment.
    """

    def __init__(
        self,
        prefix: str,
        *,
        timeout: float = 10.0,
        max_bytes: int = MAX_BUNDLE,
        client: httpx.Client | None = None,
    ) -> None:
        self._prefix = prefix.rstrip("/")
        self._max_bytes = max_bytes
        self._patience = 6 * timeout
        self._own = client is None
        self._client = client or httpx.Client(timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are this object's own."""
        if self._own:
            self._client.close()

    def fetch(self, path: str) -> bytes | None:
        """Return the bytes at a path under the prefix; ``None`` if nothing is there.

        Raises:
            RemoteError: No answer in time, another status, or too large an answer.
        """
        status, body = self._request("GET", path, self._max_bytes)
        if status in _NOT_FOUND:
            return None
        if status != _OK:
            raise self._error(path, f"it answers {status}")
        return body

    def checkpoint(self) -> bytes:
        """Return the signed head, unverified.

        Raises:
            RemoteError: There is none, or it can't be had.
        """
        status, body = self._request("GET", "checkpoint", MAX_NOTE)
        if status != _OK:
            raise self._error("checkpoint", f"it answers {status}")
        return body

    def add_checkpoint(self, body: bytes) -> tuple[int, bytes]:
        """Send a witness request; return status and body of the answer.

        Raises:
            RemoteError: No answer in time, or too large an answer.
        """
        return self._request("POST", "add-checkpoint", MAX_NOTE, body)

    def _request(
        self, method: str, path: str, limit: int, content: bytes | None = None
    ) -> tuple[int, bytes]:
        url = f"{self._prefix}/{path}"
        body, deadline = bytearray(), monotonic() + self._patience
        try:
            with self._client.stream(method, url, content=content) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > limit:
                        raise self._error(path, f"the answer is larger than {limit} bytes")
                    if monotonic() > deadline:
                        raise self._error(path, f"the answer takes longer than {self._patience} s")
                return answer.status_code, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._error(path, type(error).__name__) from error

    def _error(self, path: str, cause: str) -> RemoteError:
        return RemoteError(
            "a log or witness can't be read",
            where=f"{self._prefix}/{path}",
            cause=cause,
            next_step="check the address and that the service runs",
            slug="http",
        )
