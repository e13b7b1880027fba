"""``tidegate model sign`` and ``check``: OpenSSF Model Signing without a workspace."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from cryptography.x509 import Certificate
from cyclopts import Parameter

from tidegate.app.reading import about, read_file
from tidegate.app.registry import signature_path
from tidegate.cli import output
from tidegate.cli.options import FLAT, Flag, Showing, Target, Texts, read_passphrase
from tidegate.core.attest.statement import Statement
from tidegate.core.clock import SystemClock, parse_iso
from tidegate.core.errors import UsageError
from tidegate.core.identity.keys import MAX_PEM, PublicKey
from tidegate.custody.signers.opening import Access, locate
from tidegate.gates.signature import MAX_BUNDLE
from tidegate.interop.bundle import Bundle
from tidegate.interop.certs import MAX_CERTIFICATE, MAX_CHAIN, load_certificates
from tidegate.interop.modelfiles import HashType, Serialization
from tidegate.interop.oms import GIT_PATHS, CertificateTrust, Manifest, sign_model, verify_model

_NOT_INTACT = 5
_Hash = Literal["sha256", "blake2b", "blake3"]


@dataclass(frozen=True, kw_only=True)
class Unsealing(Showing):
    """How a key is opened, and how the answer is shown."""

    passphrase_fd: int | None = None
    """Read the key's passphrase or PIN from this open file descriptor."""
    passphrase_file: Path | None = None
    """Read the key's passphrase or PIN from this file."""

    def secret(self, what: str) -> bytes | None:
        """Return the passphrase or PIN; asks at a terminal."""
        return read_passphrase(self.passphrase_fd, self.passphrase_file, prompt=f"The key's {what}")


def sign(
    path: Path,
    /,
    *,
    key: str,
    certificate: Path | None = None,
    hash_name: Annotated[_Hash, Parameter(name="--hash")] = "sha256",
    shard_size: int | None = None,
    follow_links: Flag = False,
    ignore: Texts = (),
    name: str | None = None,
    output_file: Annotated[Target | None, Parameter(name="--output")] = None,
    unsealing: Annotated[Unsealing, FLAT] = Unsealing(),
) -> int:
    """Sign a model's files (OpenSSF Model Signing v1.0); needs no workspace.

    JSON: `model`, `root`, `files`, `keyId`, `hash`, `shardSize`, `certificates`, `file`.

    Args:
        path: The model file or folder.
        key: A private key: a PEM file, or the URI of one that lies elsewhere.
        certificate: Its certificate and those above it (PEM), to be carried in the signature.
        hash_name: sha256, blake2b or blake3.
        shard_size: Hash runs of so many bytes instead of whole files.
        follow_links: Follow symbolic links that stay inside the model.
        ignore: A path in the model to leave out, with all below it; may be given several times.
        name: The model's name; that of its path by default.
        output_file: Where the signature goes; beside the model by default, as MODEL.oms.json.
        unsealing: How the key is opened, and how the answer is shown.
    """
    if shard_size is not None and shard_size < 1:
        raise UsageError(
            "a shard has at least one byte", next_step="leave --shard-size away", slug="shard-size"
        )
    target = output_file or signature_path(path.absolute())
    output.check_target(unsealing, target)
    hash_type = HashType(hash_name)
    chain = () if certificate is None else _certificates(certificate)
    found = locate(_uri(key), Access(unsealing.secret, os.environ))
    left_out = (*GIT_PATHS, *_relative(ignore), *_inside(path, target))
    how = Serialization(hash_type, shard_size, follow_links, left_out)
    with output.progress(f"signing {path}", quiet=unsealing.as_json):
        bundle = sign_model(path, found.open(), how=how, name=name, certificates=chain)
    manifest = Manifest.read(Statement.parse(bundle.envelope.payload))
    text = bundle.to_bytes().decode()
    facts = {
        "model": manifest.name,
        "root": f"sha256:{manifest.root}",
        "files": len(manifest.files),
        "keyId": found.public.key_id,
        "hash": hash_type.value,
        "shardSize": shard_size,
        "certificates": len(chain),
    }
    shards = "" if shard_size is None else f", in shards of {shard_size} bytes"
    rows = [
        ("model", f"{manifest.name}: {len(manifest.files)} files, {hash_type}{shards}"),
        ("root", f"sha256:{manifest.root}"),
        ("key", f"{found.public.key_id} ({found.public.scheme})"),
        ("signature", str(target)),
    ]
    output.emit_document(unsealing, text, target, facts, rows)
    return 0


