"""``tidegate scan approve`` and ``scan packs``: what model files may use in a workspace."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.app.effect import check_effect
from tidegate.app.model_rules import (
    approval,
    install_pack,
    packs_in_force,
    rules_in_force,
    sign_pack,
    verify_pack,
)
from tidegate.app.workspace import Workspace
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place, Reason, Signing
from tidegate.config import duration
from tidegate.core.clock import iso
from tidegate.core.errors import UnreadableSubject, UsageError
from tidegate.core.policy.directives import Directive, RetractClass
from tidegate.detect.supply.allow.packs import Entry

packs = App(name="packs", help="List, sign and install the packs of what model files may use.")
_LIMIT = 8 << 20


def approve(
    name: Annotated[str, Parameter(name="CLASS")],
    /,
    *,
    reason: Reason,
    expires_in: str = "30d",
    use: str = "data,new,build",
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Let model files hold a class that no pack lists, until a day; never a call.

    Read the class's source first: what its `__new__`, `__setstate__` and the like do runs when a
    file is loaded.

    Args:
        name: module:Class, as the finding names it.
        reason: Why it is harmless, for the record.
        expires_in: How long it holds, 90 days at most: 30d, 12h.
        use: Of data (it lies in the file), new (an instance is made), build (it gets state).
        signing: Who signs: a steward or an operator.
    """
    workspace = session.acting(signing)
    act = approval(name, use, reason, now=workspace.clock.now(), term=_term(expires_in))
    return _perform(workspace, act, signing, f"{name} may be {use} until {iso(act.expires)[:16]}")


def retract(
    name: Annotated[str, Parameter(name="CLASS")],
    /,
    *,
    reason: Reason,
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """End the approval of a class before it expires.

    Args:
        name: module:Class.
        reason: Why, for the record.
        signing: Who signs.
    """
    act = RetractClass(callable=name, reason=reason)
    return _perform(session.acting(signing), act, signing, f"{name} is approved no more")


@packs.command(name="list")
def list_(*, place: Annotated[Place, FLAT] = Place()) -> int:
    """List the packs in force, and the classes that were approved.

    Args:
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    for item in packs_in_force(workspace):
        if item.pack is None:
            output.emit_text([("bad pack", f"{item.digest}: {item.fault}")])
            continue
        by = "ships" if item.index is None else f"signed by {item.signer}, log {item.index}"
        size = f"{len(item.pack.entries)} entries, {item.pack.digest.short}, {by}"
        output.emit_text([("pack", f"{item.name}: {size}; {item.pack.versions}")])
    rules = rules_in_force(workspace)
    for entry in rules.approved:
        output.emit_text([("approved", _shown(entry))])
    output.emit_text([("rules", str(rules.digest))])
    return 0


@packs.command
def show(name: str, /, *, place: Annotated[Place, FLAT] = Place()) -> int:
    """Show what a pack allows, use by use, each with its reason.

    Args:
        name: A pack's name, or module:Class for what all packs say about one global.
        place: Where the workspace is.
    """
    rules = rules_in_force(session.reading(place))
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
    for entry in found:
        output.emit_text([("allows", _shown(entry))])
    return 0


@packs.command
def sign(
    file: Path,
    /,
    *,
    to: Annotated[Path, Parameter(name="--output")],
    signing: Annotated[Signing, FLAT] = Signing(),
) -> int:
    """Sign a pack; it is in force once a releaser installs it.

    Args:
        file: The pack, as JSON.
        to: Where to write the signed pack.
        signing: Who signs: a steward or an operator.
    """
    signed = sign_pack(session.acting(signing), _read(file))
    if not signing.dry_run:
        output.save(to, signed.decode("utf-8"))
    output.emit_text([("signed", f"{file}{' (dry run: not written)' if signing.dry_run else ''}")])
    return 0


@packs.command
def verify(file: Path, /, *, place: Annotated[Place, FLAT] = Place()) -> int:
    """Check who signed a pack, and whether that counts here.

    Args:
        file: The signed pack.
        place: Where the workspace is.
    """
    found = verify_pack(session.reading(place), _read(file))
    output.emit_text([("pack", found.name), ("digest", found.digest), ("signed by", found.signer)])
    return 0


@packs.command
def install(file: Path, /, *, reason: Reason, signing: Annotated[Signing, FLAT] = Signing()) -> int:
    """Put a signed pack in force; it takes the place of another of its name.

    It is taken out again by `tidegate quarantine add DIGEST --revoke`.

    Args:
        file: The signed pack.
        reason: Why, for the record.
        signing: Who installs it: a releaser.
    """
    workspace = session.acting(signing)
    found, act = install_pack(workspace, _read(file), reason, keep=not signing.dry_run)
    said = f"{found.name} {found.digest}, signed by {found.signer}, is in force"
    return _perform(workspace, act, signing, said)


def _perform(workspace: Workspace, act: Directive, signing: Signing, said: str) -> int:
    check_effect(workspace, act)
    if signing.dry_run:
        output.emit_text([(act.kind, said)])
        output.notice("dry run: nothing was signed or appended")
        return 0
    receipt = workspace.act(act)
    output.emit_text([(act.kind, said), ("log", f"{receipt.index}, envelope {receipt.envelope}")])
    return 0


def _shown(entry: Entry) -> str:
    uses = ",".join(sorted(entry.uses))
    return f"{entry.name} ({uses}): {entry.why}"


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read(_LIMIT)
    try:
        with file.open("rb") as stream:
            return stream.read(_LIMIT)
    except OSError as error:
        raise UnreadableSubject(
            "the pack can't be read",
            where=str(file),
            cause=error.strerror,
            next_step="check the path",
            slug="unreadable",
        ) from None


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
