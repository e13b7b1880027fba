"""``tidegate keys``: every principal signs with a key of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import keyring
from tidegate.app.reading import about, read_file
from tidegate.app.trustees import Published
from tidegate.app.workspace import LOG_PRINCIPAL, Workspace
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Acting, Flag, Reading, Target, read_passphrase
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.errors import UsageError
from tidegate.core.identity.keys import MAX_PEM, PublicKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.custody.signers.uri import SignerUri

app = App(name="keys", help="Create, list and rotate keys.")

_Reading = Annotated[Reading, FLAT]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What key is wanted."""

    name: str
    roles: frozenset[Role]
    ends: str | None = None
    """The key that it replaces."""


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of it."""

    key: PublicKey
    done: Published
    kept: str


@dataclass(frozen=True, kw_only=True)
class Sealing(Acting):
    """How a new key is sealed."""

    new_passphrase_fd: int | None = None
    """Read the new key's passphrase from this descriptor; else it gets the workspace's."""
    new_passphrase_file: Path | None = None
    """Read the new key's passphrase from this file."""
    unsealed: Flag = False
    """Leave the new key unsealed; each attestation will say so."""
    signer: str | None = None
    """Sign with a key that is kept elsewhere, by its URI: file:, pkcs11:, hashivault://, awskms:,
    gcpkms:, azurekms:. Its PIN is never part of it."""

    def passphrase(self, workspace: Workspace) -> bytes | None:
        """Return what seals the new key; ``None`` leaves it unsealed."""
        if self.unsealed:
            return None
        own = read_passphrase(self.new_passphrase_fd, self.new_passphrase_file)
        return own if own or self.signer else workspace.unlock(LOG_PRINCIPAL)

    def acting(self) -> Workspace:
        """Open the workspace to act; a URI that holds a secret is refused before anything else.

        Raises:
            UsageError: The signer's URI is none, or holds a secret.
            AccessError: The principal that was named has no key here.
        """
        if self.signer is not None:
            SignerUri.parse(self.signer)
        return session.acting(self)

    def kept(self, passphrase: bytes | None) -> str:
        """Say where and how the new key is kept."""
        if self.signer is not None:
            return self.signer.partition(":")[0]
        return "sealed" if passphrase else "unsealed"


_Sealing = Annotated[Sealing, FLAT]


