"""Properties of directives and of their fold."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.canonical import dumps, loads
from tidegate.core.errors import VerificationError
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.policy.directives import (
    KINDS,
    Alias,
    Approve,
    Directive,
    Quarantine,
    Release,
    RetractApproval,
    RetractWaiver,
    RevokeArtifact,
    Rollback,
    Unknown,
    Waive,
    from_json,
)

DIGESTS = ["sha256:" + char * 64 for char in "abc"]
digests = st.sampled_from(DIGESTS)
names = st.sampled_from(["m/live", "m@1"])
reasons = st.just("because")
subjects = st.sampled_from([*DIGESTS, "waiver-0", "waiver-1"])
actions = st.sampled_from(["waive", "registry/promote"])

directives: st.SearchStrategy[Directive] = st.one_of(
    st.builds(Quarantine, digest=digests, reason=reasons),
    st.builds(Release, digest=digests, reason=reasons),
    st.builds(RevokeArtifact, digest=digests, reason=reasons),
    st.builds(Alias, name=names, digest=digests, reason=reasons),
    st.builds(Rollback, name=names, digest=digests, reason=reasons),
    st.builds(Approve, subject=subjects, action=actions, reason=reasons),
    st.builds(RetractApproval, subject=subjects, action=actions, reason=reasons),
    st.builds(RetractWaiver, waiver=st.sampled_from(["waiver-0", "waiver-1"]), reason=reasons),
    st.builds(
        Waive, control=st.just("TG-REG-04"), rule=st.just("*"), scope=st.just("*"),
        owner=st.just("ann"), expires=st.integers(0, 9), reason=reasons,
    ),
    st.builds(Unknown, reason=st.just(""), payload=st.just('{"kind":"embargo"}')),
)  # fmt: skip
logs = st.lists(st.tuples(st.sampled_from(["ann", "bo", "cy"]), directives), max_size=12)


@given(logs)
def test_the_fold_depends_on_the_entries_alone_and_every_entry_counts(
    log: list[tuple[str, Directive]],
) -> None:
    """Folding twice gives one state; what had no effect is listed as refused or unknown."""
    state = again = DirectiveState()
    for index, (principal, directive) in enumerate(log):
        before = state
        state = state.apply(index, directive, principal, index)
        again = again.apply(index, directive, principal, index)
        assert state != before
    assert state == again
    refused = {item.act.index for item in state.refused}
    unknown = {index for index, _ in state.unknown}
    assert not refused & unknown
    assert unknown == {i for i, (_, act) in enumerate(log) if isinstance(act, Unknown)}


@given(logs)
def test_a_version_never_changes_and_approvers_are_distinct(
    log: list[tuple[str, Directive]],
) -> None:
    state, version = DirectiveState(), None
    for index, (principal, directive) in enumerate(log):
        state = state.apply(index, directive, principal, index)
        version = version or state.resolve("m@1")
        assert state.resolve("m@1") == version
    for waiver in state.waivers.values():
        assert len(set(waiver.approvers)) == len(waiver.approvers)


@given(st.data(), st.sampled_from(sorted(KINDS)))
def test_any_object_is_read_exactly_kept_as_unknown_or_refused(
    data: st.DataObject, kind: str
) -> None:
    plain = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=9), digests)
    keys = st.sampled_from(
        ["digest", "reason", "name", "key_id", "from_index", "waiver", "subject", "action", "z"]
    )
    value = data.draw(st.dictionaries(keys, plain, max_size=4))
    value |= {"kind": kind, "version": data.draw(st.sampled_from([1, 2]))}
    try:
        directive = from_json(value)
    except VerificationError:
        return
    if isinstance(directive, Unknown):
        assert loads(directive.payload.encode(), what="payload") == value
    else:
        assert dumps(directive.to_json()) == dumps(value)
