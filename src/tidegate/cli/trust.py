"""``tidegate trust``: whose keys count, for what, and from when not."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import succession, trustees
from tidegate.app.keyring import find_key, list_keys
from tidegate.app.logbook import signed_by
from tidegate.app.trust import CHAIN, read_chain, read_pin, write_chain
from tidegate.app.workspace import Workspace
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place, Reason, Signing
from tidegate.core.identity.trust import Purpose, TrustRoot
from tidegate.core.policy.directives import ReinstateKey, RevokeKey
from tidegate.core.verify import note_keys

app = App(name="trust", help="Say whose keys count, for what, and from when not.")

_Shape = output.Shape
_Flag = Annotated[bool, Parameter(negative=())]


@app.command
def show(*, place: Annotated[Place, FLAT] = Place(), format: _Shape = _Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """Show the trust root in force: its keys, thresholds and pin.

    Args:
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    workspace = session.reading(place)
    trust, pin = workspace.trust, read_pin(workspace.home)
    rows = list_keys(workspace)
    if format is output.Shape.JSON:
        log_keys = [key.vkey for key in note_keys(trust, Purpose.LOG)]
        facts = {
            "digest": str(trust.digest),
            "pin": str(pin),
            "logKeys": log_keys,
            "trustRoot": trust.to_json(),
        }
        output.emit_json({**facts, "keys": [row.to_json() for row in rows if row.purpose]})
        return 0
    output.emit_text(_summary(workspace, trust, str(pin)))
    output.emit_table(
        ("principal", "key", "for", "state"),
        [
            (row.principal + (" (root)" if row.root else ""), row.key_id, row.purpose, row.state)
            for row in rows
            if row.purpose
        ],
    )
    return 0


@app.command
def export(file: Path, /, *, place: Annotated[Place, FLAT] = Place()) -> int:
    """Write all signed versions into one file, for who verifies elsewhere.

    Args:
        file: The file to write.
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    chain = read_chain(workspace.home / CHAIN)
    write_chain(file, chain)
    output.emit_text(
        [
            ("trust", f"{file} ({len(chain)} versions)"),
            ("pin", f"{read_pin(workspace.home)}: hand it over by another way than the file"),
        ]
    )
    return 0


@app.command
def pull(*, place: Annotated[Place, FLAT] = Place(), dry_run: _Flag = False) -> int:
    """Bring this folder's trust root up to date from the ledger, verified from the pin.

    Args:
        place: Where the workspace is.
        dry_run: Verify and show; write nothing.
    """
    pulled = trustees.pull(session.reading(place), dry_run=dry_run)
    before = "none" if pulled.before is None else f"version {pulled.before}"
    output.emit_text(
        [
            ("was", before),
            ("now", f"version {pulled.trust.version}, {pulled.trust.digest}"),
        ]
    )
    if dry_run:
        output.notice("dry run: nothing was written")
    return 0


@app.command
def revoke(
    key: str,
    /,
    *,
    from_index: Annotated[int, Parameter(name="--from")],
    reason: Reason,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Distrust what a key signed from a log index on; what it signed before stays.

    Args:
        key: A key id, its first digits, or a principal with one key.
        from_index: First entry that no longer counts; 0 for a key that was never good.
        reason: Why, for the record.
        signing: Who signs.
    """
    workspace = session.acting(signing)
    trusted = find_key(workspace.trust, key)
    act = RevokeKey(reason=reason, key_id=trusted.key.key_id, from_index=from_index)
    hit = signed_by(workspace, trusted.key.key_id, from_index)
    code = output.emit_act(workspace, act, dry_run=signing.dry_run)
    what = f"{len(hit)} entries that {trusted.principal}'s key signed no longer count"
    output.notice(what + (f": log {', '.join(map(str, hit[:8]))}" if hit else ""))
    return code


@app.command
def reinstate(key: str, /, *, reason: Reason, signing: Annotated[Signing, FLAT] = Signing()) -> int:
    """Take a revocation back.

    Args:
        key: A key id, its first digits, or a principal with one key.
        reason: Why, for the record.
        signing: Who signs.
    """
    workspace = session.acting(signing)
    act = ReinstateKey(reason=reason, key_id=find_key(workspace.trust, key).key.key_id)
    return output.emit_act(workspace, act, dry_run=signing.dry_run)


@app.command
def add_witness(
    vkey: str,
    /,
    *,
    threshold: int | None = None,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Trust a witness's cosignatures.

    Args:
        vkey: Its verifier key, name+id+key, as `tidegate log witness init` shows it.
        threshold: How many witnesses must cosign a head before evidence rests on it.
        signing: Who signs.
    """
    workspace = session.acting(signing)
    now = workspace.clock.now()
    after = trustees.witness_added(workspace.trust, vkey, threshold=threshold, now=now)
    if signing.dry_run:
        output.notice("dry run: nothing was signed or appended")
        return 0
    done = trustees.publish(workspace, after)
    output.emit_text(
        [
            ("trust", f"version {after.version}, log {done.index}"),
            ("witness", f"{after.keys[-1].name}; {after.witness_threshold} must cosign"),
            ("next", "tidegate log cosign URL"),
        ]
    )
    return 0


@app.command
def log_successor(folder: Path, /, *, signing: Annotated[Signing, FLAT] = Signing()) -> int:
    """Close this log for ever, and begin its successor in a new folder with the same people.

    Args:
        folder: Where the successor's workspace is made.
        signing: Who signs.
    """
    workspace = session.acting(signing)
    succession.check(workspace, folder)
    if signing.dry_run:
        output.notice("dry run: the log stays open, nothing was made")
        return 0
    done = succession.succeed(workspace, folder)
    output.emit_text(
        [
            ("closed", f"{done.closed.origin}: {done.closed.size} entries, no more can follow"),
            ("successor", f"{done.workspace.origin} in {folder.absolute()}"),
            ("trust", f"pin {done.workspace.trust.digest}"),
            ("next", "keep the closed folder: what it holds is verified there"),
        ]
    )
    return 0


def _summary(workspace: Workspace, trust: TrustRoot, pin: str) -> list[tuple[str, str]]:
    follows = trust.predecessor
    rows = [
        ("workspace", f"{workspace.id}, log {workspace.origin}"),
        ("version", f"{trust.version}, {trust.digest}"),
        ("pin", pin),
        ("root keys", f"{trust.root_threshold} of {len(trust.root_keys)} sign the next version"),
        ("witnesses", f"{trust.witness_threshold} must cosign a head"),
        ("log key", note_keys(trust, Purpose.LOG)[-1].vkey),
    ]
    if follows:
        rows.append(("follows", f"{follows.origin}, {follows.size} entries"))
    return rows
