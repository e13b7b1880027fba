"""What the directives of a log amount to: a pure fold, one entry after the other.

>>> from tidegate.core.policy.directives import Quarantine, Release
>>> digest = "sha256:" + "ab" * 32
>>> held = DirectiveState().apply(4, Quarantine(digest=digest, reason="moved"), "ann", 0)
>>> freed = held.apply(9, Release(digest=digest, reason="checked"), "bo", 0)
>>> held.is_quarantined(digest), freed.is_quarantined(digest)
(True, False)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

from tidegate.core.errors import LedgerError
from tidegate.core.policy import directives as acts
from tidegate.core.policy.waiver import Waiver

WAIVE = "waive"
"""The action under which a waiver is approved."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who did something, when, at which log index, and why."""

    index: int
    principal: str
    time: int
    reason: str


@dataclass(frozen=True, slots=True)
class Named:
    """What a name meant from an entry on."""

    digest: str
    act: Act


@dataclass(frozen=True, slots=True)
class RevokedKey:
    """From which log index a key is distrusted, and by which act."""

    from_index: int
    act: Act


@dataclass(frozen=True, slots=True)
class Refused:
    """A directive that is in the log and has no effect."""

    act: Act
    kind: str
    why: str


Approvals = Mapping[tuple[str, str], Mapping[str, Act]]
"""By (subject, action): each principal's approval."""
Sources = Mapping[str, acts.RegisterSource]
Classes = Mapping[str, tuple[acts.ApproveClass, Act]]
_Given = acts.Release | acts.ReinstateArtifact | acts.ReinstateKey
_Undone = _Given | acts.RetractWaiver | acts.RetireSource | acts.RetractClass


@dataclass(frozen=True, slots=True)
class DirectiveState:
    """What holds after the entries applied so far."""

    last_index: int = -1
    quarantined: Mapping[str, Act] = field(default_factory=dict[str, Act])
    """By digest."""
    revoked: Mapping[str, Act] = field(default_factory=dict[str, Act])
    """Artifacts, by digest."""
    revoked_keys: Mapping[str, RevokedKey] = field(default_factory=dict[str, RevokedKey])
    """By key id."""
    approvals: Approvals = field(default_factory=dict[tuple[str, str], Mapping[str, Act]])
    waivers: Mapping[str, Waiver] = field(default_factory=dict[str, Waiver])
    """By id; whether one holds is judged where it is used."""
    aliases: Mapping[str, tuple[Named, ...]] = field(default_factory=dict[str, tuple[Named, ...]])
    """By name: its history, the present last."""
    sources: Sources = field(default_factory=dict[str, acts.RegisterSource])
    """Registered sources of data, by name."""
    classes: Classes = field(default_factory=dict[str, tuple[acts.ApproveClass, Act]])
    """What was approved of classes in model files, by name; whether it holds still is judged where
    it is used."""
    unknown: tuple[tuple[int, acts.Unknown], ...] = ()
    """Directives of a kind that this release does not know, with their index."""
    refused: tuple[Refused, ...] = ()

    def apply(
        self, index: int, directive: acts.Directive, principal: str, time: int
    ) -> "DirectiveState":
        """Return the state after one more entry.

        The caller has verified the signature and that the principal may do this.

        Args:
            index: The entry's log index; higher than the last.
            directive: What it says.
            principal: Who signed it.
            time: Its log time, in microseconds.

        Raises:
            LedgerError: The index is not higher than the last.
        """
        if index <= self.last_index:
            raise LedgerError(
                "directives are out of order", where=f"log {index}", slug="directive-order"
            )
        act = Act(index, principal, time, directive.reason)
        return replace(_effect(directive, self, act), last_index=index)

    def is_quarantined(self, digest: str) -> bool:
        """Return whether a quarantine of this digest is in force."""
        return digest in self.quarantined

    def is_revoked(self, digest: str) -> bool:
        """Return whether this artifact was withdrawn."""
        return digest in self.revoked

    def key_holds(self, key_id: str, index: int) -> bool:
        """Return whether what a key signed at a log index is not revoked."""
        revoked = self.revoked_keys.get(key_id)
        return revoked is None or index < revoked.from_index

    def approvers(self, subject: str, action: str, *, producer: str | None) -> tuple[str, ...]:
        """Return the distinct principals, without the producer, who approve, sorted."""
        given = self.approvals.get((subject, action), {})
        return tuple(sorted(given.keys() - {producer}))

    def resolve(self, name: str) -> str | None:
        """Return the digest that a name means now."""
        history = self.aliases.get(name)
        return history[-1].digest if history else None

    def doubtful(self, text: str) -> bool:
        """Return whether a directive that can't be understood mentions a digest, key or name.

        What it is about must not be passed: the act may forbid it.
        """
        needle = text.rpartition(":")[2]  # a later release may write a digest without its algorithm
        return any(needle in directive.payload for _, directive in self.unknown)


@singledispatch
def _effect(directive: acts.Directive, state: DirectiveState, act: Act) -> DirectiveState:
    """Return the state with one directive's effect, or with its refusal noted."""
    return _refuse(state, directive, act, "the kind has no effect")


@_effect.register
def _(directive: acts.Unknown, state: DirectiveState, act: Act) -> DirectiveState:
    return replace(state, unknown=(*state.unknown, (act.index, directive)))


