"""Acts: the directives of a log, from what was signed to what holds.

A typed directive travels inside the directive predicate, whose ``kind`` and ``target`` must be its
own. What holds is a fold over the verified ones. A revocation counts first: what a key signed after
it was revoked gives nothing back, a reinstatement of itself included. What only takes trust away
stands all the same, so that revoking a key never frees what it had put into quarantine.
"""

from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType

from tidegate.core.attest.directive import Directive as Predicate
from tidegate.core.canonical import dumps, loads
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.core.errors import VerificationError
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.policy.directives import Directive, Unknown, from_json
from tidegate.graph.rows import DirectiveRow

_TARGETS = ("digest", "key_id", "subject", "name", "waiver", "scope", "source", "callable")

_ANYONE = frozenset(Role) - {Role.AUDITOR}
_GUARDS = frozenset({Role.STEWARD, Role.OPERATOR})
ACTORS: Mapping[str, frozenset[Role]] = MappingProxyType(
    {
        "approve": _ANYONE,
        "retract-approval": _ANYONE,
        "quarantine": _ANYONE,
        "release": _GUARDS,
        "revoke-key": _GUARDS,
        "reinstate-key": _GUARDS,
        "revoke-artifact": _GUARDS,
        "reinstate-artifact": _GUARDS,
        "waive": _GUARDS,
        "retract-waiver": _ANYONE,
        "alias": frozenset({Role.RELEASER}),
        "rollback": frozenset({Role.RELEASER, Role.OPERATOR}),
        "register-source": frozenset({Role.STEWARD}),
        "retire-source": frozenset({Role.STEWARD}),
        "erase": _GUARDS,
        "approve-class": _GUARDS,
        "retract-class": _ANYONE,
    }
)
"""Who may do what. To take trust away is open to more than to give it back."""
TAKING = frozenset({
    "quarantine", "revoke-artifact", "revoke-key",
    "retract-approval", "retract-waiver", "retire-source", "retract-class",
})  # fmt: skip
"""Acts that only take trust away: they stand whatever became of the key that signed them."""


def to_predicate(act: Directive, *, owner: str) -> Predicate:
    """Wrap a typed directive for signing."""
    payload = act.to_json()
    target = _target(act)
    expires = payload.get("expires")
    return Predicate(
        kind=act.kind,
        target=target,
        reason=str(payload.get("reason", "")),
        owner=owner,
        expires=None if expires is None else Micros(int(expires)),
        payload=payload,
    )


def original(
    read: Iterable[tuple[DirectiveRow, Digest] | None], backdated: Container[int]
) -> list[DirectiveRow]:
    """Leave out what was appended again, or in the past, unless it only takes trust away.

    To take it away twice harms nobody; that it be given back again, nobody signed.

    Args:
        read: Directives in log order, each with the digest of the bytes that were signed: who
            appends one again can choose its envelope's other bytes.
        backdated: Entries whose time is not the log's.
    """
    rows: list[DirectiveRow] = []
    seen: set[Digest] = set()
    for row, signed in filter(None, read):
        if row.kind in TAKING or not (signed in seen or row.index in backdated):
            rows.append(row)
        seen.add(signed)
    return rows


def fold(
    rows: Iterable[DirectiveRow], trust: TrustRoot, *, also: Iterable[Revocation] = ()
) -> DirectiveState:
    """Return what holds after these directives, which are in log order and verified.

    Acts of principals whose role does not allow them, and of keys that were revoked before, have
    no effect.

    Args:
        rows: The directives.
        trust: Whose keys are whose.
        also: Revocations that are only supposed: what would hold then.
    """
    known = list(rows)
    stated = [item for row in known if (item := revocation(row, trust)) is not None]
    revocations = [*also, *stated]
    state = DirectiveState()
    for row in known:
        undone = row.kind not in TAKING and _revoked(row, revocations)
        if undone or not _allowed(row, trust):
            continue
        state = state.apply(row.index, typed(row), row.principal, row.time)
    return state


def revocation(row: DirectiveRow, trust: TrustRoot) -> Revocation | None:
    """Return the revocation that a directive states, if it does."""
    if row.kind != "revoke-key" or not _allowed(row, trust):
        return None
    act = typed(row)
    since = getattr(act, "from_index", 0)  # of a later version: from the beginning
    return Revocation(row.target, since, act.reason)


def typed(row: DirectiveRow) -> Directive:
    """Return the typed directive.

    A kind of a later version comes back as unknown. So does one that is malformed, or whose payload
    is another act than the predicate around it names: whoever may do the one might not the other.
    What it mentions is then in doubt; the log can't be rid of it, and must not stop for it.
    """
    payload = loads(row.payload.encode(), what=f"directive {row.index}")
    try:
        act = from_json(payload)
    except VerificationError:
        act = Unknown(reason="", payload="")
    if isinstance(act, Unknown) or (act.kind, _target(act)) != (row.kind, row.target):
        return Unknown(reason="", payload=dumps([row.target, payload]).decode())
    return act


def _target(act: Directive) -> str:
    payload = act.to_json()
    return next((str(payload[name]) for name in _TARGETS if payload.get(name)), act.kind)


def revocations(state: DirectiveState) -> tuple[Revocation, ...]:
    """Return the key revocations in force."""
    return tuple(
        Revocation(key_id, revoked.from_index, revoked.act.reason)
        for key_id, revoked in state.revoked_keys.items()
    )


def _allowed(row: DirectiveRow, trust: TrustRoot) -> bool:
    try:
        held = trust.entry(row.key_id).roles
    except VerificationError:
        return False
    return bool(held & ACTORS.get(row.kind, _ANYONE))


def _revoked(row: DirectiveRow, revocations: Iterable[Revocation]) -> bool:
    return any(item.key_id == row.key_id and row.index >= item.from_index for item in revocations)
