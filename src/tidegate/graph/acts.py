"""Acts: the directives of a log, from what was signed to what holds.

A typed directive travels inside the directive predicate, whose ``target`` says what it is about.
What holds is a fold over the verified ones. A revocation counts first: what a key signed after it
was revoked has no effect, a reinstatement of itself included.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tidegate.core.attest.directive import Directive as Predicate
from tidegate.core.canonical import loads
from tidegate.core.clock import Micros
from tidegate.core.errors import VerificationError
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.policy.directives import Directive, from_json
from tidegate.graph.rows import DirectiveRow

_TARGETS = ("digest", "key_id", "subject", "name", "waiver", "scope", "source")

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
    }
)
"""Who may do what. To take trust away is open to more than to give it back."""


def to_predicate(act: Directive, *, owner: str) -> Predicate:
    """Wrap a typed directive for signing."""
    payload = act.to_json()
    target = next((str(payload[name]) for name in _TARGETS if payload.get(name)), act.kind)
    expires = payload.get("expires")
    return Predicate(
        kind=act.kind,
        target=target,
        reason=str(payload.get("reason", "")),
        owner=owner,
        expires=None if expires is None else Micros(int(expires)),
        payload=payload,
    )


def fold(rows: Iterable[DirectiveRow], trust: TrustRoot) -> DirectiveState:
    """Return what holds after these directives, which are in log order and verified.

    Acts of principals whose role does not allow them, and of keys that were revoked before, have
    no effect.
    """
    known = list(rows)
    revocations = [item for row in known if (item := revocation(row, trust)) is not None]
    state = DirectiveState()
    for row in known:
        # A revocation stands whatever became of the key that signed it: it only takes trust away.
        undone = row.kind != "revoke-key" and _revoked(row, revocations)
        if undone or not _allowed(row, trust):
            continue
        state = state.apply(row.index, typed(row), row.principal, row.time)
    return state


def revocation(row: DirectiveRow, trust: TrustRoot) -> Revocation | None:
    """Return the revocation that a directive states, if it does."""
    if row.kind != "revoke-key" or not _allowed(row, trust):
        return None
    payload = typed(row).to_json()
    return Revocation(row.target, int(payload.get("from_index", 0)), str(payload.get("reason")))


def typed(row: DirectiveRow) -> Directive:
    """Return the typed directive; a kind of a later version comes back as unknown."""
    return from_json(loads(row.payload.encode(), what=f"directive {row.index}"))


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
