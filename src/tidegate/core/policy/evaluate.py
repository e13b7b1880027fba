"""Evaluation: facts in, one outcome out, with a result for each rule that applied.

The outcome is ``allow`` only when at least one enforced rule applied and every one of them
allows. Deny overrides; a rule that could not be evaluated is undecided and says so apart.

>>> from tidegate.core.policy.load import bundled
>>> evaluate(bundled("default"), FactSet(), gate="serve/check", now=0).outcome.value
'deny'
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tidegate.core.policy.compiled import CompiledRule, View, compile_policy
from tidegate.core.policy.facts import Fact, FactSet, FactType
from tidegate.core.policy.language import Absent, Broken, Engine, Verdict
from tidegate.core.policy.model import PolicyBundle, Rule
from tidegate.core.policy.result import FactState, Mode, RuleResult
from tidegate.core.policy.waiver import Waiver
from tidegate.core.stage import Outcome, worst


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy says of the facts at a gate."""

    gate: str
    policy: str
    """``name@version sha256:…`` of the bundle."""
    results: tuple[RuleResult, ...]
    """One for each rule that applied, in the bundle's order."""

    @property
    def outcome(self) -> Outcome:
        """Worst over the enforced rules; ``undecided`` when none applied."""
        return worst(*(item.outcome for item in self.results if item.mode is Mode.ENFORCE))

    @property
    def refusals(self) -> tuple[RuleResult, ...]:
        """The enforced rules that did not allow."""
        return tuple(
            item
            for item in self.results
            if item.mode is Mode.ENFORCE and item.outcome is not Outcome.ALLOW
        )

    @property
    def errors(self) -> tuple[RuleResult, ...]:
        """The rules, of any mode, that could not be evaluated."""
        return tuple(item for item in self.results if item.error)


def evaluate(
    bundle: PolicyBundle,
    facts: FactSet,
    *,
    gate: str,
    now: int,
    waivers: Iterable[Waiver] = (),
    extra: Mapping[str, FactType] | None = None,
    engine: Engine | None = None,
) -> Evaluation:
    """Judge facts by the rules that stand at a gate.

    Args:
        bundle: The policy.
        facts: What was established; ``subject.digests`` and ``subject.producer`` also bound
            what a waiver can reach.
        gate: ``stage/action``.
        now: The present in microseconds, by which waivers expire.
        waivers: Those that the log holds, valid or not.
        extra: Facts that the gate declares beyond the vocabulary and the bundle.
        engine: The rule language; CEL unless another is given.

    Raises:
        PolicyError: The bundle does not compile.
    """
    policy = compile_policy(bundle, gate=gate, extra=extra, engine=engine)
    view = policy.view(facts)
    exceptions = Exceptions(tuple(waivers), now)
    judged = (judge(rule, view, exceptions) for rule in policy.rules)
    return Evaluation(gate, bundle.label, tuple(item for item in judged if item is not None))


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The waivers at hand, and the time to judge them by."""

    waivers: tuple[Waiver, ...]
    now: int

    def apply(self, result: RuleResult, rule: Rule, facts: Mapping[str, Fact]) -> RuleResult:
        """Waive a denial where valid waivers reach every subject; else say what is wrong."""
        producer = facts.get("subject.producer")
        maker = str(producer.value) if producer and producer.value else None
        known = facts.get("subject.digests")
        # Without known subjects only a waiver for any subject can cover ("").
        digests = known.value if known and isinstance(known.value, tuple) and known.value else ("",)
        used: dict[str, None] = {}
        for digest in digests:
            faults = {
                waiver.id: waiver.fault(producer=maker, now=self.now)
                for waiver in self.waivers
                if waiver.covers(control=rule.control, rule=rule.id, digest=digest)
            }
            holding = next((name for name, fault in faults.items() if not fault), None)
            if holding is None:
                notes = (f"; {name} does not hold: {fault}" for name, fault in faults.items())
                return replace(result, message=result.message + "".join(notes))
            used[holding] = None
        return replace(result, outcome=Outcome.ALLOW, waived_by=", ".join(used))


def judge(compiled: CompiledRule, view: View, exceptions: Exceptions) -> RuleResult | None:
    """Return a rule's result, or ``None`` where it does not apply."""
    applies = compiled.when.run(view.binding)
    if applies is False:
        return None
    rule = compiled.rule
    verdict = compiled.require.run(view.binding) if applies is True else applies
    outcome, message, error = _weigh(verdict, compiled, view)
    result = RuleResult(
        rule=rule.id,
        control=rule.control,
        outcome=outcome,
        severity=rule.severity,
        mode=rule.mode,
        message=message,
        fix="" if outcome is Outcome.ALLOW else view.fill(rule.fix),
        facts=tuple(
            view.fact(name).use for name in compiled.reads if not name.startswith("severity.")
        ),
        error=error,
    )
    if outcome is Outcome.DENY and rule.waivable:
        return exceptions.apply(result, rule, view.facts)
    return result


def _weigh(verdict: Verdict, compiled: CompiledRule, view: View) -> tuple[Outcome, str, str | None]:
    """Turn an engine's verdict into an outcome, a message and an error."""
    rule = compiled.rule
    if verdict is True:
        return Outcome.ALLOW, "", None
    if isinstance(verdict, Broken):
        return Outcome.UNDECIDED, "the rule could not be evaluated", verdict.reason
    if isinstance(verdict, Absent):
        fact = view.fact(verdict.name)
        if fact.state is FactState.MISSING:
            return Outcome.DENY, f"missing: {fact.name}, get it by: {view.fill(rule.fix)}", None
        message = f"can't be read or checked: {fact.name} ({fact.source})"
        return Outcome.UNDECIDED, message, None
    doubtful = compiled.undecided_if.run(view.binding) is True
    outcome = Outcome.UNDECIDED if doubtful else Outcome.DENY
    return outcome, view.fill(rule.message), None
