"""``awskms:``, ``gcpkms:`` and ``azurekms:``: keys of cloud services, through securesystemslib.

Credentials come from where each service's own library looks for them; no URI holds any. Only
ECDSA keys are taken, on P-256 and P-384, in Azure also on P-521: what securesystemslib signs with.

::

    awskms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd-…
    gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1
    azurekms://acme.vault.azure.net/keys/release/0123456789abcdef
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_public_key

from tidegate.core.errors import AccessError, RemoteError, TidegateError, VerificationError
from tidegate.core.identity.keys import PublicKey, Scheme
from tidegate.custody.signers.opening import Access, Located, Unlocked, unreachable
from tidegate.custody.signers.uri import SignerUri, bad_uri

SCHEMES = {
    Scheme.P256: "ecdsa-sha2-nistp256",
    Scheme.P384: "ecdsa-sha2-nistp384",
    Scheme.P521: "ecdsa-sha2-nistp521",
}
"""Ours to securesystemslib's, for the schemes that it has for ECDSA."""


@dataclass(frozen=True, slots=True)
class _Service:
    """One cloud service."""

    extra: str
    needs: tuple[str, ...]
    """Modules of its library."""
    signer: str
    body: re.Pattern[str]
    """What its keys are called."""


_SERVICES = {
    "awskms": _Service(
        "aws", ("securesystemslib", "boto3"), "AWSSigner", re.compile(r"[A-Za-z0-9:/_.-]{1,400}")
    ),
    "gcpkms": _Service(
        "gcp",
        ("securesystemslib", "google.cloud.kms"),
        "GCPSigner",
        re.compile(
            r"projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+"
            r"/cryptoKeys/[\w-]+/cryptoKeyVersions/\d+"
        ),
    ),
    "azurekms": _Service(
        "azure",
        ("securesystemslib", "azure.identity", "azure.keyvault.keys"),
        "AzureSigner",
        re.compile(r"//([A-Za-z0-9-]+)\.vault\.azure\.net/keys/([A-Za-z0-9-]+)(?:/[0-9a-f]+)?"),
    ),
}


def locate_kms(uri: SignerUri, access: Access, expected: PublicKey | None) -> Located:  # noqa: ARG001 - a Driver
    """Find a key of a cloud service; where its public half is known, nothing is asked yet.

    Raises:
        UsageError: The URI names no key, or the service's library is not installed.
        AccessError: The service refuses, or the key is of a kind that is not accepted.
    """
    service = _SERVICES[uri.scheme]
    uri.query_attributes(frozenset())
    matched = service.body.fullmatch(uri.body)
    if matched is None:
        raise bad_uri(uri.scheme, "it names no key of this service")
    for module in service.needs:
        try:
            import_module(module)
        except ImportError:
            raise unreachable(uri.scheme, service.extra, module) from None
    made = getattr(import_module("securesystemslib.signer"), service.signer)
    public, found = expected, uri
    if public is None:
        names = matched.groups() or (uri.body,)
        given, key = _calling(uri.scheme, lambda: made.import_(*names))
        public, found = public_of(key), SignerUri.parse(given)
    known = public

    def unlock() -> Unlocked:
        key = sslib_key(known)
        return adapt(_calling(uri.scheme, lambda: made.from_priv_key_uri(str(found), key)))

    return Located(known, found, unlock)


def adapt(signer: Any) -> Unlocked:
    """Return what signs by a ``Signer`` of securesystemslib."""

    def sign(message: bytes) -> bytes:
        made = _calling(type(signer).__name__, lambda: signer.sign(message))
        try:
            return bytes.fromhex(made.signature)
        except (ValueError, TypeError, AttributeError):
            raise _failed(type(signer).__name__, "its signature is no hexadecimal text") from None

    return Unlocked(sealed=True, sign=sign)


def sslib_key(public: PublicKey) -> Any:
    """Return a public key as securesystemslib has it.

    Raises:
        AccessError: It is Ed25519, which these services are not asked to sign with.
    """
    if public.scheme not in SCHEMES:
        raise _failed(public.scheme, "only ECDSA keys are taken")
    key = import_module("securesystemslib.signer").SSlibKey
    return _calling(
        public.scheme,
        lambda: key.from_crypto(load_der_public_key(public.der), scheme=SCHEMES[public.scheme]),
    )


def public_of(key: Any) -> PublicKey:
    """Return the public key that securesystemslib read.

    Raises:
        AccessError: It is of a kind that is not accepted, or would sign with another hash.
    """
    try:
        public = PublicKey.from_pem(key.keyval["public"].encode())
    except (VerificationError, KeyError, AttributeError, TypeError):
        raise _failed(str(getattr(key, "scheme", "?"))[:60], "only ECDSA keys are taken") from None
    if SCHEMES.get(public.scheme) != key.scheme:
        raise _failed(str(key.scheme)[:60], "only ECDSA keys are taken")
    return public


def _calling(where: str, act: Callable[[], Any]) -> Any:
    """Call a service's library, whose errors are its own, and many."""
    try:
        return act()
    except TidegateError:
        raise
    except Exception as error:  # noqa: BLE001 - securesystemslib documents none
        raise RemoteError(
            "the key service failed",
            where=where,
            # Its text may quote a request; the class says what kind of failure it is.
            cause=type(error).__name__,
            next_step="check the credentials, the region, and the key's policy",
            slug="signer-unreachable",
        ) from None


def _failed(where: str, cause: str) -> AccessError:
    return AccessError(
        "the service's key can't be used",
        where=where,
        cause=cause,
        next_step="use an ECDSA key on P-256 or P-384",
        slug="signer-refused",
    )