def check(
    path: Path,
    /,
    *,
    signature: Path | None = None,
    key: Path | None = None,
    roots: Path | None = None,
    at: str | None = None,
    follow_links: Flag = False,
    ignore: Texts = (),
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Verify a model against its signature, and name each file that differs.

    Reads v1.0 of the specification, and what model-signing 0.2 wrote. Exits with 5 where a file is
    missing, changed or not signed, or the signature does not verify.

    JSON: `intact`, `model`, `format`, `root`, `keyId`, `identities`, `examined`, `missing`,
    `changed`, `extra`, `uncovered`.

    Args:
        path: The model file or folder.
        signature: The signature; beside the model by default, as MODEL.oms.json.
        key: The public key (PEM) that must have signed.
        roots: Certificates (PEM) of which one must have certified the key that signed.
        at: When it was signed, for the certificates: RFC 3339, such as 2026-05-01T12:00:00Z; now
            by default.
        follow_links: Follow links inside the model, where the signature says that they were.
        ignore: A further path in the model to leave out; a signed file among them is missing.
        showing: How the answer is shown.
    """
    place = signature or signature_path(path.absolute())
    trust = _trust(key, roots, at)
    data = read_file(
        place, what="the signature", limit=MAX_BUNDLE, next_step="name it with --signature"
    )
    with about(place):
        bundle = Bundle.parse(data)
    with output.progress(f"hashing {path}", quiet=showing.as_json):
        found = verify_model(
            path,
            bundle,
            trust,
            allow_symlinks=follow_links,
            ignore=(*_relative(ignore), *_inside(path, place)),
            allow_old=True,
        )
    facts = {
        "intact": found.intact,
        "model": found.name,
        "format": found.version,
        "root": f"sha256:{found.root}",
        "keyId": found.key_id,
        "identities": list(found.identities),
        "examined": found.examined,
        "missing": list(found.missing),
        "changed": list(found.changed),
        "extra": list(found.extra),
        "uncovered": list(found.uncovered),
    }
    said = "every file is as it was signed" if found.intact else "NOT what was signed"
    by = ", ".join(found.identities) or f"key {found.key_id}"
    rows = [("result", said), ("signed by", by), ("files", str(found.examined))]
    rows += [
        (word, _shown(names))
        for word, names in (
            ("missing", found.missing),
            ("changed", found.changed),
            ("not signed", found.extra),
            ("uncovered", found.uncovered),
        )
        if names
    ]
    output.emit(showing, facts, rows)
    if found.version != "1.0":
        output.notice("a signature of model-signing 0.2: it names no model; have it signed anew")
    return 0 if found.intact else _NOT_INTACT


def _trust(key: Path | None, roots: Path | None, at: str | None) -> PublicKey | CertificateTrust:
    if key is not None and roots is None and at is None:
        data = read_file(key, what="the public key", limit=MAX_PEM)
        with about(key):
            return PublicKey.from_pem(data)
    if key is not None or roots is None:
        raise UsageError(
            "a signature is checked by a key, or by roots and a time",
            next_step="give --key PUBLIC.pem, or --roots CA.pem with or without --at TIME",
            slug="arguments",
        )
    try:
        moment = SystemClock().now() if at is None else parse_iso(at)
    except ValueError as error:
        raise UsageError(
            "not a time",
            where=f"--at {at}"[:100],
            cause=str(error)[:200],
            next_step="write it with an offset: 2026-05-01T12:00:00Z",
            slug="bad-time",
        ) from None
    return CertificateTrust(_certificates(roots), moment)


def _certificates(path: Path) -> tuple[Certificate, ...]:
    data = read_file(path, what="the certificate file", limit=MAX_CHAIN * MAX_CERTIFICATE)
    with about(path):
        return load_certificates(data)


def _uri(key: str) -> str:
    """Return a URI for what may be the path of a file."""
    scheme = key.partition(":")[0]
    plain = ":" not in key or "/" in scheme or "." in scheme or Path(key).is_file()
    return f"file:{quote(key)}" if plain else key


def _relative(paths: Texts) -> tuple[str, ...]:
    for path in paths:
        if not path or Path(path).is_absolute() or ".." in Path(path).parts:
            raise UsageError(
                "a path to leave out is relative to the model, and inside it",
                where=path[:200],
                next_step="write it as it stands in the model: configs/local.json",
                slug="bad-ignore",
            )
    return tuple(Path(path).as_posix() for path in paths)


def _inside(model: Path, file: Path) -> tuple[str, ...]:
    """Return the signature's own path in the model, where it lies in it."""
    try:
        return (file.absolute().relative_to(model.absolute()).as_posix(),)
    except ValueError:
        return ()


def _shown(names: tuple[str, ...], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
