"""OpenSSF Model Signing v1.0: sign a model's files, and name each that differs from the signature.

The signature is a Sigstore bundle over an in-toto statement whose predicate lists every file with
its digest, and whose one subject is the SHA-256 over these digests one after the other. Keys are
ECDSA, as the specification wants; a bundle carries a hint to the key, or its certificates.

::

    bundle = sign_model(Path("model"), signer)
    verify_model(Path("model"), bundle, signer.verifier).require_intact()
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Self

from cryptography.x509 import Certificate

from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import MODEL_SIGNATURE, PAYLOAD_TYPE
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.errors import SignatureError
from tidegate.core.identity.keys import PublicKey, Scheme
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.refusals import refusal
from tidegate.core.identity.signer import Signer
from tidegate.interop import oms_old
from tidegate.interop.bundle import Bundle, Certificates, KeyHint
from tidegate.interop.certs import certificate_der, load_certificate, verify_chain
from tidegate.interop.modelfiles import (
    MAX_FILES,
    HashType,
    Listing,
    Serialization,
    list_model,
)

GIT_PATHS = (".git", ".gitattributes", ".github", ".gitignore")
"""What is left out by default, as other tools of the specification do."""
_WHAT = "model-signature"
_HEX = re.compile(r"(?:[0-9a-f]{2})+")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class CertificateTrust:
    """Trust in signer certificates: their roots, and the moment that counts."""

    roots: tuple[Certificate, ...]
    at: Micros
    """When the model was signed, by a log."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The signed list of a model's parts."""

    name: str
    how: Serialization
    resources: tuple[tuple[str, str], ...]
    """Resource name and digest, in the order that the root digest is over."""
    version: str = "1.0"
    """Of the format that it was read from; one of ``0.2`` had no root digest and no name."""

    @classmethod
    def of(cls, name: str, listing: Listing, how: Serialization) -> Self:
        """Make the manifest of what was listed."""
        return cls(name, how, tuple(part for parts in listing.parts.values() for part in parts))

    @property
    def root(self) -> str:
        """SHA-256 over the digests of all parts, in hexadecimal."""
        return hashlib.sha256(
            b"".join(bytes.fromhex(hex_) for _, hex_ in self.resources)
        ).hexdigest()

    @property
    def files(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """Path to its parts, as in a listing."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        for part in self.resources:
            path = part[0] if self.how.shard_size is None else part[0].rsplit(":", 2)[0]
            found[path] = (*found.get(path, ()), part)
        return found

    def statement(self) -> Statement:
        """Return the statement to sign."""
        how = self.how
        serialization: dict[str, Json] = {
            "method": "files" if how.shard_size is None else "shards",
            "hash_type": how.hash_type.value,
            "allow_symlinks": how.allow_symlinks,
        }
        if how.shard_size is not None:
            serialization["shard_size"] = how.shard_size
        if how.ignore:
            serialization["ignore_paths"] = list(how.ignore)
        resources = [
            {"name": name, "algorithm": how.hash_type.value, "digest": digest}
            for name, digest in self.resources
        ]
        predicate = {"serialization": serialization, "resources": resources}
        return Statement((Subject(self.name, {"sha256": self.root}),), MODEL_SIGNATURE, predicate)

    @classmethod
    def read(cls, statement: Statement) -> Self:
        """Read a verified statement.

        Raises:
            VerificationError: It is no model signature v1.0 (slug ``predicate-type``), is damaged,
                or its root digest is not that of its list (slug ``inconsistent-manifest``).
        """
        if statement.predicate_type != MODEL_SIGNATURE:
            raise refusal("predicate-type", statement.predicate_type[:200])
        fields = Fields(statement.predicate, _WHAT)
        how = _serialization(fields.any("serialization"))
        listed = fields.array("resources", limit=MAX_FILES * 16, low=1)
        resources = tuple(_resource(item, how) for item in listed)
        if len(dict(resources)) != len(resources):
            raise fields.refuse("a resource is listed twice", where="resources")
        subjects = statement.subjects
        manifest = cls(subjects[0].name, how, resources)
        if len(subjects) != 1 or subjects[0].digests.get("sha256") != manifest.root:
            raise refusal("inconsistent-manifest", subjects[0].name[:200])
        return manifest


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model on disk beside its verified signature."""

    name: str
    root: str
    """The signed root digest, SHA-256 in hexadecimal."""
    key_id: str
    identities: tuple[str, ...]
    """Names in the signer's certificate, where there is one."""
    examined: int
    """Files that were hashed."""
    missing: tuple[str, ...]
    """Signed, and not there."""
    changed: tuple[str, ...]
    """There, and other bytes than were signed."""
    extra: tuple[str, ...]
    """There, and not signed."""
    uncovered: tuple[str, ...]
    """There, and left out by the signature's own rules or the caller's."""
    version: str = "1.0"
    """Of the signature's format: ``1.0`` or ``0.2``."""

    @property
    def intact(self) -> bool:
        """Whether every file is as it was signed, and there is no other."""
        return bool(self.examined) and not (self.missing or self.changed or self.extra)

    def require_intact(self) -> None:
        """Raise unless the model is intact.

        Raises:
            VerificationError: With each missing, changed and extra file, the first twenty of each.
        """
        if self.intact:
            return
        told = [
            f"{word}: {', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}"
            for word, names in (
                ("missing", self.missing),
                ("changed", self.changed),
                ("not signed", self.extra),
            )
            if names
        ]
        raise refusal("model-mismatch", self.name, "; ".join(told))


def sign_model(
    path: Path,
    signer: Signer,
    *,
    how: Serialization | None = None,
    name: str | None = None,
    certificates: Sequence[Certificate] = (),
) -> Bundle:
    """Sign a model file or folder.

    Args:
        path: The model.
        signer: An ECDSA key.
        how: Hash, shards, links, and paths to leave out; by default SHA-256 of whole files, and
            only what git keeps for itself is left out.
        name: The model's name; by default that of its path.
        certificates: The signer's certificate and those above it, to be carried instead of a hint.

    Raises:
        UsageError: The key is not ECDSA, or the certificate is of another key.
        SubjectError: The model can't be listed.
    """
    key = signer.verifier
    if not isinstance(key, PublicKey) or key.scheme is Scheme.ED25519:
        raise refusal("needs-ecdsa", f"key {key.key_id} is {key.scheme}")
    if certificates and PublicKey.of(certificates[0].public_key()) != key:
        raise refusal("wrong-certificate")
    how = how or Serialization(ignore=GIT_PATHS)
    manifest = Manifest.of(name or path.resolve().name, list_model(path, how), how)
    signed = dsse.sign(manifest.statement().to_bytes(), PAYLOAD_TYPE, [signer])
    material = Certificates(tuple(map(certificate_der, certificates)))
    return Bundle(signed, material if certificates else KeyHint(key.hint))


def verify_model(
    path: Path,
    bundle: Bundle,
    trust: PublicKey | CertificateTrust,
    *,
    allow_symlinks: bool = False,
    ignore: Sequence[str] = (),
    allow_old: bool = False,
) -> ModelReport:
    """Verify a bundle, and compare the model with what was signed.

    Args:
        path: The model.
        bundle: Its signature.
        trust: The key that must have signed, or the roots that must have certified it.
        allow_symlinks: Whether links to files may be followed, where the signature says that they
            were.
        ignore: Further relative paths to leave out, such as that of the bundle itself. A signed
            file among them counts as missing.
        allow_old: Whether a signature of model-signing 0.2 may be read, too, which says neither
            how the model is called nor what was left out.

    Raises:
        SignatureError: The signature does not verify.
        TrustError: The bundle names another key, or its certificate is not trusted.
        VerificationError: It is no model signature, or contradicts itself.
        SubjectError: The model can't be listed.
    """
    key, identities = _signer(bundle, trust)
    envelope = bundle.envelope
    if envelope.payload_type != PAYLOAD_TYPE:
        raise refusal("payload-type", cause=f"its type is {envelope.payload_type[:100]!r}")
    manifest = _signed(envelope, key, allow_old=allow_old)
    how = replace(
        manifest.how,
        allow_symlinks=manifest.how.allow_symlinks and allow_symlinks,
        ignore=(*manifest.how.ignore, *ignore),
    )
    listing = list_model(path, how)
    signed, there = manifest.files, listing.parts
    return ModelReport(
        name=manifest.name,
        version=manifest.version,
        root=manifest.root,
        key_id=key.key_id,
        identities=identities,
        examined=len(there),
        missing=tuple(sorted(signed.keys() - there.keys())),
        changed=tuple(
            sorted(
                name
                for name in signed.keys() & there.keys()
                if set(signed[name]) != set(there[name])
            )
        ),
        extra=tuple(sorted(there.keys() - signed.keys())),
        uncovered=listing.uncovered,
    )


def _signed(envelope: dsse.Envelope, key: PublicKey, *, allow_old: bool) -> Manifest:
    """Return the manifest that a key signed, in today's way or in that of model-signing 0.2."""
    try:
        dsse.verify(envelope, [key])
    except SignatureError:
        if not (allow_old and oms_old.PREDICATE.encode() in envelope.payload):
            raise
        oms_old.verify(envelope, key)
        listed = oms_old.resources(Statement.parse(envelope.payload))
        if not all(_is_inside(name) for name, _ in listed):
            raise refusal("inconsistent-manifest", "a name leads out of the model") from None
        return Manifest("", Serialization(), listed, "0.2")
    return Manifest.read(Statement.parse(envelope.payload))


def _signer(
    bundle: Bundle, trust: PublicKey | CertificateTrust
) -> tuple[PublicKey, tuple[str, ...]]:
    material = bundle.material
    if isinstance(trust, CertificateTrust):
        if not isinstance(material, Certificates):
            raise refusal("no-certificate")
        chain = [load_certificate(der) for der in material.der]
        certified = verify_chain(chain, trust.roots, at=trust.at)
        return certified.key, certified.identities
    if isinstance(material, KeyHint) and material.hint not in {"", trust.hint}:
        cause = f"the trusted key's hint is {trust.hint}"
        raise refusal("wrong-key", f"hint {material.hint[:64]}", cause)
    return trust, ()


def _serialization(value: Json) -> Serialization:
    fields = Fields(value, _WHAT)
    method = fields.text("method", limit=64)
    if method not in {"files", "shards"}:
        raise fields.refuse(f"method {method!r} is unknown", where="serialization.method")
    ignored = fields.texts("ignore_paths", limit=1_024) if fields.has("ignore_paths") else ()
    if not all(_is_inside(path) for path in ignored):
        raise fields.refuse("a path leads out of the model", where="serialization.ignore_paths")
    shard_size = None
    if method == "shards":
        # Written as 100.0 by model-signing 1.1.1, where numbers pass through protocol buffers.
        given = fields.any("shard_size")
        if isinstance(given, float) and given.is_integer():
            fields = Fields({**value, "shard_size": int(given)}, _WHAT)
        shard_size = fields.integer("shard_size", low=1)
    hash_type = fields.choice("hash_type", HashType)
    return Serialization(hash_type, shard_size, fields.flag("allow_symlinks"), ignored)


def _resource(value: Json, how: Serialization) -> tuple[str, str]:
    fields = Fields(value, _WHAT)
    name, digest = fields.text("name", limit=4_096), fields.text("digest", limit=128)
    # model-signing 1.1.1 puts the shard size into the name of the algorithm.
    known = {how.hash_type.value, f"{how.hash_type}-sharded-{how.shard_size}"}
    if fields.text("algorithm", limit=64) not in known or not _HEX.fullmatch(digest):
        raise fields.refuse("it is no digest of the stated algorithm", where=name[:200])
    if not _is_inside(name):
        raise fields.refuse("the name leads out of the model", where=name[:200])
    return name, digest


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name
