"""A log's end and its successor: the last head of the one is in the first entry of the other.

For a log that can't go on (its store was restored from a backup that others had outlived, its last
entry is from the future). The people and their keys go on under a new workspace id and origin; the
successor's trust root and genesis name the closed log's last head, so that nobody can put another
history under it. What was attested in the closed log is verified there.
"""

import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tidegate.app.trust import CHAIN, write_chain, write_pin
from tidegate.app.trustees import root_keys_here
from tidegate.app.workspace import HOME, LOG_PRINCIPAL, TOOL, Workspace, store_url
from tidegate.config import FILE, load
from tidegate.core.attest.chain import sign_trust_root
from tidegate.core.canonical import dumps
from tidegate.core.digest import sha256
from tidegate.core.errors import UsageError
from tidegate.core.identity.signer import Signer
from tidegate.core.identity.trust import Predecessor, Purpose, TrustedKey, TrustRoot
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.entry import Entry, genesis
from tidegate.core.ledger.log import PendingEntry
from tidegate.core.ledger.note import Note
from tidegate.custody.keystore import KeyStore
from tidegate.graph.acts import fold
from tidegate.store.engine import open_engine
from tidegate.store.migrate import upgrade
from tidegate.store.workspaces import Workspace as StoredWorkspace
from tidegate.store.workspaces import Workspaces

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12
_NAME = 80
_PREFIX = "tidegate/"


@dataclass(frozen=True, slots=True)
class Succession:
    """What became of a log, and what goes on."""

    closed: Checkpoint
    """The last head."""
    workspace: Workspace
    """The successor, open."""


def check(workspace: Workspace, folder: Path) -> None:
    """Check that a log can be succeeded, before anything is written.

    Raises:
        UsageError: There is something at the folder, or the ledger's origin is configured.
        AccessError: The log's key or a root key can't be opened.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "there is something here already",
            where=str(folder),
            next_step="name a new or empty folder",
            slug="exists",
        )
    if workspace.settings.ledger.origin is not None:
        raise UsageError(
            "the successor needs an origin of its own, and this one is configured",
            where=f"{FILE}, ledger.origin",
            next_step="remove ledger.origin, which is then made from the workspace id",
            slug="origin",
        )
    _ = workspace.log_key
    root_keys_here(workspace, workspace.trust)


def succeed(workspace: Workspace, folder: Path) -> Succession:
    """Close a workspace's log and begin its successor; repeat it if it was interrupted.

    Raises:
        UsageError: See :func:`check`.
        AccessError: A key can't be opened; then nothing was closed.
        StoreError: A store can't be written.
    """
    check(workspace, folder)
    guards = root_keys_here(workspace, workspace.trust)
    identifier = _successor_id(workspace)
    made = not folder.exists()
    try:
        _prepare(workspace, folder, identifier)
        closed = _close(workspace, guards[0][0], f"{_PREFIX}{identifier}")
        successor = _begin(workspace, folder, closed, guards)
    except BaseException:
        shutil.rmtree(folder / HOME, ignore_errors=True)
        (folder / FILE).unlink(missing_ok=True)
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return Succession(closed, successor)


def last_entry(workspace: Workspace) -> Entry | None:
    """Return the log's last entry, proved; ``None`` for an empty log."""
    size = workspace.log.head.size
    return Entry.parse(workspace.log.entry(size - 1)) if size else None


