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
from tidegate.cli.options import FLAT, Place, Signing, read_passphrase
from tidegate.core.clock import iso
from tidegate.core.errors import UsageError
from tidegate.core.identity.keys import MAX_PEM, PublicKey, Scheme
from tidegate.core.identity.roles import Role

app = App(name="keys", help="Create, list and rotate keys.")

_Shape = output.Shape


@dataclass(frozen=True, kw_only=True)
class Sealing(Signing):
    """How a new key is sealed."""

    new_passphrase_fd: int | None = None
    """Read the new key's passphrase from this descriptor; else it gets the workspace's."""
    new_passphrase_file: Path | None = None
    """Read the new key's passphrase from this file."""
    unsealed: Annotated[bool, Parameter(negative=())] = False
    """Leave the new key unsealed; each attestation will say so."""
    format: output.Shape = output.Shape.TEXT
    """Text or one JSON document."""

    def passphrase(self, workspace: Workspace) -> bytes | None:
        """Return what seals the new key; ``None`` leaves it unsealed."""
        if self.unsealed:
            return None
        own = read_passphrase(self.new_passphrase_fd, self.new_passphrase_file)
        return own or workspace.unlock(LOG_PRINCIPAL)


@app.command(name="list")
def list_(*, place: Annotated[Place, FLAT] = Place(), format: _Shape = _Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """List the keys that count, and those that only lie here.

    Args:
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    rows = keyring.list_keys(session.reading(place))
    if format is output.Shape.JSON:
        output.emit_json([row.to_json() for row in rows])
        return 0
    output.emit_table(
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
    return 0


@app.command
def new(
    principal: str,
    /,
    *,
    roles: str = "auditor",
    scheme: Scheme = Scheme.ED25519,
    public: Path | None = None,
    sealing: Annotated[Sealing, FLAT] = Sealing(),
) -> int:
    """Make a principal's key, and the version of the trust root that names it.

    Args:
        principal: Its name: a-z, 0-9 and . _ @ + -
        roles: What it may sign, such as steward,validator; an auditor signs no gate statement.
        scheme: The kind of key.
        public: Take this public key (PEM), which was made elsewhere, instead of making one.
        sealing: Who signs, and how the key is sealed.
    """
    workspace = session.acting(sealing)
    given = None if public is None else _read_public(public)
    wanted = keyring.NewKey(principal, _roles(roles), scheme, given)
    if sealing.dry_run:
        keyring.check_new(workspace, wanted)
        return _dry(sealing, {"principal": principal, "roles": sorted(wanted.roles)})
    passphrase = None if given else sealing.passphrase(workspace)
    done = keyring.new_key(workspace, wanted, passphrase)
    key = next(one.key for one in done.trust.keys if one.principal == principal)
    return _show(sealing, principal, key, done, "elsewhere" if given else _word(passphrase))


@app.command
def rotate(principal: str, /, *, sealing: Annotated[Sealing, FLAT] = Sealing()) -> int:
    """Replace a key: the old one counts for what it signed until now, the new one from now on.

    Args:
        principal: Whose key; `ledger` is the key that signs the log's heads.
        sealing: Who signs, and how the new key is sealed.
    """
    workspace = session.acting(sealing)
    if sealing.dry_run:
        old = keyring.rotatable(workspace, principal)
        return _dry(sealing, {"principal": principal, "ends": old.key.key_id})
    passphrase = sealing.passphrase(workspace)
    key, done = keyring.rotate_key(workspace, principal, passphrase)
    return _show(sealing, principal, key, done, _word(passphrase))


@app.command
def models(principal: str, /, *, sealing: Annotated[Sealing, FLAT] = Sealing()) -> int:
    """Make the ECDSA P-256 key by which a releaser signs models (OpenSSF Model Signing).

    Args:
        principal: A principal with the role releaser.
        sealing: Who signs, and how the key is sealed.
    """
    workspace = session.acting(sealing)
    if sealing.dry_run:
        roles = keyring.check_models(workspace, principal)
        return _dry(sealing, {"principal": principal, "roles": sorted(roles)})
    passphrase = sealing.passphrase(workspace)
    key, done = keyring.models_key(workspace, principal, passphrase)
    return _show(sealing, principal + keyring.MODELS, key, done, _word(passphrase))


@app.command
def export(
    principal: str,
    /,
    *,
    output_file: Annotated[Path | None, Parameter(name="--output")] = None,
    place: Annotated[Place, FLAT] = Place(),
) -> int:
    """Write a public key as PEM; a private key never leaves its file.

    Args:
        principal: A principal, a key id, or the beginning of one.
        output_file: The file to write; standard output without it.
        place: Where the workspace is.
    """
    pem = keyring.public_pem(session.reading(place), principal).decode()
    if output_file is None:
        output.write(pem)
    else:
        output.save(output_file, pem)
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


def _word(passphrase: bytes | None) -> str:
    return "sealed" if passphrase else "unsealed"


def _dry(sealing: Sealing, would: dict[str, object]) -> int:
    if sealing.format is output.Shape.JSON:
        output.emit_json({"dryRun": True, **would})
    else:
        output.emit_text([(name, str(value)) for name, value in would.items()])
    output.notice("dry run: no key was made, nothing was signed or appended")
    return 0


def _show(sealing: Sealing, name: str, key: PublicKey, done: Published, kept: str) -> int:
    if sealing.format is output.Shape.JSON:
        output.emit_json(
            {
                "name": name,
                "keyId": key.key_id,
                "scheme": key.scheme.value,
                "kept": kept,
                "trustVersion": done.trust.version,
                "trustDigest": str(done.trust.digest),
                "index": done.index,
            }
        )
        return 0
    output.emit_text(
        [
            ("key", f"{key.key_id} ({key.scheme.value}) of {name}"),
            ("kept", "NOT sealed: as safe as this disk" if kept == "unsealed" else kept),
            ("trust", f"version {done.trust.version}, signed by {', '.join(done.signers)}"),
            ("log", str(done.index)),
        ]
    )
    return 0
