"""Evaluation: deny overrides, nothing passes by default, and every result says why."""

from dataclasses import dataclass, field, replace

import pytest

from tidegate.core.clock import DAY
from tidegate.core.errors import PolicyError
from tidegate.core.policy.compiled import compile_policy
from tidegate.core.policy.evaluate import Evaluation, evaluate
from tidegate.core.policy.facts import Fact, FactSet, FactType, FactValue
from tidegate.core.policy.language import CelEngine
from tidegate.core.policy.model import PolicyBundle, Rule
from tidegate.core.policy.result import FactState, Mode
from tidegate.core.policy.waiver import Waiver
from tidegate.core.stage import Outcome

SIGNED = Rule(
    "sig", "TG-REG-01", "registry", "chain.complete", message="unsigned", fix="`tidegate sign`"
)
CHAIN = Rule(
    "chain", "TG-REG-02", "registry/promote", "train.outcome == 'allow'",
    message="training: {train.outcome}", fix="`tidegate train run`",
)  # fmt: skip
DIGEST = "sha256:" + "ab" * 32


def policy(*rules: Rule, **limits: FactValue) -> PolicyBundle:
    return PolicyBundle("t", "1", rules=rules, limits=limits)


def facts(**values: FactValue) -> FactSet:
    return FactSet(
        Fact.of(name.replace("__", "."), value, source="log 5") for name, value in values.items()
    )


def judge(bundle: PolicyBundle, known: FactSet, *waivers: Waiver, now: int = 0) -> Evaluation:
    return evaluate(bundle, known, gate="registry/promote", now=now, waivers=waivers)


@dataclass(frozen=True)
class Case:
    name: str
    rules: tuple[Rule, ...]
    known: dict[str, FactValue] = field(default_factory=dict[str, FactValue])
    outcome: Outcome = Outcome.DENY
    message: str = ""
    dark: tuple[str, ...] = ()