@app.command(name="list")
def list_(*, reading: _Reading = Reading()) -> int:
    """List the keys that count, and those that only lie here.

    JSON: `keys` (`principal`, `keyId`, `scheme`, `purpose`, `roles`, `state`, `kept`, `root`,
    `validFrom`, `validUntil`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    rows = keyring.list_keys(session.reading(reading))
    table = output.Table(
        ("principal", "key", "for", "scheme", "roles", "state", "kept", "since"),
        [
            (
                row.principal + (" (root)" if row.root else ""),
                row.key_id[:12],
                row.purpose or "-",
                row.scheme,
                "all" if len(row.roles) == len(Role) else ", ".join(row.roles) or "-",
                row.state,
                row.kept,
                "-" if row.valid_from is None else iso(row.valid_from)[:10],
            )
            for row in rows
        ],
    )
    output.emit(reading, {"keys": [row.to_json() for row in rows]}, table)
    return 0


@app.command
def new(
    principal: str,
    /,
    *,
    roles: str = "auditor",
    scheme: Scheme = Scheme.ED25519,
    public: Path | None = None,
    sealing: _Sealing = Sealing(),
) -> int:
    """Make a principal's key, and the version of the trust root that names it.

    JSON: `name`, `roles`, `ends`; `keyId`, `scheme`, `kept`, `trustVersion`, `trustDigest`,
    `index`, null on a dry run; `dryRun`.

    Args:
        principal: Its name: a-z, 0-9 and . _ @ + -
        roles: What it may sign, such as steward,validator; an auditor signs no gate statement.
        scheme: The kind of key.
        public: Take this public key (PEM), which was made elsewhere, instead of making one.
        sealing: Who signs, how the key is sealed, and how the answer is shown.
    """
    workspace = sealing.acting()
    if public is not None and sealing.signer is not None:
        raise UsageError(
            "--public and --signer exclude each other",
            next_step="give --signer where this workspace signs with the key, else --public",
            slug="arguments",
        )
    given = None if public is None else _read_public(public)
    wanted = keyring.NewKey(principal, _roles(roles), scheme, given, sealing.signer)
    asked = _Asked(principal, wanted.roles)
    if sealing.dry_run:
        keyring.check_new(workspace, wanted)
        return _show(sealing, asked, None)
    passphrase = None if given else sealing.passphrase(workspace)
    done = keyring.new_key(workspace, wanted, passphrase)
    key = next(one.key for one in done.trust.keys if one.principal == principal)
    kept = "elsewhere" if given else sealing.kept(passphrase)
    return _show(sealing, asked, _Made(key, done, kept))


@app.command
def rotate(principal: str, /, *, sealing: _Sealing = Sealing()) -> int:
    """Replace a key: the old one counts for what it signed until now, the new one from now on.

    JSON: `name`, `roles`, `ends`, the key that is replaced; `keyId`, `scheme`, `kept`,
    `trustVersion`, `trustDigest`, `index`, null on a dry run; `dryRun`.

    Args:
        principal: Whose key; `ledger` is the key that signs the log's heads.
        sealing: Who signs, how the new key is sealed, and how the answer is shown.
    """
    workspace = sealing.acting()
    old = keyring.rotatable(workspace, principal)
    keyring.check_place(workspace, principal, old, sealing.signer)
    asked = _Asked(principal, old.roles, old.key.key_id)
    if sealing.dry_run:
        return _show(sealing, asked, None)
    passphrase = sealing.passphrase(workspace)
    key, done = keyring.rotate_key(workspace, principal, passphrase, signer=sealing.signer)
    return _show(sealing, asked, _Made(key, done, sealing.kept(passphrase)))


@app.command
def models(principal: str, /, *, sealing: _Sealing = Sealing()) -> int:
    """Make the ECDSA P-256 key by which a releaser signs models (OpenSSF Model Signing).

    JSON: `name`, `roles`, `ends`; `keyId`, `scheme`, `kept`, `trustVersion`, `trustDigest`,
    `index`, null on a dry run; `dryRun`.

    Args:
        principal: A principal with the role releaser.
        sealing: Who signs, how the key is sealed, and how the answer is shown.
    """
    workspace = sealing.acting()
    roles = keyring.check_models(workspace, principal)
    asked = _Asked(principal + keyring.MODELS, roles)
    if sealing.dry_run:
        return _show(sealing, asked, None)
    passphrase = sealing.passphrase(workspace)
    key, done = keyring.models_key(workspace, principal, passphrase, signer=sealing.signer)
    return _show(sealing, asked, _Made(key, done, sealing.kept(passphrase)))


@app.command
def export(
    principal: str,
    /,
    *,
    output_file: Annotated[Target | None, Parameter(name="--output")] = None,
    reading: _Reading = Reading(),
) -> int:
    """Write a public key as PEM; a private key never leaves its file.

    JSON: `name`, `keyId`, `scheme`; `pem`, the key itself; `file`.

    Args:
        principal: A principal, a key id, or the beginning of one.
        output_file: The file to write; - or none is standard output.
        reading: Where the workspace is, and how the answer is shown.
    """
    data = keyring.public_pem(session.reading(reading), principal)
    key, pem = PublicKey.from_pem(data), data.decode()
    facts = {"name": principal, "keyId": key.key_id, "scheme": key.scheme.value, "pem": pem}
    rows = [("key", f"{output_file}: {key.key_id} ({key.scheme.value}) of {principal}")]
    output.emit_document(reading, pem, output_file, facts, rows)
    return 0


def _roles(text: str) -> frozenset[Role]:
    try:
        return frozenset(Role(role) for role in text.split(",") if role)
    except ValueError:
        raise UsageError(
            "no such role",
            where=text[:100],
            next_step=f"use {', '.join(role.value for role in Role)}",
            slug="bad-role",
        ) from None


def _read_public(path: Path) -> PublicKey:
    named = "name the file that `tidegate keys export` wrote"
    data = read_file(path, what="the public key", limit=MAX_PEM, next_step=named)
    with about(path):
        return PublicKey.from_pem(data)


def _show(sealing: Sealing, asked: _Asked, made: _Made | None) -> int:
    facts: dict[str, Json] = {
        "name": asked.name,
        "roles": sorted(role.value for role in asked.roles),
        "ends": asked.ends,
        "keyId": made and made.key.key_id,
        "scheme": made and made.key.scheme.value,
        "kept": made and made.kept,
        "trustVersion": made and made.done.trust.version,
        "trustDigest": made and str(made.done.trust.digest),
        "index": made and made.done.index,
        "dryRun": made is None,
    }
    if made is None:
        rows = [("name", asked.name), ("roles", ", ".join(sorted(asked.roles)) or "none")]
        ends = [("ends", asked.ends)] if asked.ends else []
        output.emit(sealing, facts, [*rows, *ends])
        output.notice("dry run: no key was made, nothing was signed or appended")
        return 0
    key, done = made.key, made.done
    kept = "NOT sealed: as safe as this disk" if made.kept == "unsealed" else made.kept
    output.emit(
        sealing,
        facts,
        [
            ("key", f"{key.key_id} ({key.scheme.value}) of {asked.name}"),
            ("kept", kept),
            ("trust", f"version {done.trust.version}, signed by {', '.join(done.signers)}"),
            ("log", str(done.index)),
        ],
    )
    return 0
