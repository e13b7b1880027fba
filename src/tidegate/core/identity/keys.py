"""Public and private keys: Ed25519, and ECDSA over P-256, P-384 and P-521.

>>> key = PrivateKey.generate(Scheme.ED25519)
>>> key.verifier.verify(key.sign(b"tide"), b"tide")
>>> PublicKey.from_pem(key.verifier.pem) == key.verifier
True
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tidegate.core.canonical import Json
from tidegate.core.errors import AccessError, TidegateError, VerificationError
from tidegate.core.identity.reading import Fields, encode_base64
from tidegate.core.identity.refusals import refusal

MAX_PEM = 16_384
"""Longest key text that is read, in bytes."""


class Scheme(StrEnum):
    """A key type with the one hash that goes with it."""

    ED25519 = "ed25519"
    P256 = "ecdsa-p256-sha256"
    P384 = "ecdsa-p384-sha384"
    P521 = "ecdsa-p521-sha512"


_CURVES = {
    "secp256r1": (Scheme.P256, SECP256R1(), hashes.SHA256()),
    "secp384r1": (Scheme.P384, SECP384R1(), hashes.SHA384()),
    "secp521r1": (Scheme.P521, SECP521R1(), hashes.SHA512()),
}
_BY_SCHEME = {scheme: (curve, digest) for scheme, curve, digest in _CURVES.values()}
UNREADABLE = (ValueError, UnsupportedAlgorithm, InternalError)
"""What ``cryptography`` raises on damaged keys; the last on a length that OpenSSL stumbles over."""
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_PKCS8 = serialization.PrivateFormat.PKCS8
_PLAIN = serialization.NoEncryption()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key; fulfils the ``Verifier`` protocol. Two are equal when their DER is."""

    der: bytes
    """SubjectPublicKeyInfo, in the one DER form that this module writes."""
    key_id: str
    """SHA-256 over the DER SubjectPublicKeyInfo, in lower-case hexadecimal."""
    scheme: Scheme
    """Key type and hash."""
    _key: Ed25519PublicKey | EllipticCurvePublicKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, key: object) -> Self:
        """Wrap a key of the ``cryptography`` package.

        Raises:
            VerificationError: It is of a kind that is not accepted (RSA, DSA, other curves).
        """
        if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey) or (
            isinstance(key, EllipticCurvePublicKey) and key.curve.name not in _CURVES
        ):
            raise _unsupported(key, VerificationError)
        der = key.public_bytes(serialization.Encoding.DER, _SPKI)
        scheme = Scheme.ED25519
        if isinstance(key, EllipticCurvePublicKey):
            scheme = _CURVES[key.curve.name][0]
        return cls(der, hashlib.sha256(der).hexdigest(), scheme, key)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read a PEM SubjectPublicKeyInfo.

        Raises:
            VerificationError: It is no public key, or of a kind that is not accepted.
        """
        return cls._load(serialization.load_pem_public_key, pem)

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read a DER SubjectPublicKeyInfo.

        Raises:
            VerificationError: It is no public key, or of a kind that is not accepted.
        """
        return cls._load(serialization.load_der_public_key, der)

    @classmethod
    def _load(cls, load: Callable[[bytes], object], data: bytes) -> Self:
        try:
            return cls.of(load(_bounded(data)))
        except UNREADABLE as error:
            raise refusal("bad-key", cause=str(error)) from None

    def to_json(self) -> dict[str, Json]:
        """Return key id and DER, as trust roots and key files hold them."""
        return {"keyId": self.key_id, "spki": encode_base64(self.der)}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: It is no key that is accepted, or not the one that its id says.
        """
        fields = Fields(value, "public-key")
        key = cls.from_der(fields.base64("spki", limit=1_024))
        if fields.text("keyId") != key.key_id or encode_base64(key.der) != fields.text("spki"):
            raise fields.refuse("it is another key than its id says", where="keyId")
        fields.done()
        return key

    @property
    def pem(self) -> bytes:
        """The key as PEM SubjectPublicKeyInfo."""
        return self._key.public_bytes(serialization.Encoding.PEM, _SPKI)

    @property
    def hint(self) -> str:
        """SHA-256 over the PEM text, as Sigstore bundles of OMS name a key."""
        return hashlib.sha256(self.pem).hexdigest()

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key, as signed notes carry it.

        Raises:
            UsageError: It is an ECDSA key.
        """
        if not isinstance(self._key, Ed25519PublicKey):
            raise refusal("needs-ed25519", f"key {self.key_id}")
        return self._key.public_bytes_raw()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature over a message.

        Raises:
            SignatureError: It does not verify.
        """
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                self._key.verify(signature, message, ECDSA(_BY_SCHEME[self.scheme][1]))
        except InvalidSignature:
            raise refusal("bad-signature", f"key {self.key_id}") from None


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key in this process's memory; fulfils the ``Signer`` protocol."""

    verifier: PublicKey
    sealed: bool
    """Whether it is protected where it is kept; a key that was only generated is not."""
    _key: Ed25519PrivateKey | EllipticCurvePrivateKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, key: object, *, sealed: bool = False) -> Self:
        """Wrap a key of the ``cryptography`` package.

        Raises:
            AccessError: It is of a kind that is not accepted (RSA, DSA, other curves).
        """
        if isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
            try:
                return cls(PublicKey.of(key.public_key()), sealed, key)
            except VerificationError:
                pass
        raise _unsupported(key, AccessError)

    @classmethod
    def generate(cls, scheme: Scheme) -> Self:
        """Make a new key."""
        if scheme is Scheme.ED25519:
            return cls.of(Ed25519PrivateKey.generate())
        return cls.of(generate_private_key(_BY_SCHEME[scheme][0]))

    @classmethod
    def from_pem(cls, pem: bytes, *, passphrase: bytes | None = None) -> Self:
        """Read a PEM private key; an encrypted one counts as sealed.

        Raises:
            AccessError: It is no private key, of a kind that is not accepted, or the passphrase
                is missing or wrong.
        """
        try:
            key = serialization.load_pem_private_key(_bounded(pem), passphrase)
        except (TypeError, *UNREADABLE) as error:
            raise refusal("bad-key", cause=str(error), kind=AccessError) from None
        return cls.of(key, sealed=passphrase is not None)

    def to_pem(self, *, passphrase: bytes | None = None) -> bytes:
        """Write PKCS#8 PEM, encrypted where a passphrase is given."""
        seal = serialization.BestAvailableEncryption(passphrase) if passphrase else _PLAIN
        return self._key.private_bytes(serialization.Encoding.PEM, _PKCS8, seal)

    def secret(self) -> bytes:
        """Return PKCS#8 DER, not encrypted: for the sealing module only."""
        return self._key.private_bytes(serialization.Encoding.DER, _PKCS8, _PLAIN)

    @classmethod
    def from_secret(cls, der: bytes, *, sealed: bool) -> Self:
        """Read what :meth:`secret` returned.

        Raises:
            AccessError: It is no private key, or of a kind that is not accepted.
        """
        try:
            return cls.of(serialization.load_der_private_key(_bounded(der), None), sealed=sealed)
        except (TypeError, *UNREADABLE):
            raise refusal("bad-key", kind=AccessError) from None

    def sign(self, message: bytes) -> bytes:
        """Sign a message: Ed25519 (RFC 8032), or ECDSA in ASN.1 DER (FIPS 186-5)."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ECDSA(_BY_SCHEME[self.verifier.scheme][1]))

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled")


def _unsupported(key: object, kind: type[TidegateError]) -> TidegateError:
    found = f"it is of type {type(key).__name__}"
    if isinstance(key, EllipticCurvePublicKey | EllipticCurvePrivateKey):
        found = f"it is on the curve {key.curve.name}"
    return refusal("unsupported-key", cause=found, kind=kind)


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_PEM:
        raise ValueError(f"it is larger than {MAX_PEM} bytes")
    return data
