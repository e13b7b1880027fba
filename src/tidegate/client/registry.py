"""A container registry over HTTP (OCI distribution specification 1.1), for reading only.

Every answer is bounded in size and time and checked against the digest that was asked for.
Credentials go to the registry and to the token service that it names, and to nobody else: a
redirect to a store of blobs is followed without them.

::

    with Registry(Reference.parse("registry.example/team/app:1"), plain=False) as registry:
        registry.manifest(registry.resolve())
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from time import monotonic
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import httpx

from tidegate.core import canonical
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import AccessError, RemoteError, SubjectError, VerificationError
from tidegate.core.identity.reading import Fields
from tidegate.interop.oci.layout import blob_error, checked
from tidegate.interop.oci.model import (
    INDEX,
    MANIFESTS,
    MAX_BLOB,
    MAX_MANIFEST,
    MAX_PARTS,
    Descriptor,
    Manifest,
    Reference,
)

_OK: Final = 200
_UNAUTHORISED: Final = frozenset({401, 403})
_NOT_FOUND: Final = frozenset({404, 410})
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_MOST_MOVES: Final = 3
_MAX_TOKEN: Final = 1 << 20
_CHUNK: Final = 1 << 20
_PARAMETER: Final = re.compile(r'([a-z]+)="([^"\\]*)"')
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Registry:
    """One repository of a registry; fulfils ``ImageSource``.

    Args:
        reference: What is asked for.
        credentials: ``user:password``, or a bearer token where it has no colon.
        timeout: Seconds for each step of a request.
        patience: Seconds for one whole answer.
        client: A configured client (own authorities, mTLS); closed by its owner.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        credentials: str | None = None,
        timeout: float = 10.0,
        patience: float = 600.0,
        client: httpx.Client | None = None,
    ) -> None:
        self.reference = reference
        host = urlsplit(f"//{reference.host}").hostname
        scheme = "http" if host in _LOOPBACK else "https"
        self._base = f"{scheme}://{reference.host}/v2/{reference.name}"
        self._credentials = credentials
        self._authorization: str | None = None
        self._patience = patience
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
        if self._own:
            self._client.close()

    def resolve(self) -> Descriptor:
        """Return what the reference names now.

        Raises:
            SubjectError: There is no such image.
            AccessError: The registry wants credentials.
            RemoteError: It can't be asked, or answers with nonsense.
            VerificationError: The answer is not what the reference's digest says.
        """
        wanted = str(self.reference.digest or self.reference.tag or "latest")
        answer = self._get(f"manifests/{wanted}", MAX_MANIFEST, accept=", ".join(MANIFESTS))
        if answer is None:
            raise SubjectError(
                "there is no such image",
                where=f"{self.reference.repository}:{wanted}",
                next_step="check name, tag and access",
                slug="no-image",
            )
        data, kind = answer
        digest = self.reference.digest or Digest("sha256", hashlib.sha256(data).hexdigest())
        _require(data, digest)
        return Descriptor(kind, digest, len(data))

    def manifest(self, digest: Digest, media_type: str = "") -> Manifest:
        """Return a manifest."""
        answer = self._get(f"manifests/{digest}", MAX_MANIFEST, accept=", ".join(MANIFESTS))
        if answer is None:
            raise blob_error("content is not there", digest)
        _require(answer[0], digest)
        return Manifest.read(answer[0], digest, media_type)

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return a small blob whole."""
        if descriptor.size > MAX_BLOB:
            raise blob_error(f"content is larger than {MAX_BLOB} bytes", descriptor.digest)
        return b"".join(self.stream(descriptor))

    def stream(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob."""
        path = f"blobs/{descriptor.digest}"
        yield from checked(self._pieces(f"{self._base}/{path}", descriptor), descriptor)

    def tagged(self, tag: str) -> Sequence[Descriptor]:
        """Return what a tag names."""
        answer = self._get(f"manifests/{tag}", MAX_MANIFEST, accept=", ".join(MANIFESTS))
        if answer is None:
            return ()
        data, kind = answer
        return (Descriptor(kind, Digest("sha256", hashlib.sha256(data).hexdigest()), len(data)),)

    def referrers(self, digest: Digest) -> Sequence[Descriptor]:
        """Return what the referrers API lists, or the tag that stands in for it."""
        answer = self._get(f"referrers/{digest}", MAX_MANIFEST, accept=INDEX)
        if answer is None:
            # Distribution specification, "Unavailable Referrers API".
            tag = f"{digest.algorithm}-{digest.hex}"
            answer = self._get(f"manifests/{tag}", MAX_MANIFEST, accept=INDEX)
        if answer is None:
            return ()
        fields = Fields(canonical.loads(answer[0], what="the referrers"), "image-index")
        return tuple(map(Descriptor.read, fields.array("manifests", limit=MAX_PARTS)))

    def _get(self, path: str, limit: int, *, accept: str) -> tuple[bytes, str] | None:
        """Return body and media type; nothing where nothing is there."""
        url = f"{self._base}/{path}"
        for attempt in (1, 2):
            status, headers, body = self._request(url, limit, {"accept": accept})
            if status in _UNAUTHORISED and attempt == 1 and self._authorise(headers):
                continue
            if status in _NOT_FOUND:
                return None
            if status in _UNAUTHORISED:
                raise self._denied(url, status)
            if status != _OK:
                raise self._error(url, f"it answers {status}")
            return body, headers.get("content-type", "").partition(";")[0].strip()
        raise self._denied(url, 401)

    def _request(
        self, url: str, limit: int, headers: dict[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        given = {
            **headers,
            **({"authorization": self._authorization} if self._authorization else {}),
        }
        body, deadline = bytearray(), monotonic() + self._patience
        try:
            with self._client.stream("GET", url, headers=given, follow_redirects=False) as answer:
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > limit:
                        raise self._error(url, f"the answer is larger than {limit} bytes")
                    if monotonic() > deadline:
                        raise self._error(url, f"the answer takes longer than {self._patience} s")
                return answer.status_code, answer.headers, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._error(url, type(error).__name__) from error

    def _pieces(self, url: str, descriptor: Descriptor) -> Iterator[bytes]:
        at_home, moves, tried = True, 0, False
        deadline = monotonic() + self._patience
        while True:
            given = (
                {"authorization": self._authorization} if at_home and self._authorization else {}
            )
            try:
                with self._client.stream(
                    "GET", url, headers=given, follow_redirects=False
                ) as answer:
                    if answer.status_code in _MOVED and moves < _MOST_MOVES:
                        moves += 1
                        url = urljoin(url, answer.headers.get("location", ""))
                        self._require_safe(url)
                        at_home = at_home and url.startswith(self._base)
                        continue
                    if answer.status_code in _UNAUTHORISED and at_home and not tried:
                        tried = True
                        if self._authorise(answer.headers):
                            continue
                    if answer.status_code != _OK:
                        raise blob_error(
                            "content is not there", descriptor.digest, f"HTTP {answer.status_code}"
                        )
                    for piece in answer.iter_raw(_CHUNK):
                        if monotonic() > deadline:
                            raise self._error(url, f"it takes longer than {self._patience} s")
                        yield piece
                    return
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._error(url, type(error).__name__) from error

    def _authorise(self, headers: httpx.Headers) -> bool:
        """Get what the registry asks for; tell whether there is something new to try."""
        challenge = headers.get("www-authenticate", "")
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic" and self._credentials and ":" in self._credentials:
            self._authorization = _basic(self._credentials)
            return True
        if kind.lower() != "bearer":
            return False
        if self._credentials and ":" not in self._credentials:
            self._authorization = f"Bearer {self._credentials}"
            return True
        asked = dict(_PARAMETER.findall(rest))
        realm = asked.pop("realm", "")
        self._require_safe(realm)
        self._authorization = f"Bearer {self._token(realm, asked)}"
        return True

    def _token(self, realm: str, asked: dict[str, str]) -> str:
        parameters = {key: asked[key] for key in ("service", "scope") if key in asked}
        headers = {"authorization": _basic(self._credentials)} if self._credentials else {}
        try:
            url = str(httpx.URL(realm, params=parameters))
        except httpx.InvalidURL as error:
            raise self._error(realm, str(error)) from None
        self._authorization = None
        status, _, body = self._request(url, _MAX_TOKEN, headers)
        if status in _UNAUTHORISED:
            raise self._denied(realm, status)
        if status != _OK:
            raise self._error(realm, f"it answers {status}")
        try:
            value: Json = canonical.loads(body, what="the token", limit=_MAX_TOKEN)
        except VerificationError as error:
            raise self._error(realm, error.problem) from None
        token = value.get("token") or value.get("access_token") if isinstance(value, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise self._error(realm, "it gives no token")
        return token

    def _require_safe(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise self._error(url[:200], "it leads to an address without TLS")

    def _error(self, where: str, cause: str) -> RemoteError:
        return RemoteError(
            "the registry can't be read",
            where=where,
            cause=cause,
            next_step="check the address and that the registry runs",
            slug="registry",
        )

    def _denied(self, where: str, status: int) -> AccessError:
        return AccessError(
            "the registry refuses access",
            where=where,
            cause=f"it answers {status}",
            next_step="name a file with credentials under images.token_file",
            slug="registry",
        )


def _basic(credentials: str) -> str:
    user, _, password = credentials.partition(":")
    request = httpx.Request("GET", "https://none.example")
    flow = httpx.BasicAuth(user, password).auth_flow(request)
    return str(next(flow).headers["authorization"])


def _require(data: bytes, digest: Digest) -> None:
    b"".join(checked(iter((data,)), Descriptor("", digest, len(data))))
