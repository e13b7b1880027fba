"""``hashivault://KEY``: a key of the transit engine of HashiCorp Vault or OpenBao.

Attributes: ``address`` (else ``VAULT_ADDR``), ``mount`` (``transit``), ``namespace`` (else
``VAULT_NAMESPACE``), ``version`` of the key (the newest, kept from then on), ``ca``, a file
with the server's certificate authority (else ``VAULT_CACERT``), and ``token-source``, a file with
the token (else ``VAULT_TOKEN``); no passphrase is ever offered as a token. ECDSA is signed over a
digest that is made here; for Ed25519 the message itself is sent, as the algorithm wants.
"""

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidegate.core.errors import AccessError, RemoteError, VerificationError
from tidegate.core.identity.keys import PublicKey, Scheme
from tidegate.core.identity.reading import decode_base64
from tidegate.custody.signers.opening import Access, Located, Unlocked, unreachable
from tidegate.custody.signers.uri import SignerUri, bad_uri, read_source

_QUERY = frozenset({"address", "mount", "namespace", "version", "ca", "token-source"})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MOUNT = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}")
_HASHES = {
    Scheme.P256: ("sha2-256", hashlib.sha256),
    Scheme.P384: ("sha2-384", hashlib.sha384),
    Scheme.P521: ("sha2-512", hashlib.sha512),
}
_TYPES = frozenset({"ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521"})
_MAX_ANSWER = 1 << 20
_SECONDS = 10.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def locate_vault(uri: SignerUri, access: Access, expected: PublicKey | None) -> Located:
    """Find a key by its public half; looking needs the token already.

    Raises:
        UsageError: The URI is not as above, or httpx is not installed.
        AccessError: The token is missing or may not, or there is no such key.
        RemoteError: The server can't be reached, or answers with nonsense.
    """
    vault = _Vault.of(uri, access)
    told = vault.call("GET", f"keys/{vault.key}")
    version, public = _choose(vault, told, uri, expected)
    pinned = uri.with_query(version=str(version), address=vault.address)
    # Vault hands an exportable key out to whoever asks: it is no better kept than a plain file.
    sealed = not (told.get("exportable") or told.get("allow_plaintext_backup"))

    def sign(message: bytes) -> bytes:
        return vault.sign(message, public.scheme, version)

    return Located(public, pinned, lambda: Unlocked(sealed, sign))


