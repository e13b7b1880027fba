"""Why not, what if, and explanations."""

import time

import pytest

from tidegate.core.policy.evaluate import evaluate
from tidegate.core.policy.facts import Fact, FactSet, FactType, FactValue
from tidegate.core.policy.load import bundled
from tidegate.core.policy.model import PolicyBundle, PolicyTest, Rule
from tidegate.core.policy.result import FactState
from tidegate.core.stage import Outcome
from tidegate.govern.policy.explain import render
from tidegate.govern.policy.replay import PastDecision, what_if
from tidegate.govern.policy.why_not import why_not

DEFAULT = bundled("default")
TESTS = {test.name: test for test in DEFAULT.tests}


def rule(require: str, when: str = "true") -> PolicyBundle:
    limits: dict[str, FactValue] = {"n": 2, "x": 0.5}
    return PolicyBundle(
        "t", "1", rules=(Rule("r", "TG-REG-01", "*", require, when=when),), limits=limits
    )


def facts(values: dict[str, FactValue]) -> FactSet:
    return FactSet(Fact.of(name, value, source="log 1") for name, value in values.items())


@pytest.mark.parametrize(
    ("require", "known", "changes"),
    [
        ("chain.complete", {}, {"chain.complete": "true"}),
        ("!subject.revoked", {"subject.revoked": True}, {"subject.revoked": "false"}),
        ("train.outcome == 'allow'", {"train.outcome": "deny"}, {"train.outcome": '"allow"'}),
        ("train.outcome in ['ok', 'allow']", {}, {"train.outcome": '"ok"'}),
        ("train.outcome != 'deny'", {"train.outcome": "deny"},
         {"train.outcome": '"another outcome"'}),
        ("approvals.count >= limit.n", {"approvals.count": 1}, {"approvals.count": "2"}),
        ("approvals.count > limit.n", {"approvals.count": 1}, {"approvals.count": "3"}),
        ("chain.broken < 1", {"chain.broken": 4}, {"chain.broken": "0"}),
        ("coverage.examined == coverage.planned",
         {"coverage.examined": 4, "coverage.planned": 9}, {"coverage.examined": "9"}),
        ("'releaser' in request.roles", {"request.roles": ("trainer",)},
         {"request.roles": '["trainer", "releaser"]'}),
        ("!('root' in request.roles)", {"request.roles": ("root", "a")},
         {"request.roles": '["a"]'}),
        ("size(approvals.names) == 0", {"approvals.names": ("a",)}, {"approvals.names": "[]"}),
        ("train.present && validate.present", {"train.present": False},
         {"train.present": "true", "validate.present": "true"}),
        ("request.actor != subject.producer",
         {"request.actor": "ann", "subject.producer": "ann"},
         {"request.actor": '"another actor"'}),
    ],
)  # fmt: skip
def test_the_smallest_change_is_found_and_proved(
    require: str, known: dict[str, FactValue], changes: dict[str, str]
) -> None:
    answer = why_not(rule(require), facts(known), gate="registry/promote", now=0)
    assert {change.name: change.after for change in answer.changes} == changes
    assert answer.proved


@pytest.mark.parametrize(
    ("require", "known", "reason"),
    [
        ("chain.complete", {"chain.complete": True}, "allowed already"),
        ("subject.kind == 'model'", {"subject.kind": "table"}, "none within 3"),
        ("false", {}, "none within 3"),
        ("1 / chain.broken > 5", {"chain.broken": 0}, "none within 3"),
        ("train.present && validate.present && ingest.present && prepare.present", {},
         "none within 3"),
    ],
)  # fmt: skip
def test_where_there_is_no_answer_the_reason_is_told(
    require: str, known: dict[str, FactValue], reason: str
) -> None:
    answer = why_not(rule(require), facts(known), gate="registry/promote", now=0)
    assert (answer.changes, answer.proved, answer.reason) == ((), False, reason)


def test_no_rule_at_the_gate_can_be_satisfied_by_no_change() -> None:
    bundle = PolicyBundle("t", "1", rules=())
    assert why_not(bundle, FactSet(), gate="serve/check", now=0).reason == "none within 3"


def test_a_rule_that_does_not_apply_yet_can_be_made_to() -> None:
    """Nothing applies is undecided; the way to allow leads through a rule's condition."""
    bundle = rule("chain.complete", when="monitor.present")
    answer = why_not(bundle, facts({"monitor.present": False}), gate="serve/check", now=0)
    assert [change.name for change in answer.changes] == ["monitor.present", "chain.complete"]
    assert answer.proved


def test_a_search_ends_within_its_steps() -> None:
    names = ("planned", "examined", "skipped", "failed")
    parts = " + ".join(f"coverage.{name} * {index + 3}" for index, name in enumerate(names))
    bundle = rule(f"{parts} == 100003")
    known = facts({f"coverage.{name}": 0 for name in names})
    answer = why_not(bundle, known, gate="serve/check", now=0, max_steps=200)
    assert answer.reason == "search ended early"
    assert answer.steps <= 200


@pytest.mark.parametrize(
    "test", [test for test in DEFAULT.tests if test.expect is not Outcome.ALLOW],
    ids=lambda test: test.name,
)  # fmt: skip
def test_every_refusal_of_the_default_policy_has_an_answer_or_more_than_three(
    test: PolicyTest,
) -> None:
    start = time.perf_counter()
    answer = why_not(DEFAULT, test.facts, gate=test.gate, now=0)
    assert time.perf_counter() - start < 5
    assert answer.proved or answer.reason == "none within 3"
    if len(test.rules) == 1:
        assert answer.proved


def test_a_missing_stage_is_named_as_what_lacks() -> None:
    test = TESTS["a chain without preparation is refused"]
    answer = why_not(DEFAULT, test.facts, gate=test.gate, now=0)
    (change,) = answer.changes
    assert (change.name, change.state, change.after) == (
        "prepare.outcome", FactState.MISSING, '"allow"',
    )  # fmt: skip


def test_an_explanation_gives_the_log_index_of_each_fact() -> None:
    known = facts({"train.outcome": "deny"})
    bundle = rule("train.outcome == 'allow' && approvals.count >= limit.n")
    explained = render(bundle, evaluate(bundle, known, gate="registry/promote", now=0))
    (one,) = explained.rules
    assert one.rule.require.startswith("train.outcome")
    assert [(fact.use.name, fact.log_index) for fact in one.facts] == [
        ("train.outcome", 1), ("approvals.count", None), ("limit.n", None),
    ]  # fmt: skip
    assert one.facts[0].meaning == "worst outcome over the newest attestations of train"
    assert one.facts[2].meaning == "a threshold of this policy"


def test_what_if_lists_the_decisions_that_would_flip() -> None:
    past = [
        PastDecision(index, test.gate, test.facts, test.expect)
        for index, test in enumerate(DEFAULT.tests)
    ]
    assert what_if(DEFAULT, past).flips == ()
    flips = what_if(bundled("strict"), past)
    assert flips.examined == len(past)
    turned = {(past[flip.index].gate, flip.before.value, flip.after.value) for flip in flips.flips}
    assert ("validate/admit", "allow", "deny") in turned
    assert all(flip.rules for flip in flips.flips)


def test_a_fact_that_was_not_recorded_then_is_missing_now() -> None:
    bundle = rule("check.new.ok")
    extra = (("check.new.ok", FactType.BOOL),)
    past = [PastDecision(3, "serve/check", FactSet(), Outcome.ALLOW, extra=extra)]
    (flip,) = what_if(bundle, past).flips
    assert (flip.index, flip.after, flip.rules) == (3, Outcome.DENY, ("r",))
