"""Sigstore bundle v0.3: an envelope with what is needed to find its key.

Written so that cosign, sigstore-js and the model-signing tool read it. Entries of a public
transparency log are kept as they come and prove nothing here; the proof of our own log travels in
an evidence file, not in these fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from tidegate.core import canonical
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.uris import BUNDLE_V03
from tidegate.core.canonical import Json
from tidegate.core.identity.reading import Fields, encode_base64
from tidegate.interop.certs import MAX_CERTIFICATE, MAX_CHAIN

MAX_BYTES = 32 * 1024 * 1024
_MEDIA_TYPES = frozenset(
    {BUNDLE_V03, *(f"application/vnd.dev.sigstore.bundle+json;version=0.{n}" for n in (1, 2, 3))}
)
_WHAT = "bundle"


class CertificateField(StrEnum):
    """Where certificates stand in the verification material."""

    CHAIN = "x509CertificateChain"
    """Leaf and intermediates, as OpenSSF Model Signing writes them."""
    LEAF = "certificate"
    """A leaf of a public certificate authority; needs an entry of a transparency log."""


@dataclass(frozen=True, slots=True)
class KeyHint:
    """A public key that the verifier has already, by a hint."""

    hint: str
    """May be empty; an unsigned hint, which decides nothing."""
    raw: bytes = b""
    """Key bytes, as releases of model-signing before 1.0 wrote them; never trusted."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """X.509 certificates, the leaf first, in DER."""

    der: tuple[bytes, ...]
    place: CertificateField = CertificateField.CHAIN


@dataclass(frozen=True, slots=True)
class Bundle:
    """An envelope with its verification material."""

    envelope: Envelope
    material: KeyHint | Certificates
    tlog_entries: tuple[Json, ...] = ()
    """Entries of a foreign transparency log, as read."""
    timestamps: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """``timestampVerificationData``, as read."""
    media_type: str = BUNDLE_V03

    def to_json(self) -> dict[str, Json]:
        """Return the bundle as JSON."""
        material = self.material
        shown: dict[str, Json] = {"tlogEntries": list(self.tlog_entries)}
        if isinstance(material, KeyHint):
            raw = {"rawBytes": encode_base64(material.raw)} if material.raw else {}
            shown["publicKey"] = {"hint": material.hint, **raw}
        else:
            certificates = [{"rawBytes": encode_base64(der)} for der in material.der]
            if material.place is CertificateField.LEAF:
                shown["certificate"] = certificates[0]
            else:
                shown["x509CertificateChain"] = {"certificates": certificates}
        if self.timestamps:
            shown["timestampVerificationData"] = dict(self.timestamps)
        return {
            "mediaType": self.media_type,
            "verificationMaterial": shown,
            "dsseEnvelope": self.envelope.to_json(),
        }

    def to_bytes(self) -> bytes:
        """Return canonical bytes."""
        return canonical.dumps(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a bundle of untrusted origin.

        Raises:
            VerificationError: It is no Sigstore bundle with a DSSE envelope, or lacks what its
                kind of verification material needs.
        """
        fields = Fields(canonical.loads(data, what="the bundle", limit=MAX_BYTES), _WHAT)
        media_type = fields.text("mediaType", limit=128)
        if media_type not in _MEDIA_TYPES:
            raise fields.refuse(f"{media_type!r} is not read", where="mediaType")
        if fields.has("messageSignature"):
            raise fields.refuse("it signs a message, not a statement", where="messageSignature")
        envelope = Envelope.from_json(fields.any("dsseEnvelope"))
        if len(envelope.signatures) != 1:
            raise fields.refuse("a bundle has exactly one signature", where="dsseEnvelope")
        given = Fields(fields.any("verificationMaterial"), _WHAT)
        entries = given.array("tlogEntries", limit=32) if given.has("tlogEntries") else []
        stamps = "timestampVerificationData"
        timestamps = given.object(stamps) if given.has(stamps) else {}
        material = _material(given, logged=bool(entries))
        fields.done()
        return cls(envelope, material, tuple(entries), timestamps, media_type)


def _material(given: Fields, *, logged: bool) -> KeyHint | Certificates:
    names = [name for name in ("publicKey", *CertificateField) if given.has(name)]
    if len(names) != 1:
        raise given.refuse("it needs one of publicKey, x509CertificateChain and certificate")
    if names == ["publicKey"]:
        key = Fields(given.any("publicKey"), _WHAT)
        hint = key.text("hint", limit=512, empty=True) if key.has("hint") else ""
        raw = key.base64("rawBytes", limit=4_096) if key.has("rawBytes") else b""
        return KeyHint(hint, raw)
    if names == [CertificateField.LEAF]:
        if not logged:
            raise given.refuse("a lone certificate needs an entry of a transparency log")
        return Certificates((_certificate(given.any("certificate")),), CertificateField.LEAF)
    chain = Fields(given.any("x509CertificateChain"), _WHAT)
    listed = chain.array("certificates", limit=MAX_CHAIN, low=1)
    return Certificates(tuple(map(_certificate, listed)))


def _certificate(value: Json) -> bytes:
    return Fields(value, _WHAT).base64("rawBytes", limit=MAX_CERTIFICATE)
