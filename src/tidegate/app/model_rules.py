"""What model files may use in a workspace: the packs that ship, installed packs, approved classes.

A pack is installed by two people: one who guards (steward, operator) signs it, a releaser lets the
name ``allow-pack/NAME`` mean its digest. An approval is a signed directive that expires; it lets a
class lie in a file and be given state, and never allows a call.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from tidegate.app.workspace import Workspace
from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.envelope import Envelope
from tidegate.core.canonical import dumps, loads
from tidegate.core.clock import DAY, Micros
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import AccessError, SubjectError, TrustError, UsageError
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose, check_not_revoked
from tidegate.core.policy.directive_state import Act
from tidegate.core.policy.directives import Alias, ApproveClass
from tidegate.detect.supply.allow.packs import Allowlist, Entry, Pack, load_packs
from tidegate.detect.supply.rules import is_executor
from tidegate.graph.acts import revocations

PACK_TYPE = "application/vnd.tidegate.allow-pack+json"
MAX_DAYS = 90
"""Longest term of an approval."""
_NAMES = "allow-pack/"
_SIGNERS = frozenset({Role.STEWARD, Role.OPERATOR})
_MAX_PACK = 8 << 20


@dataclass(frozen=True, slots=True)
class Installed:
    """A pack that is in force, or why it is not."""

    pack: Pack | None
    digest: str
    """Of the signed file; ``""`` for a pack that ships."""
    signer: str
    index: int | None
    """Where the log says that it is installed."""
    fault: str = ""
    """Why it does not count."""

    @property
    def name(self) -> str:
        """The pack's name."""
        return self.pack.name if self.pack else self.digest[:19]


def rules_in_force(workspace: Workspace) -> Allowlist:
    """Return what model files may use now.

    Raises:
        TrustError: An installed pack does not count any more: which rules were meant is unknown.
        StoreError: An installed pack is not in the store.
    """
    packs: list[Pack] = []
    for item in packs_in_force(workspace):
        if item.pack is None:
            raise TrustError(
                "an installed allow pack does not count",
                where=item.digest,
                cause=item.fault,
                next_step="install one that does, or revoke it: `tidegate quarantine add --revoke`",
                slug="bad-pack",
            )
        packs.append(item.pack)
    return Allowlist(packs, approvals(workspace))


def approvals(workspace: Workspace) -> tuple[Entry, ...]:
    """Return the approved classes whose approval holds now, by name."""
    now = workspace.clock.now()
    found: list[Entry] = []
    for name, (directive, act) in sorted(workspace.directives().classes.items()):
        term = directive.expires - act.time
        if act.time <= now < directive.expires and term <= MAX_DAYS * DAY and not _runs(name):
            why = f"{directive.reason} ({act.principal}, log {act.index})"
            found.append(Entry.from_json({"uses": directive.uses.split(","), "why": why}, name))
    return tuple(found)


def approval(name: str, uses: str, reason: str, *, now: Micros, term: int) -> ApproveClass:
    """Return the directive that approves a class.

    Args:
        name: ``module:Class``.
        uses: Of ``data,new,build``.
        reason: Why it is harmless.
        now: The present.
        term: How long it holds, in microseconds.

    Raises:
        UsageError: It would be a call, a name that runs code, or too long a term.
    """
    if _runs(name):
        raise UsageError(
            "this name runs code; no approval makes it harmless",
            where=name[:200],
            next_step="ask the producer for a file without it",
            slug="approves-code",
        )
    if not 0 < term <= MAX_DAYS * DAY:
        raise UsageError(
            f"an approval holds for {MAX_DAYS} days at most",
            next_step="take a shorter time, and approve it anew when it ends",
            slug="approval-term",
        )
    Entry.approve(f"{name}={uses}", reason)
    return ApproveClass(callable=name, uses=uses, reason=reason, expires=now + term)


