"""Directives: exact payloads, an undo for each, and a fold that keeps what it can't read."""

from dataclasses import replace

import pytest

from tidegate.core.canonical import dumps, loads
from tidegate.core.clock import DAY
from tidegate.core.errors import LedgerError, VerificationError
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.policy.directives import (
    KINDS,
    Alias,
    Approve,
    ApproveClass,
    Directive,
    Erase,
    Quarantine,
    RegisterSource,
    ReinstateArtifact,
    ReinstateKey,
    Release,
    RetireSource,
    RetractApproval,
    RetractClass,
    RetractWaiver,
    RevokeArtifact,
    RevokeKey,
    Rollback,
    Unknown,
    Waive,
    from_json,
)

A, B = "sha256:" + "aa" * 32, "sha256:" + "bb" * 32
KEY = "0f" * 32
WAIVE = Waive(
    control="TG-REG-04", rule="*", scope=A, owner="ann", expires=9 * DAY, reason="migration"
)
EXAMPLES: list[Directive] = [
    Quarantine(digest=A, reason="x"),
    Release(digest=A, reason="x"),
    RevokeKey(key_id=KEY, from_index=7, reason="x"),
    ReinstateKey(key_id=KEY, reason="x"),
    RevokeArtifact(digest=A, reason="x"),
    ReinstateArtifact(digest=A, reason="x"),
    WAIVE,
    RetractWaiver(waiver="waiver-3", reason="x"),
    Approve(subject=A, action="registry/promote", reason="x"),
    RetractApproval(subject=A, action="registry/promote", reason="x"),
    Alias(name="credit@3", digest=A, reason="x"),
    Rollback(name="credit/production", digest=A, reason="x"),
    RegisterSource(source="feed-a", tier="partner", owner="Risk", licence="CC0-1.0", reason="x"),
    RetireSource(source="feed-a", reason="x"),
    Erase(digest=A, reason="x"),
    ApproveClass(callable="my.models:Net", uses="data,new", reason="x", expires=9),
    RetractClass(callable="my.models:Net", reason="x"),
]


def fold(*acts: tuple[str, Directive]) -> DirectiveState:
    state = DirectiveState()
    for index, (principal, directive) in enumerate(acts):
        state = state.apply(index, directive, principal, index * 1_000)
    return state


def test_there_is_an_example_of_every_kind() -> None:
    assert {example.kind for example in EXAMPLES} == set(KINDS)


@pytest.mark.parametrize("directive", EXAMPLES, ids=lambda directive: directive.kind)
def test_a_directive_round_trips_through_canonical_json(directive: Directive) -> None:
    again = from_json(loads(dumps(directive.to_json()), what="directive"))
    assert again == directive
    assert type(again) is type(directive)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "sha256:aa"},
        {"digest": A.upper()},
        {"digest": 7},
        {"reason": "  "},
        {"reason": "x" * 601},
        {"more": "x"},
        {"digest": None},
    ],
)
def test_a_malformed_directive_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(VerificationError):
        from_json({**Quarantine(digest=A, reason="x").to_json(), **change})


@pytest.mark.parametrize("value", [True, -1, 2**53, "7", 1.0])
def test_an_index_is_a_count(value: object) -> None:
    raw = {**RevokeKey(key_id=KEY, from_index=7, reason="x").to_json(), "from_index": value}
    with pytest.raises(VerificationError):
        from_json(raw)


@pytest.mark.parametrize("value", [[], "x", None, {"kind": "x", "pad": "y" * 17_000}, {"a": 0.5}])
def test_what_is_no_bounded_object_is_refused(value: object) -> None:
    with pytest.raises(VerificationError):
        from_json(value)


@pytest.mark.parametrize(
    "value",
    [
        {"kind": "embargo", "digest": A},
        {**Quarantine(digest=A, reason="x").to_json(), "version": 2},
        {**Quarantine(digest=A, reason="x").to_json(), "version": True},
        {"kind": 7, "digest": A},
        {"kind": "embargo", "digest": {"sha256": A.removeprefix("sha256:")}},
    ],
)
def test_an_unknown_kind_or_version_is_kept_and_casts_doubt(value: dict[str, object]) -> None:
    directive = from_json(value)
    assert isinstance(directive, Unknown)
    state = fold(("ann", directive))
    assert state.unknown == ((0, directive),)
    assert loads(directive.payload.encode(), what="payload") == value
    assert state.doubtful(A)
    assert not state.doubtful(B)


@pytest.mark.parametrize(
    ("act", "undo"),
    [
        (Quarantine(digest=A, reason="x"), Release(digest=A, reason="y")),
        (RevokeArtifact(digest=A, reason="x"), ReinstateArtifact(digest=A, reason="y")),
        (RevokeKey(key_id=KEY, from_index=3, reason="x"), ReinstateKey(key_id=KEY, reason="y")),
        (Approve(subject=A, action="a", reason="x"),
         RetractApproval(subject=A, action="a", reason="y")),
        (WAIVE, RetractWaiver(waiver="waiver-0", reason="y")),
    ],
    ids=lambda directive: directive.kind,
)  # fmt: skip
def test_every_act_has_its_undo(act: Directive, undo: Directive) -> None:
    before, done, undone = fold(), fold(("ann", act)), fold(("ann", act), ("ann", undo))
    assert replace(done, last_index=-1) != before
    emptied = {key: given for key, given in undone.approvals.items() if given}
    assert replace(undone, last_index=-1, approvals=emptied) == before
    # An undo without the act has no effect, and the log's reader can see that.
    assert [item.kind for item in fold(("ann", undo)).refused] == [undo.kind]