@_effect.register
def _(directive: acts.Quarantine, state: DirectiveState, act: Act) -> DirectiveState:
    return replace(state, quarantined={**state.quarantined, directive.digest: act})


@_effect.register
def _(directive: acts.RevokeArtifact, state: DirectiveState, act: Act) -> DirectiveState:
    return replace(state, revoked={**state.revoked, directive.digest: act})


@_effect.register
def _(directive: _Undone, state: DirectiveState, act: Act) -> DirectiveState:
    """End what an earlier act began."""
    ended = {
        acts.Release: ("quarantined", "digest", "it is not in quarantine"),
        acts.ReinstateArtifact: ("revoked", "digest", "it is not revoked"),
        acts.ReinstateKey: ("revoked_keys", "key_id", "the key is not revoked"),
        acts.RetractWaiver: ("waivers", "waiver", "there is no such waiver"),
        acts.RetireSource: ("sources", "source", "there is no such source"),
        acts.RetractClass: ("classes", "callable", "it is not approved"),
    }
    kept, key, otherwise = ended[type(directive)]
    held, ending = getattr(state, kept), getattr(directive, key)
    if ending not in held:
        return _refuse(state, directive, act, otherwise)
    rest: dict[str, Any] = {kept: {name: held[name] for name in held if name != ending}}
    return replace(state, **rest)


@_effect.register
def _(_directive: acts.Erase, state: DirectiveState, _: Act) -> DirectiveState:
    return state  # what is gone shows by itself; that somebody answers for it is the point


@_effect.register
def _(directive: acts.RegisterSource, state: DirectiveState, _: Act) -> DirectiveState:
    return replace(state, sources={**state.sources, directive.source: directive})


@_effect.register
def _(directive: acts.ApproveClass, state: DirectiveState, act: Act) -> DirectiveState:
    return replace(state, classes={**state.classes, directive.callable: (directive, act)})


@_effect.register
def _(directive: acts.RevokeKey, state: DirectiveState, act: Act) -> DirectiveState:
    # A second revocation may only reach further back: the first one's finding stays true.
    before = state.revoked_keys.get(directive.key_id)
    since = min(directive.from_index, before.from_index if before else directive.from_index)
    revoked = RevokedKey(since, act)
    return replace(state, revoked_keys={**state.revoked_keys, directive.key_id: revoked})


@_effect.register
def _(directive: acts.Waive, state: DirectiveState, act: Act) -> DirectiveState:
    return _with_waiver(
        state,
        Waiver(
            id=f"waiver-{act.index}",
            control=directive.control,
            rule=directive.rule,
            scope=directive.scope,
            owner=directive.owner,
            reason=directive.reason,
            granted=act.time,
            expires=directive.expires,
            approvers=(act.principal,),
        ),
    )


@_effect.register
def _(directive: acts.Approve, state: DirectiveState, act: Act) -> DirectiveState:
    if directive.action != WAIVE:
        key = (directive.subject, directive.action)
        given = {**state.approvals.get(key, {}), act.principal: act}
        return replace(state, approvals={**state.approvals, key: given})
    waiver = state.waivers.get(directive.subject)
    if waiver is None:
        return _refuse(state, directive, act, "there is no such waiver")
    if act.principal in waiver.approvers:
        return _refuse(state, directive, act, "this principal had approved it already")
    return _with_waiver(state, replace(waiver, approvers=(*waiver.approvers, act.principal)))


@_effect.register
def _(directive: acts.RetractApproval, state: DirectiveState, act: Act) -> DirectiveState:
    key = (directive.subject, directive.action)
    given = state.approvals.get(key, {})
    if act.principal in given:
        return replace(
            state,
            approvals={
                **state.approvals,
                key: {name: given[name] for name in given if name != act.principal},
            },
        )
    waiver = state.waivers.get(directive.subject) if directive.action == WAIVE else None
    if waiver is None or act.principal not in waiver.approvers:
        return _refuse(state, directive, act, "this principal had not approved it")
    rest = tuple(name for name in waiver.approvers if name != act.principal)
    return _with_waiver(state, replace(waiver, approvers=rest))


@_effect.register
def _(directive: acts.Alias, state: DirectiveState, act: Act) -> DirectiveState:
    if "@" in directive.name and directive.name in state.aliases:
        return _refuse(state, directive, act, "a version is bound to its digest for ever")
    return _point(state, directive, act)


@_effect.register
def _(directive: acts.Rollback, state: DirectiveState, act: Act) -> DirectiveState:
    history = state.aliases.get(directive.name, ())
    if directive.digest not in {item.digest for item in history}:
        return _refuse(state, directive, act, "the name never meant that digest")
    return _point(state, directive, act)


def _point(
    state: DirectiveState, directive: acts.Alias | acts.Rollback, act: Act
) -> DirectiveState:
    if directive.digest in state.revoked or directive.digest in state.quarantined:
        return _refuse(state, directive, act, "the digest is revoked or in quarantine")
    history = (*state.aliases.get(directive.name, ()), Named(directive.digest, act))
    return replace(state, aliases={**state.aliases, directive.name: history})


def _with_waiver(state: DirectiveState, waiver: Waiver) -> DirectiveState:
    return replace(state, waivers={**state.waivers, waiver.id: waiver})


def _refuse(state: DirectiveState, directive: acts.Directive, act: Act, why: str) -> DirectiveState:
    return replace(state, refused=(*state.refused, Refused(act, directive.kind, why)))
