"""``tidegate scan approve`` and ``scan packs``: what model files may use in a workspace."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.model_rules import (
    Installed,
    approval,
    approvals,
    install_pack,
    packs_in_force,
    rules_in_force,
    sign_pack,
    verify_pack,
)
from tidegate.app.reading import read_file
from tidegate.cli import acts, output, session
from tidegate.cli.options import FLAT, Acting, Reading, Reason, Target
from tidegate.config import duration
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.errors import TrustError, UsageError
from tidegate.core.policy.directives import RetractClass
from tidegate.detect.supply.allow.packs import Entry

packs = App(name="packs", help="List, sign and install the packs of what model files may use.")
_LIMIT = 8 << 20
_Reading = Annotated[Reading, FLAT]


def approve(
    name: Annotated[str, Parameter(name="CLASS")],
    /,
    *,
    reason: Reason,
    expires_in: str = "30d",
    use: str = "data,new,build",
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Let model files hold a class that no pack lists, until a day; never a call.

    Read the class's source first: what its `__new__`, `__setstate__` and the like do runs when a
    file is loaded.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        name: module:Class, as the finding names it.
        reason: Why it is harmless, for the record.
        expires_in: How long it holds, 90 days at most: 30d, 12h.
        use: Of data (it lies in the file), new (an instance is made), build (it gets state).
        acting: Who signs, a steward or an operator, and how the answer is shown.
    """
    workspace = session.acting(acting)
    act = approval(name, use, reason, now=workspace.clock.now(), term=_term(expires_in))
    said = f"{name} may be {use} until {iso(act.expires)[:16]}"
    return acts.perform(workspace, act, acting, said)


def retract(
    name: Annotated[str, Parameter(name="CLASS")],
    /,
    *,
    reason: Reason,
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """End the approval of a class before it expires.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        name: module:Class.
        reason: Why, for the record.
        acting: Who signs, and how the answer is shown.
    """
    act = RetractClass(callable=name, reason=reason)
    return acts.perform(session.acting(acting), act, acting)


@packs.command(name="list")
def list_(*, reading: _Reading = Reading()) -> int:
    """List the packs in force, and the classes that were approved.

    JSON: `packs` (`name`, `digest`, `versions`, `entries`, `signer`, `index`, `fault`); `approved`
    (`name`, `uses`, `why`); `digest`, of all rules together, null where a pack does not count.

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    installed = packs_in_force(workspace)
    whole = all(item.pack is not None for item in installed)
    rules = rules_in_force(workspace) if whole else None
    approved = approvals(workspace)
    facts = {
        "packs": [_pack_json(item) for item in installed],
        "approved": [_entry_json(entry) for entry in approved],
        "digest": None if rules is None else str(rules.digest),
    }
    rows = [_pack_row(item) for item in installed]
    rows += [("approved", _shown(entry)) for entry in approved]
    rows.append(("rules", "none: a pack does not count" if rules is None else str(rules.digest)))
    output.emit(reading, facts, rows)
    return 0 if whole else TrustError.exit_code


@packs.command
def show(name: str, /, *, reading: _Reading = Reading()) -> int:
    """Show what a pack allows, use by use, each with its reason.

    JSON: `entries` (`name`, `uses`, `why`).

    Args:
        name: A pack's name, or module:Class for what all packs say about one global.
        reading: Where the workspace is, and how the answer is shown.
    """
    rules = rules_in_force(session.reading(reading))
    if ":" in name:
        one = rules.get(name)
        found = [] if one is None else [one]
    else:
        found = [e for pack in rules.packs if pack.name == name for e in pack.entries]
    if not found:
        raise UsageError(
            "no pack says anything about it",
            where=name[:200],
            next_step="see `tidegate scan packs list`",
            slug="no-pack",
        )
    rows = [("allows", _shown(entry)) for entry in found]
    output.emit(reading, {"entries": [_entry_json(entry) for entry in found]}, rows)
    return 0


@packs.command
def sign(
    file: Path,
    /,
    *,
    to: Annotated[Target, Parameter(name="--output")],
    acting: Annotated[Acting, FLAT] = Acting(),
) -> int:
    """Sign a pack; it is in force once a releaser installs it.

    JSON: `file`, null on a dry run; `dryRun`.

    Args:
        file: The pack, as JSON.
        to: Where to write the signed pack; - is standard output.
        acting: Who signs, a steward or an operator, and how the answer is shown.
    """
    output.check_target(acting, to)
    signed = sign_pack(session.acting(acting), _read(file)).decode()
    if acting.dry_run:
        output.emit(acting, {"file": None, "dryRun": True}, [("would sign", str(file))])
        output.notice("dry run: nothing was written")
        return 0
    rows = [("signed", f"{file}, in {to}")]
    output.emit_document(acting, signed, to, {"dryRun": False}, rows)
    return 0


@packs.command
def verify(file: Path, /, *, reading: _Reading = Reading()) -> int:
    """Check who signed a pack, and whether that counts here.

    JSON: `name`, `digest`, `signer`.

    Args:
        file: The signed pack.
        reading: Where the workspace is, and how the answer is shown.
    """
    found = verify_pack(session.reading(reading), _read(file))
    facts = {"name": found.name, "digest": found.digest, "signer": found.signer}
    rows = [("pack", found.name), ("digest", found.digest), ("signed by", found.signer)]
    output.emit(reading, facts, rows)
    return 0


@packs.command
def install(file: Path, /, *, reason: Reason, acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """Put a signed pack in force; it takes the place of another of its name.

    It is taken out again by `tidegate quarantine add DIGEST --revoke`.

    JSON: `act`, `index`, `envelope`, `dryRun`.

    Args:
        file: The signed pack.
        reason: Why, for the record.
        acting: Who installs it, a releaser, and how the answer is shown.
    """
    workspace = session.acting(acting)
    found, act = install_pack(workspace, _read(file), reason, keep=not acting.dry_run)
    signed = f"{found.name} {found.digest}, signed by {found.signer}"
    return acts.perform(workspace, act, acting, signed)


def _pack_row(item: Installed) -> tuple[str, str]:
    if item.pack is None:
        return "bad pack", f"{item.digest}: {item.fault}"
    by = "ships" if item.index is None else f"signed by {item.signer}, log {item.index}"
    size = f"{len(item.pack.entries)} entries, {item.pack.digest.short}, {by}"
    return "pack", f"{item.name}: {size}; {item.pack.versions}"


def _pack_json(item: Installed) -> dict[str, Json]:
    return {
        "name": item.name,
        "digest": str(item.pack.digest) if item.pack else item.digest,
        "versions": item.pack and item.pack.versions,
        "entries": len(item.pack.entries) if item.pack else 0,
        "signer": item.signer,
        "index": item.index,
        "fault": item.fault or None,
    }


def _entry_json(entry: Entry) -> dict[str, Json]:
    return {"name": entry.name, "uses": sorted(entry.uses), "why": entry.why}


def _shown(entry: Entry) -> str:
    uses = ",".join(sorted(entry.uses))
    return f"{entry.name} ({uses}): {entry.why}"


def _read(file: Path) -> bytes:
    return read_file(file, what="the pack", limit=_LIMIT)


def _term(text: str) -> int:
    try:
        return duration(text)
    except ValueError as error:
        raise UsageError(
            "not a duration",
            where="--expires-in",
            cause=str(error),
            next_step="write it with a unit: 12h, 30d",
            slug="bad-duration",
        ) from None