CASES = [
    Case("no rule at all is undecided", (), outcome=Outcome.UNDECIDED),
    Case("no rule at this gate is undecided", (replace(SIGNED, gate="serve"),),
         outcome=Outcome.UNDECIDED),
    Case("no rule that applies is undecided", (replace(SIGNED, when="false"),),
         outcome=Outcome.UNDECIDED),
    Case("only shadow and warn rules are undecided",
         (replace(SIGNED, mode=Mode.WARN), replace(CHAIN, mode=Mode.SHADOW)),
         {"chain__complete": True, "train__outcome": "allow"}, Outcome.UNDECIDED),
    Case("a rule that holds allows", (SIGNED,), {"chain__complete": True}, Outcome.ALLOW),
    Case("a rule that fails denies", (SIGNED,), {"chain__complete": False}, message="unsigned"),
    Case("deny overrides allow", (SIGNED, CHAIN),
         {"chain__complete": True, "train__outcome": "deny"}, message="training: deny"),
    Case("warn does not decide", (SIGNED, replace(CHAIN, mode=Mode.WARN)),
         {"chain__complete": True, "train__outcome": "deny"}, Outcome.ALLOW, "training: deny"),
    Case("missing evidence denies and says how to get it", (CHAIN,),
         message="missing: train.outcome, get it by: `tidegate train run`"),
    Case("unreadable evidence is undecided", (CHAIN,), outcome=Outcome.UNDECIDED,
         message="can't be read or checked: train.outcome (log 9)", dark=("train.outcome",)),
    Case("missing evidence that does not matter is not asked for",
         (replace(CHAIN, require="chain.complete || train.outcome == 'allow'"),),
         {"chain__complete": True}, Outcome.ALLOW),
    Case("a condition over missing evidence denies", (replace(SIGNED, when="train.present"),),
         {"chain__complete": True}, message="missing: train.present"),
    Case("an error is undecided", (replace(CHAIN, require="1 / train.age_s > 0"),),
         {"train__age_s": 0}, Outcome.UNDECIDED, "could not be evaluated"),
    Case("deny overrides undecided", (SIGNED, replace(CHAIN, require="1 / train.age_s > 0")),
         {"train__age_s": 0, "chain__complete": False}, message="unsigned"),
    Case("a fact of another type than declared can't be read", (CHAIN,), {"train__outcome": 1},
         Outcome.UNDECIDED, "(log 5 (a int, not a string))"),
    Case("doubt turns a denial into undecided", (replace(SIGNED, undecided_if="train.present"),),
         {"chain__complete": False, "train__present": True}, Outcome.UNDECIDED, "unsigned"),
    Case("doubt that can't be evaluated leaves the denial",
         (replace(SIGNED, undecided_if="train.present"),), {"chain__complete": False}),
    Case("doubt does not touch what holds", (replace(SIGNED, undecided_if="true"),),
         {"chain__complete": True}, Outcome.ALLOW),
    Case("missing evidence denies even where there is doubt",
         (replace(SIGNED, undecided_if="true"),), message="missing: chain.complete"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(case: Case) -> None:
    dark = [Fact.unreadable(name, FactType.STRING, source="log 9") for name in case.dark]
    evaluation = judge(policy(*case.rules), facts(**case.known).with_facts(*dark))
    assert evaluation.outcome is case.outcome
    assert any(case.message in result.message for result in evaluation.results) or not case.message


def test_what_a_failed_check_did_not_measure_is_undecided_not_denied() -> None:
    """A check that raised states only that it did not run; its measurements can't be read."""
    rule = replace(CHAIN, require="check.pii.above_label == 0")
    bundle = replace(policy(rule), checks=("pii",), facts={"check.pii.above_label": FactType.INT})
    failed = judge(bundle, facts(check__pii__ran=False))
    assert failed.outcome is Outcome.UNDECIDED
    assert "check.pii did not end" in failed.results[0].message
    assert judge(bundle, facts(check__pii__ran=True)).outcome is Outcome.DENY


def test_an_error_is_reported_apart_from_a_denial() -> None:
    rule = replace(CHAIN, require="1 / train.age_s > 0")
    (result,) = judge(policy(rule), facts(train__age_s=0)).errors
    assert result.error == "divide by zero"
    assert result.to_json()["error"] == "divide by zero"


def test_a_result_names_the_facts_and_limits_that_it_rests_on() -> None:
    rule = replace(CHAIN, require="train.age_s <= limit.age && chain.complete")
    (result,) = judge(policy(rule, age=60), facts(train__age_s=90)).results
    assert [(fact.name, fact.value, fact.state.value, fact.source) for fact in result.facts] == [
        ("train.age_s", "90", "present", "log 5"),
        ("limit.age", "60", "present", "policy t@1"),
        ("chain.complete", "", "missing", "nothing states it"),
    ]


def test_a_message_cannot_be_steered_by_a_value() -> None:
    """Substitution is not repeated, is bounded, and escapes what a terminal obeys."""
    hostile = "{chain.complete}\x1b[2J" + "A" * 900
    (result,) = judge(policy(CHAIN), facts(train__outcome=hostile, chain__complete=True)).results
    assert "{chain.complete}\\x1b[2J" in result.message
    assert "\x1b" not in result.message
    assert len(result.message) < 300


def test_a_fact_cannot_stand_in_for_a_limit() -> None:
    rule = replace(CHAIN, require="train.age_s <= limit.age")
    forged = facts(train__age_s=90, limit__age=1_000)
    assert judge(policy(rule, age=60), forged).outcome is Outcome.DENY


def test_a_bundle_is_compiled_once_per_gate_and_declarations() -> None:
    bundle = policy(SIGNED)
    first = compile_policy(bundle, gate="registry/admit")
    assert compile_policy(policy(SIGNED), gate="registry/admit") is first
    assert compile_policy(bundle, gate="serve/check") is not first
    assert compile_policy(bundle, gate="registry/admit", extra={"a.b": FactType.INT}) is not first


def test_another_engine_can_be_put_in_its_place() -> None:
    class Counting(CelEngine):
        pass

    evaluation = evaluate(
        policy(SIGNED), facts(chain__complete=True), gate="registry/x", now=0, engine=Counting()
    )
    assert evaluation.outcome is Outcome.ALLOW


def test_a_rule_that_does_not_compile_stops_the_evaluation() -> None:
    with pytest.raises(PolicyError):
        judge(policy(replace(SIGNED, require="signature.verifed")), FactSet())


WAIVER = Waiver("waiver-7", "TG-REG-01", "*", DIGEST, "ann", "migration", 0, 30 * DAY, ("bo", "cy"))
UNSIGNED = facts(
    chain__complete=False, subject__digests=(DIGEST,), subject__producer="dee"
)  # fmt: skip


def test_a_valid_waiver_turns_the_denial_of_its_control_into_an_allow() -> None:
    (result,) = judge(policy(SIGNED), UNSIGNED, WAIVER, now=DAY).results
    assert result.outcome is Outcome.ALLOW
    assert result.waived_by == "waiver-7"
    assert result.message == "unsigned"


@dataclass(frozen=True)
class Fault:
    name: str
    waiver: Waiver
    says: str
    now: int = DAY
    known: FactSet = field(default_factory=lambda: UNSIGNED)


FAULTS = [
    Fault("expired", WAIVER, "waiver-7 does not hold: it expired at 1970-01-31", 30 * DAY),
    Fault("from the future", replace(WAIVER, granted=2 * DAY), "lies in the future"),
    Fault("for too long", replace(WAIVER, expires=30 * DAY + 1), "more than 30 days"),
    Fault("without owner", replace(WAIVER, owner=" "), "lacks an owner"),
    Fault("without reason", replace(WAIVER, reason=""), "lacks an owner or a reason"),
    Fault("one approver", replace(WAIVER, approvers=("bo",)), "2 approvers are needed"),
    Fault("one approver twice", replace(WAIVER, approvers=("bo", "bo")), "2 approvers"),
    Fault("approved by the producer", replace(WAIVER, approvers=("bo", "dee")), "the producer"),
    Fault("of another digest", replace(WAIVER, scope="sha256:" + "cd" * 32), ""),
    Fault("of another control", replace(WAIVER, control="TG-REG-02"), ""),
    Fault("of another rule", replace(WAIVER, rule="chain"), ""),
    Fault("producer unknown", WAIVER, "producer is not known",
          known=UNSIGNED.without("subject.producer")),
    Fault("subject unknown", WAIVER, "", known=UNSIGNED.without("subject.digests")),
    Fault("one of two subjects", WAIVER, "", known=UNSIGNED.with_facts(
        Fact.of("subject.digests", (DIGEST, "sha256:" + "cd" * 32), source="x"))),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_waiver_that_does_not_hold_denies_and_says_so(fault: Fault) -> None:
    (result,) = judge(policy(SIGNED), fault.known, fault.waiver, now=fault.now).results
    assert result.outcome is Outcome.DENY
    assert result.waived_by is None
    assert fault.says in result.message
    assert ("does not hold" in result.message) is bool(fault.says)


def test_two_subjects_need_a_waiver_each() -> None:
    other = "sha256:" + "cd" * 32
    known = UNSIGNED.with_facts(Fact.of("subject.digests", (DIGEST, other), source="x"))
    second = replace(WAIVER, id="waiver-9", scope=other)
    (result,) = judge(policy(SIGNED), known, WAIVER, second, now=DAY).results
    assert result.waived_by == "waiver-7, waiver-9"


def test_an_unwaivable_rule_and_an_undecided_one_are_not_waived() -> None:
    everywhere = replace(WAIVER, scope="*")
    firm = replace(SIGNED, waivable=False)
    assert judge(policy(firm), UNSIGNED, everywhere, now=DAY).outcome is Outcome.DENY
    dark = UNSIGNED.with_facts(
        Fact.unreadable("chain.complete", FactType.BOOL, source="check signature")
    )
    assert dark.state("chain.complete") is FactState.UNREADABLE
    assert judge(policy(SIGNED), dark, everywhere, now=DAY).outcome is Outcome.UNDECIDED


def test_a_valid_waiver_beside_an_expired_one_holds() -> None:
    old = replace(WAIVER, id="waiver-1", expires=1)
    assert judge(policy(SIGNED), UNSIGNED, old, WAIVER, now=DAY).outcome is Outcome.ALLOW
