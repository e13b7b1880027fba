"""Signatures and attestations of images as cosign writes them, verified with public keys.

Three forms: the simple-signing payload in a manifest that the tag ``sha256-….sig`` names (its
signature stands in an annotation), DSSE envelopes under ``….att``, and Sigstore bundles v0.3 in a
manifest whose subject is the image. What counts is that a given key signed bytes that name the
image's digest; transparency logs and certificates of others are not consulted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tidegate.core import canonical
from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.digest import Digest
from tidegate.core.errors import SignatureError, VerificationError
from tidegate.core.identity.keys import PublicKey
from tidegate.core.identity.reading import Fields, decode_base64
from tidegate.interop.bundle import Bundle
from tidegate.interop.oci.model import Descriptor, ImageSource

SIMPLE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
PROOFS: Final = frozenset({SIMPLE, ENVELOPE, BUNDLE})
"""Media types of layers that hold a signature or an attestation."""
SIGNATURE: Final = "dev.cosignproject.cosign/signature"
SIGN_PREDICATE: Final = "https://sigstore.dev/cosign/sign/v1"
_KINDS: Final = frozenset({"cosign container image signature", "atomic container signature"})
_SAVED: Final = "kind"
"""Annotation by which ``cosign save`` marks manifests of a layout."""
_MOST: Final = 100
_WHAT: Final = "image-signature"


class Form(StrEnum):
    """How a signature is written."""

    SIMPLE = "simple signing"
    ENVELOPE = "envelope"
    BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a key says of an image."""

    form: Form
    key_id: str
    predicate: str
    """Predicate type of an attestation; empty for a signature."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that was found beside an image."""

    proofs: tuple[Proof, ...]
    refused: tuple[str, ...]
    """Why each of the others does not count."""
    foreign: int
    """Signed by keys that were not given."""

    @property
    def signed(self) -> bool:
        """Whether a given key signed the image itself."""
        return any(not one.predicate for one in self.proofs)

    @property
    def predicates(self) -> tuple[str, ...]:
        """Predicate types of verified attestations."""
        return tuple(sorted({one.predicate for one in self.proofs if one.predicate}))


def verify_image(source: ImageSource, digest: Digest, keys: Sequence[PublicKey]) -> Verdict:
    """Verify what is found beside an image.

    Args:
        source: Where the image is.
        digest: The manifest or index that is asked about.
        keys: Whose signatures count.

    Raises:
        RemoteError: The registry can't be asked.
    """
    proofs: list[Proof] = []
    refused: list[str] = []
    foreign = 0
    for layer in _layers(source, digest, refused):
        try:
            proofs.append(_verify(source, layer, digest, keys))
        except SignatureError:
            foreign += 1
        except VerificationError as error:
            refused.append(f"{layer.digest.short}: {error.problem}: {error.cause or ''}"[:300])
    return Verdict(tuple(dict.fromkeys(proofs)), tuple(refused), foreign)


def _layers(source: ImageSource, digest: Digest, refused: list[str]) -> Iterator[Descriptor]:
    stem = f"{digest.algorithm}-{digest.hex}"
    found = [*source.tagged(f"{stem}.sig"), *source.tagged(f"{stem}.att"), *_saved(source)]
    found += source.referrers(digest)
    count = 0
    for one in {item.digest: item for item in found}.values():
        try:
            manifest = source.manifest(one.digest)
        except VerificationError as error:
            refused.append(f"{one.digest.short}: {error.problem}")
            continue
        for layer in manifest.layers:
            count += 1
            if count > _MOST:
                refused.append(f"more than {_MOST} signatures")
                return
            if layer.media_type in PROOFS:
                yield layer


def _saved(source: ImageSource) -> Iterator[Descriptor]:
    for one in getattr(source, "manifests", ()):
        kind = one.annotations.get(_SAVED, "")
        if kind.startswith("dev.cosignproject.cosign/") and kind.endswith(("/sigs", "/atts")):
            yield one


def _verify(
    source: ImageSource, layer: Descriptor, digest: Digest, keys: Sequence[PublicKey]
) -> Proof:
    data = source.blob(layer)
    if layer.media_type == SIMPLE:
        return _simple(data, layer, digest, keys)
    if layer.media_type == ENVELOPE:
        return _statement(Envelope.parse(data), Form.ENVELOPE, digest, keys)
    return _statement(Bundle.parse(data).envelope, Form.BUNDLE, digest, keys)


def _simple(data: bytes, layer: Descriptor, digest: Digest, keys: Sequence[PublicKey]) -> Proof:
    try:
        signature = decode_base64(layer.annotations.get(SIGNATURE, "")[:4_096])
    except ValueError as error:
        raise VerificationError(
            "not a valid image signature", cause=str(error), slug=f"bad-{_WHAT}"
        ) from None
    fields = Fields(canonical.loads(data, what="the payload", limit=1 << 20), _WHAT)
    critical = Fields(fields.any("critical"), _WHAT)
    if critical.text("type", limit=100) not in _KINDS:
        raise fields.refuse("it is of another type", where="critical.type")
    named = Fields(critical.any("image"), _WHAT).text("docker-manifest-digest", limit=200)
    if named != str(digest):
        raise fields.refuse(f"it is about {named[:19]}, another image")
    by = dsse.signed_by(dsse.Signature("", signature), data, keys)
    if by is None:
        raise SignatureError("no given key signed it", slug="bad-signature")
    return Proof(Form.SIMPLE, by.key_id, "")


def _statement(envelope: Envelope, form: Form, digest: Digest, keys: Sequence[PublicKey]) -> Proof:
    if envelope.payload_type != PAYLOAD_TYPE:
        raise VerificationError(
            "not a valid image signature",
            cause=f"its payload is {envelope.payload_type[:60]}",
            slug=f"bad-{_WHAT}",
        )
    by = dsse.verify(envelope, keys)[0] if keys else None
    if by is None:
        raise SignatureError("no given key signed it", slug="bad-signature")
    statement = Statement.parse(envelope.payload)
    if not any(one.digests.get(digest.algorithm) == digest.hex for one in statement.subjects):
        raise VerificationError(
            "not a valid image signature", cause="it is about another image", slug=f"bad-{_WHAT}"
        )
    predicate = "" if statement.predicate_type == SIGN_PREDICATE else statement.predicate_type
    return Proof(form, by.key_id, predicate[:300])
