"""Model signatures of model-signing 0.2: read, never written.

They came before the specification and are still found beside published models. The files are the
statement's subjects; there is no root digest, no model name, and no list of what was left out. What
was signed is not DSSE's encoding but a text with Python's way of writing bytes in it, always with
SHA-256, whatever the curve.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.statement import Statement
from tidegate.core.identity.keys import PublicKey
from tidegate.core.identity.refusals import refusal

PREDICATE = "https://model_signing/Digests/v0.1"


def encoding(payload_type: str, payload: bytes) -> bytes:
    r"""Return what model-signing 0.2 signed.

    >>> encoding("t", b'{"a": "\xc3\xa9"}')
    b'DSSEV1 1 t 11 b\'{"a": "\\xc3\\xa9"}\''
    """
    return f"DSSEV1 {len(payload_type)} {payload_type} {len(payload)} {payload!r}".encode()


def verify(envelope: Envelope, key: PublicKey) -> None:
    """Check that a key signed an envelope in the old way.

    Raises:
        SignatureError: It did not.
    """
    public = load_der_public_key(key.der)
    message = encoding(envelope.payload_type, envelope.payload)
    for signature in envelope.signatures:
        try:
            if isinstance(public, EllipticCurvePublicKey):
                public.verify(signature.sig, message, ECDSA(SHA256()))
                return
        except InvalidSignature:
            continue
    raise refusal("bad-signature", f"key {key.key_id}")


def resources(statement: Statement) -> tuple[tuple[str, str], ...]:
    """Return each file with its SHA-256.

    Raises:
        VerificationError: It is another predicate (slug ``predicate-type``), or a file has no
            SHA-256 (slug ``inconsistent-manifest``).
    """
    if statement.predicate_type != PREDICATE:
        raise refusal("predicate-type", statement.predicate_type[:200])
    found = tuple((one.name, one.digests.get("sha256", "")) for one in statement.subjects)
    if not all(name and digest for name, digest in found) or len(dict(found)) != len(found):
        raise refusal("inconsistent-manifest", "subjects of a signature of model-signing 0.2")
    return found