@dataclass(frozen=True, slots=True)
class _Vault:
    address: str
    mount: str
    key: str
    headers: Mapping[str, str] = field(repr=False)
    tls: ssl.SSLContext = field(repr=False)

    @classmethod
    def of(cls, uri: SignerUri, access: Access) -> "_Vault":
        query, name = uri.query_attributes(_QUERY), uri.body.removeprefix("//")
        if not uri.body.startswith("//") or not _NAME.fullmatch(name):
            raise bad_uri("hashivault", "write it as hashivault://KEY")
        mount = query.get("mount", "transit")
        if not _MOUNT.fullmatch(mount):
            raise bad_uri("hashivault", "its mount is no path of an engine")
        address = query.get("address") or access.environ.get("VAULT_ADDR", "")
        token = read_source(uri, "token-source") or access.environ.get("VAULT_TOKEN", "").encode()
        if not re.fullmatch(rb"[!-~]{1,4096}", token):
            raise AccessError(
                "the Vault token is missing, or is none",
                where=f"hashivault: {name}",
                next_step="name a file with it: ?token-source=/path; or set VAULT_TOKEN",
                slug="signer-secret",
            )
        headers = {"X-Vault-Token": token.decode("ascii"), "X-Vault-Request": "true"}
        namespace = query.get("namespace") or access.environ.get("VAULT_NAMESPACE", "")
        if namespace:
            headers["X-Vault-Namespace"] = quote(namespace, safe="/-_.")
        ca = query.get("ca") or access.environ.get("VAULT_CACERT") or None
        return cls(_address(address), mount, name, headers, _tls(ca))

    def sign(self, message: bytes, scheme: Scheme, version: int) -> bytes:
        body: dict[str, Any] = {"key_version": version}
        if scheme is Scheme.ED25519:
            body["input"] = base64.b64encode(message).decode()
        else:
            name, hasher = _HASHES[scheme]
            body["input"] = base64.b64encode(hasher(message).digest()).decode()
            body |= {"prehashed": True, "hash_algorithm": name, "marshaling_algorithm": "asn1"}
        answer = self.call("POST", f"sign/{self.key}", body)
        given, prefix = str(answer.get("signature", "")), f"vault:v{version}:"
        if not given.startswith(prefix):
            raise self.nonsense("the signature is of another version")
        try:
            return decode_base64(given.removeprefix(prefix))
        except ValueError as error:
            raise self.nonsense(f"no signature: {error}") from None

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Call the engine, and return the answer's data."""
        try:
            import httpx  # noqa: PLC0415 - an optional dependency
        except ImportError:
            raise unreachable("hashivault", "vault", "httpx") from None
        url = f"{self.address}/v1/{self.mount}/{path}"
        try:
            # No redirects, and no proxy from the environment: the token goes where it was sent.
            with (
                httpx.Client(timeout=_SECONDS, trust_env=False, verify=self.tls) as client,
                client.stream(method, url, headers=dict(self.headers), json=body) as answer,
            ):
                data = b""
                for piece in answer.iter_bytes():
                    data += piece
                    if len(data) > _MAX_ANSWER:
                        raise self.nonsense("the answer is too long")
        except httpx.HTTPError as error:
            raise RemoteError(
                "Vault can't be reached",
                where=self.address,
                cause=type(error).__name__,
                next_step="check address, network and certificate authority",
                slug="signer-unreachable",
            ) from None
        return self._data(answer.status_code, data)

    def _data(self, status: int, data: bytes) -> Mapping[str, Any]:
        if status in {400, 401, 403, 404}:
            causes = {403: "the token may not", 404: "there is no such key or engine"}
            raise AccessError(
                "Vault refused",
                where=f"hashivault: {self.key}",
                cause=f"{causes.get(status, 'the request is not as it wants it')} ({status})",
                next_step="check key, mount, and the policy of the token",
                slug="signer-refused",
            )
        try:
            found = json.loads(data)["data"] if status == 200 else None  # noqa: PLR2004 - OK
        except (ValueError, KeyError, TypeError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self.nonsense(f"status {status}")
        return found

    def nonsense(self, cause: str) -> RemoteError:
        return RemoteError(
            "Vault answers with nonsense",
            where=self.address,
            cause=cause[:200],
            next_step="check that the address is that of a Vault, and unsealed",
            slug="signer-unreachable",
        )


def _choose(
    vault: _Vault, told: Mapping[str, Any], uri: SignerUri, expected: PublicKey | None
) -> tuple[int, PublicKey]:
    """Return the version that is named, else the one with the expected key, else the newest."""
    kind, versions = told.get("type"), told.get("keys")
    if kind not in _TYPES or not isinstance(versions, dict) or not versions:
        raise AccessError(
            "the key in Vault is of a kind that is not accepted",
            where=f"hashivault: {vault.key}",
            cause=f"its type is {str(kind)[:40]}",
            next_step=f"make one of {', '.join(sorted(_TYPES))}",
            slug="signer-refused",
        )
    known = {
        int(number): item.get("public_key")
        for number, item in versions.items()
        if str(number).isdecimal() and isinstance(item, dict)
    }
    if (asked := uri.query.get("version")) is not None:
        if not asked.isdecimal() or int(asked) not in known:
            raise bad_uri("hashivault", "the key has no such version")
        return int(asked), _public(vault, kind, known[int(asked)])
    for number in sorted(known, reverse=True):
        public = _public(vault, kind, known[number])
        if expected in {None, public}:
            return number, public
    return max(known), _public(vault, kind, known[max(known)])


def _public(vault: _Vault, kind: str, text: object) -> PublicKey:
    try:
        if kind == "ed25519":
            raw = decode_base64(str(text))
            return PublicKey.of(Ed25519PublicKey.from_public_bytes(raw))
        return PublicKey.from_pem(str(text).encode())
    except (ValueError, VerificationError):
        raise vault.nonsense("its public key can't be read") from None


def _address(text: str) -> str:
    parts = urlsplit(text)
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or plain) or "@" in parts.netloc:
        raise bad_uri(
            "hashivault", "it needs an address: https://…; http:// only to this machine itself"
        )
    return text.rstrip("/")


def _tls(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise AccessError(
            "the certificate authority can't be read",
            where=ca,
            cause=str(error)[:200],
            next_step="name a PEM file",
            slug="signer-refused",
        ) from None