def _successor_id(workspace: Workspace) -> str:
    """Return a new id, or the one that a log which is closed already names."""
    last = last_entry(workspace)
    if last is not None and last.kind == "close":
        return str(last.extra.get("successor", "")).removeprefix(_PREFIX)
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def _prepare(workspace: Workspace, folder: Path, identifier: str) -> None:
    """Write configuration, keys and store of the successor."""
    old = workspace.settings.workspace
    text = (workspace.root / FILE).read_text("utf-8")
    for before, after in (
        (f'id = "{old.id}"', f'id = "{identifier}"'),
        (f'name = "{old.name}"', f'name = "{old.name[:_NAME]}-{identifier[:4]}"'),
    ):
        if text.count(before) != 1:
            raise UsageError(
                "the successor's configuration can't be made from this one",
                where=str(workspace.root / FILE),
                cause=f"it does not have the line {before} once",
                next_step="write the workspace's name and id on lines of their own",
                slug="configuration",
            )
        text = text.replace(before, after)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HOME).mkdir(mode=0o700)
    (folder / FILE).write_text(text, "utf-8")
    shutil.copytree(workspace.keys.folder, folder / HOME / "keys")
    upgrade(store_url(folder, load(folder, {}).settings))


def _close(workspace: Workspace, actor: str, origin: str) -> Checkpoint:
    """Append the final entry, unless it is there; return the last signed head."""
    last = last_entry(workspace)
    if last is not None and last.kind == "close":
        note = workspace.log.checkpoint()
    else:
        tool = f"{TOOL.name} {TOOL.version}"
        note = workspace.log.close(Entry("close", workspace.id, actor=actor, tool=tool), origin)
    return Checkpoint.parse(Note.parse(note).text)


def _begin(
    workspace: Workspace, folder: Path, closed: Checkpoint, guards: list[tuple[str, Signer]]
) -> Workspace:
    """Sign the successor's trust root, and append its first entries."""
    settings = load(folder, {}).settings
    identifier, origin = settings.workspace.id, f"{_PREFIX}{settings.workspace.id}"
    now = workspace.clock.now()
    engine = open_engine(store_url(folder, settings))
    Workspaces(engine).adopt(
        StoredWorkspace(identifier, settings.workspace.name, origin, "main", now)
    )
    engine.dispose()
    log_key = KeyStore(folder / HOME / "keys").rotate(
        LOG_PRINCIPAL, passphrase=workspace.unlock(LOG_PRINCIPAL)
    )
    head = Predecessor(closed.origin, closed.size, closed.root.hex())
    named = TrustedKey(
        log_key.verifier, LOG_PRINCIPAL, purpose=Purpose.LOG, name=origin, valid_from=now
    )
    before = workspace.trust
    trust = TrustRoot(
        identifier, 1, keys=(*_still_good(workspace), named), root_keys=before.root_keys,
        root_threshold=before.root_threshold, predecessor=head,
    )  # fmt: skip
    signed = sign_trust_root(trust, [key for _, key in guards])
    write_chain(folder / HOME / CHAIN, [signed])
    write_pin(folder / HOME, trust.digest)
    successor = replace(
        Workspace.open(folder, unlock=workspace.unlock, clock=workspace.clock, environ={}),
        state=workspace.state,
    )
    actor, tool = guards[0][0], f"{TOOL.name} {TOOL.version}"
    first = genesis(identifier, origin, actor=actor, tool=tool, predecessor=closed.text)
    body = dumps(signed.to_json())
    named_root = Entry(
        "trust", identifier, actor=actor, key_id=guards[0][1].verifier.key_id, tool=tool,
        subjects=(str(trust.digest),), envelope=str(sha256(body)),
    )  # fmt: skip
    successor.log.append([PendingEntry(first), PendingEntry(named_root, body)])
    return successor


def _still_good(workspace: Workspace) -> tuple[TrustedKey, ...]:
    """Return the people's keys that are neither ended nor revoked; witnesses join anew."""
    # Not by workspace.directives(), which refuses a ledger that is behind the folder's trust
    # root: a ledger that lost entries is what a successor is for.
    revoked = fold(workspace.directive_rows(), workspace.trust).revoked_keys
    now = workspace.clock.now()
    return tuple(
        key
        for key in workspace.trust.keys_for(Purpose.ATTEST)
        if key.key.key_id not in revoked and (key.valid_until is None or now < key.valid_until)
    )
