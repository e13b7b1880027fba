"""Change the trust root: sign the next version, append it to the ledger, rewrite the folder's file.

Who acts signs with a root key, and other root keys that are kept here sign with it, as many as it
takes. A version is in the ledger before it is in the file: a crash in
between leaves the file behind, and :func:`pull` brings it up to date.

::

    after = next_version(workspace.trust, keys=(*workspace.trust.keys, trusted))
    publish(workspace, after)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidegate.app.trust import CHAIN, read_chain, read_pin, write_chain
from tidegate.app.workspace import TOOL, Workspace
from tidegate.core.attest.chain import load_trust_root, next_trust_root, sign_trust_root
from tidegate.core.attest.envelope import Envelope
from tidegate.core.canonical import dumps
from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.errors import (
    AccessError,
    LedgerError,
    TrustError,
    UsageError,
    VerificationError,
)
from tidegate.core.identity.keys import PublicKey
from tidegate.core.identity.signer import Signer
from tidegate.core.identity.trust import Purpose, TrustedKey, TrustRoot
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import PendingEntry
from tidegate.core.ledger.note import COSIGNATURE, NoteKey
from tidegate.core.verify import open_head
from tidegate.graph.project import Projector
from tidegate.logbook.durable import locked

_LOCK = "trust.lock"


@dataclass(frozen=True, slots=True)
class Published:
    """A version that holds from now on."""

    trust: TrustRoot
    index: int
    """Log index of its entry."""
    signers: tuple[str, ...]
    """Principals whose root keys signed it."""


def next_version(before: TrustRoot, **changes: Any) -> TrustRoot:
    """Return the version that follows, with some fields changed.

    Raises:
        VerificationError: The result is no trust root, such as one with a key listed twice.
    """
    return replace(before, version=before.version + 1, previous=before.digest, **changes)


def publish(workspace: Workspace, after: TrustRoot, *, joining: Sequence[Signer] = ()) -> Published:
    """Sign the next version, append it, and write it into the folder.

    Args:
        workspace: Where; open it anew afterwards, as this object keeps the version before.
        after: What :func:`next_version` gave.
        joining: Root keys that come with this version, and must sign it, too.

    Raises:
        AccessError: Who acts has no root key here, there are too few, or one can't be opened.
        TrustError: Another process was faster, or the folder is behind the ledger.
        StoreError: The ledger can't be written; then nothing was.
    """
    with locked(workspace.home / _LOCK):
        chain = read_chain(workspace.home / CHAIN)
        before = load_trust_root(chain, anchor=read_pin(workspace.home))
        workspace.catch_up()
        _ = workspace.log_key  # opened before anything is committed
        guards = root_keys_here(workspace, before)
        signers = {key.verifier.key_id: key for _, key in guards}
        signers |= {key.verifier.key_id: key for key in joining}
        signed = sign_trust_root(after, list(signers.values()))
        next_trust_root(before, signed)
        index = _append(workspace, after, signed, guards[0])
        write_chain(workspace.home / CHAIN, [*chain, signed])
    return Published(after, index, tuple(dict.fromkeys(name for name, _ in guards)))


def root_keys_here(workspace: Workspace, trust: TrustRoot) -> list[tuple[str, Signer]]:
    """Open the root keys that are kept here, of who acts first: as many as it takes.

    Raises:
        AccessError: Who acts has none of them here, there are too few, or one can't be opened.
    """
    held = {one.key.key_id: one.principal for one in workspace.keys.list() if one.usable}
    names = [(held[key.key_id], key.key_id) for key in trust.root_keys if key.key_id in held]
    if len(names) < trust.root_threshold:
        raise AccessError(
            f"{len(names)} of the {trust.root_threshold} root keys that it takes are kept here",
            where=str(workspace.keys.folder),
            next_step="run the command where the root keys are: `tidegate trust show` names them",
            slug="no-root-key",
        )
    guards = dict.fromkeys(name for name, _ in names)
    if workspace.act_as not in guards:
        raise AccessError(
            f"{workspace.act_as or 'nobody'} may not change the trust root: only root keys sign it",
            where=f"root keys kept here: {', '.join(guards)}",
            next_step=f"act as {' or '.join(guards)} (--as)",
            slug="no-root-key",
        )
    names.sort(key=lambda guard: guard[0] != workspace.act_as)  # stable: the others in their order
    return [
        (name, workspace.signer(name, key_id)) for name, key_id in names[: trust.root_threshold]
    ]


def witness_added(before: TrustRoot, vkey: str, *, threshold: int | None, now: Micros) -> TrustRoot:
    """Return the next version with a witness more.

    Args:
        before: The present version.
        vkey: The witness's verifier key, ``name+id+key`` (C2SP signed-note).
        threshold: How many witnesses must cosign a head from then on; unchanged where ``None``.
        now: From when it is trusted.

    Raises:
        UsageError: It is no verifier key, or does not sign as a witness.
        VerificationError: It is listed already.
    """
    try:
        key = NoteKey.from_vkey(vkey)
    except VerificationError as error:
        raise UsageError(
            "not a witness's verifier key",
            where=vkey[:100],
            cause=error.problem,
            next_step="give the key that `tidegate log witness init` showed",
            slug="bad-vkey",
        ) from None
    if key.kind != COSIGNATURE:
        raise UsageError(
            "this key signs logs, not cosignatures",
            where=key.name,
            next_step="give the key that `tidegate log witness init` showed",
            slug="not-a-witness",
        )
    public = PublicKey.of(Ed25519PublicKey.from_public_bytes(key.public_key))
    trusted = TrustedKey(public, key.name, purpose=Purpose.WITNESS, name=key.name, valid_from=now)
    wanted = before.witness_threshold if threshold is None else threshold
    return next_version(before, keys=(*before.keys, trusted), witness_threshold=wanted)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What bringing the folder up to date changed."""

    before: int | None
    """The version that the folder had; ``None`` where it could not be read."""
    trust: TrustRoot
    """The version that it has now."""


