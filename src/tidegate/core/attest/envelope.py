"""DSSE v1: a payload with signatures over its type and its exact bytes.

The payload is kept as it came and is never written anew. A key id in an envelope is only a hint:
it is not signed, and decides nothing but the order of trying.

>>> from tidegate.core.identity.keys import PrivateKey, Scheme
>>> key = PrivateKey.generate(Scheme.ED25519)
>>> envelope = sign(b"{}", "application/json", [key])
>>> [signer.key_id == key.verifier.key_id for signer in verify(envelope, [key.verifier])]
[True]
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from tidegate.core import canonical
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import SignatureError
from tidegate.core.identity.reading import Fields, encode_base64
from tidegate.core.identity.refusals import refusal
from tidegate.core.identity.signer import Signer, Verifier

MAX_PAYLOAD = 16 * 1024 * 1024
MAX_BYTES = 24 * 1024 * 1024
MAX_SIGNATURES = 64
_MAX_SIGNATURE = 1_024


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature."""

    key_id: str
    """Unsigned hint; may be empty."""
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed payload."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return pae(self.payload_type, self.payload)

    @property
    def digest(self) -> Digest:
        """SHA-256 over the canonical bytes, by which the ledger names it."""
        return sha256(self.to_bytes())

    def to_json(self) -> dict[str, Json]:
        """Return the envelope as JSON."""
        return {
            "payload": encode_base64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [
                {"keyid": one.key_id, "sig": encode_base64(one.sig)} for one in self.signatures
            ],
        }

    def to_bytes(self) -> bytes:
        """Return canonical bytes."""
        return canonical.dumps(self.to_json())

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read an envelope; fields that DSSE does not define are ignored, as it says.

        Raises:
            VerificationError: A field is missing, wrong, too large, or not base64.
        """
        fields = Fields(value, "envelope")
        signatures = fields.array("signatures", limit=MAX_SIGNATURES, low=1)
        return cls(
            fields.base64("payload", limit=MAX_PAYLOAD, empty=True),
            fields.text("payloadType", limit=256),
            tuple(map(_signature, signatures)),
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an envelope of untrusted origin.

        Raises:
            VerificationError: It is no DSSE envelope.
        """
        return cls.from_json(canonical.loads(data, what="the envelope", limit=MAX_BYTES))


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding (DSSE protocol, "Signature Definition").

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, payload_type: str, signers: Iterable[Signer]) -> Envelope:
    """Sign a payload.

    Raises:
        UsageError: There is no signer.
        AccessError: A key can't be used.
    """
    envelope = Envelope(payload, payload_type, ())
    for signer in signers:
        envelope = add_signature(envelope, signer)
    if not envelope.signatures:
        raise refusal("no-signer")
    return envelope


def add_signature(envelope: Envelope, signer: Signer) -> Envelope:
    """Return the envelope with one more signature.

    Raises:
        AccessError: The key can't be used.
    """
    made = Signature(signer.verifier.key_id, signer.sign(envelope.message))
    return replace(envelope, signatures=(*envelope.signatures, made))


def verify(
    envelope: Envelope,
    keys: Sequence[Verifier],
    *,
    threshold: int = 1,
    principals: Mapping[str, str] | None = None,
) -> tuple[Verifier, ...]:
    """Return the keys that signed, if they are enough.

    Args:
        envelope: What was received.
        keys: Public keys that count.
        threshold: How many distinct keys, or principals, must have signed; at least 1.
        principals: Key id to principal. Where it is given, principals are counted, and a key
            that it does not name counts for nobody.

    Raises:
        SignatureError: Fewer have signed; the cause tells what became of each signature.
    """
    if threshold < 1:
        raise refusal("bad-threshold")
    message, accepted, told = envelope.message, dict[str, Verifier](), list[str]()
    for number, signature in enumerate(envelope.signatures, 1):
        key = signed_by(signature, message, keys)
        if key is None:
            told.append(f"signature {number} (key {signature.key_id[:16] or 'unnamed'}) is by none")
        else:
            accepted[key.key_id] = key
    counted = set(accepted)
    if principals is not None:
        counted = {principals[key_id] for key_id in accepted if key_id in principals}
    if len(counted) < threshold:
        slug = "too-few-signatures" if counted else "bad-signature"
        raise refusal(slug, f"envelope over {sha256(envelope.payload).short}", "; ".join(told))
    return tuple(accepted.values())


def signed_by(signature: Signature, message: bytes, keys: Iterable[Verifier]) -> Verifier | None:
    """Return the key that made a signature, trying the one that it names first."""
    for key in sorted(keys, key=lambda key: key.key_id != signature.key_id):
        try:
            key.verify(signature.sig, message)
        except SignatureError:
            continue
        return key
    return None


def _signature(value: Json) -> Signature:
    fields = Fields(value, "envelope")
    key_id = fields.text("keyid", limit=512, empty=True) if fields.has("keyid") else ""
    return Signature(key_id, fields.base64("sig", limit=_MAX_SIGNATURE))