def test_a_name_moves_and_rolls_back_and_a_version_does_not() -> None:
    state = fold(
        ("ann", Alias(name="m/production", digest=A, reason="x")),
        ("ann", Alias(name="m/production", digest=B, reason="x")),
        ("bo", Rollback(name="m/production", digest=A, reason="drift")),
        ("bo", Alias(name="m@1", digest=A, reason="x")),
        ("bo", Alias(name="m@1", digest=B, reason="x")),
        ("bo", Rollback(name="m/staging", digest=A, reason="x")),
    )
    assert state.resolve("m/production") == A
    assert [named.digest for named in state.aliases["m/production"]] == [A, B, A]
    assert state.resolve("m@1") == A
    assert state.resolve("m/none") is None
    assert [(item.act.index, item.why) for item in state.refused] == [
        (4, "a version is bound to its digest for ever"),
        (5, "the name never meant that digest"),
    ]


def test_a_name_is_not_pointed_at_what_is_revoked_or_held() -> None:
    state = fold(
        ("ann", Alias(name="m/production", digest=A, reason="x")),
        ("ann", Alias(name="m/production", digest=B, reason="x")),
        ("ann", RevokeArtifact(digest=A, reason="x")),
        ("ann", Rollback(name="m/production", digest=A, reason="x")),
    )
    assert state.resolve("m/production") == B
    assert len(state.refused) == 1


def test_approvals_count_distinct_principals_other_than_the_producer() -> None:
    approve = Approve(subject=A, action="registry/promote", reason="x")
    state = fold(("bo", approve), ("bo", approve), ("ann", approve), ("cy", approve))
    assert state.approvers(A, "registry/promote", producer="ann") == ("bo", "cy")
    assert state.approvers(A, "ingest/admit", producer="ann") == ()
    assert state.approvers(B, "registry/promote", producer=None) == ()


def test_a_waiver_holds_once_a_second_principal_approves() -> None:
    approve = Approve(subject="waiver-0", action="waive", reason="x")
    granted = fold(("bo", WAIVE)).waivers["waiver-0"]
    assert granted.fault(producer="dee", now=1) == "2 approvers are needed"
    same = fold(("bo", WAIVE), ("bo", approve))
    assert same.waivers["waiver-0"].approvers == ("bo",)
    assert len(same.refused) == 1
    both = fold(("bo", WAIVE), ("cy", approve))
    assert both.waivers["waiver-0"].fault(producer="dee", now=1) == ""
    back = RetractApproval(subject="waiver-0", action="waive", reason="x")
    less = both.apply(9, back, "cy", 0)
    assert less.waivers["waiver-0"].approvers == ("bo",)
    none = fold(("cy", approve), ("cy", back))
    assert [item.kind for item in none.refused] == ["approve", "retract-approval"]


def test_a_key_is_distrusted_from_its_index_and_a_later_revocation_only_reaches_back() -> None:
    state = fold(
        ("ann", RevokeKey(key_id=KEY, from_index=7, reason="x")),
        ("ann", RevokeKey(key_id=KEY, from_index=9, reason="x")),
    )
    assert [state.key_holds(KEY, index) for index in (6, 7, 8)] == [True, False, False]
    assert state.key_holds("ff" * 32, 10**6)
    earlier = state.apply(5, RevokeKey(key_id=KEY, from_index=2, reason="x"), "ann", 0)
    assert not earlier.key_holds(KEY, 6)


def test_quarantine_and_revocation_are_answered_by_digest() -> None:
    state = fold(
        ("a", Quarantine(digest=A, reason="x")), ("a", RevokeArtifact(digest=B, reason="x"))
    )
    assert (state.is_quarantined(A), state.is_quarantined(B)) == (True, False)
    assert (state.is_revoked(A), state.is_revoked(B)) == (False, True)
    assert state.quarantined[A].principal == "a"


def test_directives_out_of_order_are_an_error() -> None:
    state = fold(("ann", Quarantine(digest=A, reason="x")))
    with pytest.raises(LedgerError):
        state.apply(0, Release(digest=A, reason="x"), "ann", 0)


def test_a_source_is_registered_until_it_is_retired() -> None:
    source = RegisterSource(
        source="feed-a", tier="web", owner="Risk", licence="unstated", reason="x"
    )
    retired = RetireSource(source="feed-a", reason="x")
    assert fold(("ann", source)).sources == {"feed-a": source}
    assert fold(("ann", source), ("bo", retired)).sources == {}
    assert fold(("bo", retired)).refused[0].why == "there is no such source"


@pytest.mark.parametrize(("field", "value"), [("tier", "friend"), ("source", "a b"), ("owner", "")])
def test_a_source_has_a_name_a_known_tier_and_an_owner(field: str, value: str) -> None:
    fields = {"source": "feed-a", "tier": "web", "owner": "Risk", "licence": "x", "reason": "x"}
    with pytest.raises(VerificationError):
        RegisterSource(**{**fields, field: value})