def _runs(name: str) -> bool:
    module, _, attribute = name.partition(":")
    return is_executor(module, attribute)


def sign_pack(workspace: Workspace, data: bytes) -> bytes:
    """Sign a pack's JSON as the principal who acts; return the file to install.

    Raises:
        ConfigError: It is no pack.
        AccessError: The principal's role may not, or has no key.
    """
    raw = loads(data, what="the pack", limit=_MAX_PACK)
    pack = Pack.from_json(raw if isinstance(raw, dict) else {})
    if not workspace.principal.roles & _SIGNERS:
        raise AccessError(
            f"{workspace.principal.name} may not sign packs",
            where=pack.name,
            next_step=f"act as a {' or '.join(sorted(_SIGNERS))} (--as)",
            slug="role",
        )
    return dsse.sign(dumps(raw), PACK_TYPE, [workspace.principal.signer]).to_bytes()


def verify_pack(workspace: Workspace, data: bytes, *, named: Act | None = None) -> Installed:
    """Check a signed pack: by whom, and whether that counts.

    Args:
        workspace: Whose trust counts.
        data: The signed file.
        named: The act in the log that names it; its signature is judged by that time.

    Raises:
        VerificationError: It is no signed pack, or nobody who may signed it.
        ConfigError: What is signed is no pack.
    """
    signed = Envelope.parse(data)
    if signed.payload_type != PACK_TYPE:
        raise TrustError(
            "not a signed allow pack", where=signed.payload_type[:200], slug="bad-pack"
        )
    keys = workspace.trust.keys_for(Purpose.ATTEST)
    found = dsse.verify(signed, [key.key for key in keys if key.roles & _SIGNERS])
    at = workspace.clock.now() if named is None else Micros(named.time)
    index = None if named is None else named.index
    trusted = workspace.trust.key(found[0].key_id, at=at, purpose=Purpose.ATTEST)
    check_not_revoked(trusted.key.key_id, index, revocations(workspace.directives()))
    pack = Pack.from_json(loads(signed.payload, what="the pack", limit=_MAX_PACK))
    return Installed(pack, str(sha256(data)), trusted.principal, index)


def install_pack(
    workspace: Workspace, data: bytes, reason: str, *, keep: bool = True
) -> tuple[Installed, Alias]:
    """Keep a signed pack, and return the act that puts it in force.

    Args:
        workspace: Where.
        data: The signed file.
        reason: Why, for the record.
        keep: Store it; not on a dry run.

    Raises:
        VerificationError: Nobody who may signed it.
        UsageError: Its name can't be a pack's.
    """
    checked = verify_pack(workspace, data)
    if keep:
        workspace.blobs.put(BytesIO(data))
    return checked, Alias(name=f"{_NAMES}{checked.name}", digest=checked.digest, reason=reason)


def packs_in_force(workspace: Workspace) -> tuple[Installed, ...]:
    """Return the packs: those that ship, each replaced by an installed one of its name."""
    installed = dict(_installed(workspace))
    own = [Installed(pack, "", "ships", None) for pack in load_packs()]
    kept = [installed.pop(item.name, item) for item in own]
    return (*kept, *(installed[name] for name in sorted(installed)))


def _installed(workspace: Workspace) -> Iterator[tuple[str, Installed]]:
    state = workspace.directives()
    for alias, history in state.aliases.items():
        name = alias.removeprefix(_NAMES)
        digest = history[-1].digest
        if name == alias or state.is_revoked(digest) or state.is_quarantined(digest):
            continue
        act = history[-1].act
        try:
            data = b"".join(workspace.blobs.get(Digest.parse(digest)))
            found = verify_pack(workspace, data, named=act)
        except (TrustError, SubjectError) as error:
            found = Installed(None, digest, "", act.index, str(error))
        if found.pack and found.name != name:
            found = Installed(None, digest, "", act.index, f"it is the pack {found.name}")
        yield name, found