def pull(workspace: Workspace, *, dry_run: bool = False) -> Pulled:
    """Rebuild the folder's trust file from the ledger, verified from the pinned version.

    Nothing of the ledger is believed that the root keys have not signed. Afterwards the head is
    verified by the new version, and the projections are made anew: what an older version could
    not verify may verify now.

    Raises:
        TrustError: The ledger's versions do not follow from the pin, or from the file.
        LedgerError: A version is missing from the ledger.
        VerificationError: The head does not verify by the newest version.
    """
    with locked(workspace.home / _LOCK):
        held = _held(workspace)
        chain = ledger_chain(workspace)
        trust = load_trust_root(chain, anchor=read_pin(workspace.home))
        if held is not None and [one.payload for one in held] != [
            one.payload for one in chain[: len(held)]
        ]:
            raise TrustError(
                "the folder's trust root is not one of the ledger's",
                where=str(workspace.home / CHAIN),
                cause=f"the folder has {len(held)} versions, the ledger {len(chain)}",
                next_step="keep both, and ask the holders of the root keys which one is right",
                slug="trust-contradiction",
            )
        if not dry_run:
            write_chain(workspace.home / CHAIN, chain)
    if not dry_run:
        fresh = replace(workspace)
        open_head(fresh.log.checkpoint(), fresh.trust)
        if held is None or len(held) != len(chain):
            Projector(fresh.ledger, fresh.projections, fresh.trust).rebuild()
    return Pulled(None if held is None else len(held), trust)


def ledger_chain(workspace: Workspace) -> list[Envelope]:
    """Return the versions that the ledger names, in its order; nothing is verified here.

    Raises:
        LedgerError: A version's envelope is missing.
        VerificationError: One can't be read.
    """
    head = workspace.storage.head()
    found: list[Envelope] = []
    for index, data in enumerate(workspace.storage.entries(0, head.size if head else 0)):
        entry = Entry.parse(data)
        if entry.kind == "trust" and entry.known:
            body = None if entry.envelope is None else workspace.storage.envelope(entry.envelope)
            if not isinstance(body, bytes):
                raise LedgerError(
                    "a version of the trust root is missing from the ledger",
                    where=f"log {index}",
                    next_step="restore the store, or get trust.json from somebody who has it",
                    slug="trust-missing",
                )
            found.append(Envelope.parse(body))
    return found


def _held(workspace: Workspace) -> tuple[Envelope, ...] | None:
    if not (workspace.home / CHAIN).exists():
        return None
    return read_chain(workspace.home / CHAIN)


def _append(
    workspace: Workspace, after: TrustRoot, signed: Envelope, guard: tuple[str, Signer]
) -> int:
    body = dumps(signed.to_json())
    entry = Entry(
        "trust",
        workspace.id,
        actor=guard[0],
        key_id=guard[1].verifier.key_id,
        tool=f"{TOOL.name} {TOOL.version}",
        subjects=(str(after.digest),),
        envelope=str(sha256(body)),
    )
    return workspace.log.append([PendingEntry(entry, body)])[0].index
