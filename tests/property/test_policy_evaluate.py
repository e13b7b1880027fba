"""Properties of evaluation over random rules and facts."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.errors import PolicyError, VerificationError
from tidegate.core.policy.evaluate import Evaluation, evaluate
from tidegate.core.policy.facts import Fact, FactSet, FactType, FactValue
from tidegate.core.policy.language import CelEngine
from tidegate.core.policy.load import bundled, from_json, load
from tidegate.core.policy.model import PolicyBundle, Rule
from tidegate.core.policy.result import FactState, Mode
from tidegate.core.stage import Outcome
from tidegate.govern.policy.why_not import why_not

BOOLS = ("train.present", "chain.complete", "chain.complete", "subject.revoked")
INTS = ("chain.broken", "approvals.count", "coverage.failed")
TEXTS = ("train.outcome", "validate.outcome")
TYPES = {
    **dict.fromkeys(BOOLS, FactType.BOOL),
    **dict.fromkeys(INTS, FactType.INT),
    **dict.fromkeys(TEXTS, FactType.STRING),
}
DEFAULT = bundled("default")

atoms = st.one_of(
    st.sampled_from(BOOLS),
    st.builds(
        "{} {} {}".format,
        st.sampled_from(INTS),
        st.sampled_from(["<", "<=", "==", "!=", ">", ">="]),
        st.one_of(st.sampled_from(INTS), st.integers(0, 3).map(str)),
    ),
    st.builds("{} == '{}'".format, st.sampled_from(TEXTS), st.sampled_from(["allow", "deny"])),
    st.builds("1 / {} > 0".format, st.sampled_from(INTS)),
    st.builds("[1, 2].exists(each, each == {})".format, st.sampled_from(INTS)),
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("!({})".format, inner),
    ),
    max_leaves=5,
)


VALUES: dict[FactType, st.SearchStrategy[FactValue]] = {
    FactType.BOOL: st.booleans(),
    FactType.INT: st.integers(0, 3),
    FactType.STRING: st.sampled_from(["allow", "deny", ""]),
}


LOSSES = st.sampled_from([FactState.MISSING, FactState.UNREADABLE])


@st.composite
def fact_sets(draw: st.DrawFn) -> FactSet:
    facts: list[Fact] = []
    for name, type_ in TYPES.items():
        state = draw(st.sampled_from(FactState))
        if state is FactState.PRESENT:
            value: FactValue = draw(VALUES[type_])
            facts.append(Fact.of(name, value, source="log 1"))
        elif state is FactState.UNREADABLE:
            facts.append(Fact.unreadable(name, type_, source="log 2"))
    return FactSet(facts)


bundles = st.lists(
    st.builds(
        lambda require, when, doubt, mode: Rule(
            "r", "TG-REG-01", "*", require, when, doubt, "m", "f", mode=mode
        ),
        expressions,
        st.one_of(st.just("true"), expressions),
        st.one_of(st.just("false"), expressions),
        st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.WARN, Mode.SHADOW]),
    ),
    max_size=3,
).map(lambda rules: PolicyBundle("t", "1", rules=tuple(rules)))


def judge(bundle: PolicyBundle, facts: FactSet) -> Evaluation:
    return evaluate(bundle, facts, gate="registry/promote", now=0)


@given(bundles, fact_sets())
def test_allow_rests_on_an_enforced_rule_that_held_and_on_no_error(
    bundle: PolicyBundle, facts: FactSet
) -> None:
    evaluation = judge(bundle, facts)
    enforced = [item for item in evaluation.results if item.mode is Mode.ENFORCE]
    if evaluation.outcome is Outcome.ALLOW:
        assert enforced
        assert all(item.outcome is Outcome.ALLOW for item in enforced)
    if any(item.outcome is Outcome.DENY for item in enforced):
        assert evaluation.outcome is Outcome.DENY
    for item in evaluation.errors:
        assert item.outcome is Outcome.UNDECIDED


@given(bundles, fact_sets(), st.sets(st.sampled_from(sorted(TYPES))), LOSSES)
def test_losing_evidence_never_turns_a_refusal_into_allow(
    bundle: PolicyBundle, facts: FactSet, lost: set[str], how: FactState
) -> None:
    """Whatever the rules: what CEL decides without a fact, it decides for every value of it."""
    less = facts.without(*lost)
    if how is FactState.UNREADABLE:
        less = less.with_facts(
            *(Fact.unreadable(name, TYPES[name], source="lost") for name in lost)
        )
    if judge(bundle, less).outcome is Outcome.ALLOW:
        assert judge(bundle, facts).outcome is Outcome.ALLOW


@settings(max_examples=60)
@given(bundles, fact_sets())
def test_what_why_not_proposes_does_give_allow(bundle: PolicyBundle, facts: FactSet) -> None:
    answer = why_not(bundle, facts, gate="registry/promote", now=0, max_steps=400)
    if not answer.changes:
        assert not answer.proved
        return
    assert answer.proved
    assert len(answer.changes) <= 3
    changed = facts.with_facts(
        *(
            Fact.of(change.name, json.loads(change.after), source="test")
            for change in answer.changes
        )
    )
    assert judge(bundle, changed).outcome is Outcome.ALLOW
    # Minimal: leaving out any one of the changes is not enough.
    for change in answer.changes:
        kept = facts.get(change.name)
        back = changed.without(change.name) if kept is None else changed.with_facts(kept)
        assert judge(bundle, back).outcome is not Outcome.ALLOW


@given(fact_sets())
def test_facts_round_trip(facts: FactSet) -> None:
    assert dict(FactSet.from_json(facts.to_json())) == dict(facts)


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    environment = CelEngine().environment(TYPES)
    try:
        program = environment.compile(text)
    except PolicyError:
        return
    program.run(environment.bind({}))


@given(st.text(max_size=200))
def test_any_text_is_a_bundle_or_is_refused(text: str) -> None:
    try:
        load(text, origin="x.toml")
    except PolicyError:
        return


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(sorted(DEFAULT.to_json())), values)
def test_a_bundle_with_any_value_in_any_place_is_read_or_refused(key: str, value: object) -> None:
    try:
        from_json({**DEFAULT.to_json(), key: value}, origin="x")
    except PolicyError:
        return


@given(values)
def test_any_value_is_a_fact_set_or_is_refused(value: object) -> None:
    try:
        FactSet.from_json(value)
    except VerificationError:
        return
