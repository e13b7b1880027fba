"""``tidegate trust``: whose keys count, for what, and from when not."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app import succession, trustees
from tidegate.app.keyring import find_key, list_keys
from tidegate.app.logbook import signed_by
from tidegate.app.trust import CHAIN, chain_text, read_chain, read_pin
from tidegate.app.workspace import Workspace
from tidegate.cli import acts, output, session
from tidegate.cli.options import FLAT, Acting, Flag, Reading, Reason, Target
from tidegate.core.identity.trust import Purpose, TrustRoot
from tidegate.core.policy.directives import ReinstateKey, RevokeKey
from tidegate.core.verify import note_keys

app = App(name="trust", help="Say whose keys count, for what, and from when not.")
app.command("tidegate.cli.affected:affected", name="affected", help="Say what hangs on a key.")


@app.command
def show(*, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """Show the trust root in force: its keys, thresholds and pin.

    JSON: `digest`, `pin`, `logKeys`, `trustRoot`; `keys` (`principal`, `keyId`, `scheme`,
    `purpose`, `roles`, `state`, `kept`, `root`, `validFrom`, `validUntil`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    trust, pin = workspace.trust, read_pin(workspace.home)
    rows = [row for row in list_keys(workspace) if row.purpose]
    facts = {
        "digest": str(trust.digest),
        "pin": str(pin),
        "logKeys": [key.vkey for key in note_keys(trust, Purpose.LOG)],
        "trustRoot": trust.to_json(),
        "keys": [row.to_json() for row in rows],
    }
    table = output.Table(
        ("principal", "key", "for", "state"),
        [
            (row.principal + (" (root)" if row.root else ""), row.key_id, row.purpose, row.state)
            for row in rows
        ],
    )
    output.emit(reading, facts, _summary(workspace, trust, str(pin)), table)
    return 0


@app.command
def export(file: Target, /, *, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """Write all signed versions into one file, for who verifies elsewhere.

    JSON: `file`, `versions`, how many; `pin`.

    Args:
        file: The file to write; - is standard output.
        reading: Where the workspace is, and how the answer is shown.
    """
    output.check_target(reading, file)
    workspace = session.reading(reading)
    chain, pin = read_chain(workspace.home / CHAIN), str(read_pin(workspace.home))
    apart = f"{pin}: hand it over by another way than the file"
    rows = [("trust", f"{file} ({len(chain)} versions)"), ("pin", apart)]
    facts = {"versions": len(chain), "pin": pin}
    output.emit_document(reading, chain_text(chain), file, facts, rows)
    return 0


@app.command
def pull(*, dry_run: Flag = False, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """Bring this folder's trust root up to date from the ledger, verified from the pin.

    JSON: `before`, the version that was here, or null; `version`, `digest`, of the one that is in
    force; `dryRun`.

    Args:
        dry_run: Verify and show; write nothing.
        reading: Where the workspace is, and how the answer is shown.
    """
    pulled = trustees.pull(session.reading(reading), dry_run=dry_run)
    trust = pulled.trust
    before = "none" if pulled.before is None else f"version {pulled.before}"
    output.emit(
        reading,
        {
            "before": pulled.before,
            "version": trust.version,
            "digest": str(trust.digest),
            "dryRun": dry_run,
        },
        [("was", before), ("now", f"version {trust.version}, {trust.digest}")],
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
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Distrust what a key signed from a log index on; what it signed before stays.

    JSON: `act`, `index`, `envelope`, `dryRun`; `entries`, log indices of what no longer counts.

    Args:
        key: A key id, its first digits, or a principal with one key.
        from_index: First entry that no longer counts; 0 for a key that was never good.
        reason: Why, for the record.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    trusted = find_key(workspace.trust, key)
    act = RevokeKey(reason=reason, key_id=trusted.key.key_id, from_index=from_index)
    hit = signed_by(workspace, trusted.key.key_id, from_index)
    receipt = acts.append(workspace, act, acting)
    what = f"{len(hit)} entries that {trusted.principal}'s key signed no longer count"
    what += f": log {', '.join(map(str, hit[:8]))}" if hit else ""
    return acts.tell(acting, act, receipt, {"entries": hit}, what)


@app.command
def reinstate(key: str, /, *, reason: Reason, acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """Take a revocation back.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        key: A key id, its first digits, or a principal with one key.
        reason: Why, for the record.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    act = ReinstateKey(reason=reason, key_id=find_key(workspace.trust, key).key.key_id)
    return acts.perform(workspace, act, acting)


@app.command
def add_witness(
    vkey: str,
    /,
    *,
    threshold: int | None = None,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Trust a witness's cosignatures.

    JSON: `witness`, its name; `threshold`, how many must cosign; `version`, `digest`, of the trust
    root; `index`, `dryRun`.

    Args:
        vkey: Its verifier key, name+id+key, as `tidegate log witness init` shows it.
        threshold: How many witnesses must cosign a head before evidence rests on it.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    now = workspace.clock.now()
    after = trustees.witness_added(workspace.trust, vkey, threshold=threshold, now=now)
    done = None if acting.dry_run else trustees.publish(workspace, after)
    facts = {
        "witness": after.keys[-1].name,
        "threshold": after.witness_threshold,
        "version": after.version,
        "digest": str(after.digest),
        "index": None if done is None else done.index,
        "dryRun": done is None,
    }
    where = "not signed" if done is None else f"log {done.index}"
    output.emit(
        acting,
        facts,
        [
            ("trust", f"version {after.version}, {where}"),
            ("witness", f"{after.keys[-1].name}; {after.witness_threshold} must cosign"),
            ("next", "tidegate log cosign URL"),
        ],
    )
    if done is None:
        output.notice("dry run: nothing was signed or appended")
    return 0


@app.command
def log_successor(folder: Path, /, *, acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """Close this log for ever, and begin its successor in a new folder with the same people.

    JSON: `log`, `size`, of the one that ends; `successor`, `folder`, `pin`, of the one that goes
    on, null on a dry run; `dryRun`.

    Args:
        folder: Where the successor's workspace is made.
        acting: Who signs, and how the answer is shown.
    """
    workspace = session.acting(acting)
    succession.check(workspace, folder)
    facts = {"log": workspace.origin, "folder": str(folder.absolute()), "dryRun": acting.dry_run}
    if acting.dry_run:
        size = workspace.log.head.size
        unmade = {"size": size, "successor": None, "pin": None}
        would = [
            ("would close", f"{workspace.origin}: {size} entries"),
            ("successor in", str(folder)),
        ]
        output.emit(acting, {**facts, **unmade}, would)
        output.notice("dry run: the log stays open, nothing was made")
        return 0
    done = succession.succeed(workspace, folder)
    pin = str(done.workspace.trust.digest)
    made = {"size": done.closed.size, "successor": done.workspace.origin, "pin": pin}
    output.emit(
        acting,
        {**facts, **made},
        [
            ("closed", f"{done.closed.origin}: {done.closed.size} entries, no more can follow"),
            ("successor", f"{done.workspace.origin} in {folder.absolute()}"),
            ("trust", f"pin {pin}"),
            ("next", "keep the closed folder: what it holds is verified there"),
        ],
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
