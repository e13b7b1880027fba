"""Decisions of the log asked again: why not, and what a changed policy would have said.

What no rule read then was not recorded: it is held to be *unreadable*, never missing, and whatever
rests on it is said to be not replayable.

::

    answer = why_not_for(workspace, 41)
    flips = what_if_for(workspace, load_path(Path("policy.toml")))
"""

from dataclasses import dataclass, replace
from functools import cache

from tidegate.app.decisions import (
    CONSTANTS,
    NOT_RECORDED,
    LoggedDecision,
    decision_at,
    decisions,
)
from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.policy.compiled import compile_policy
from tidegate.core.policy.evaluate import Evaluation, evaluate
from tidegate.core.policy.facts import Fact, FactSet, FactType
from tidegate.core.policy.load import BUNDLED, bundled
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.stage import Outcome, worst
from tidegate.govern.policy.replay import Flip, PastDecision
from tidegate.govern.policy.why_not import WhyNot, why_not
from tidegate.graph.acts import fold


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision, and what would have allowed it."""

    decision: LoggedDecision
    answer: WhyNot | None
    """``None`` where it can't be asked again."""
    note: str
    """Why it can't, or what the answer leaves out; empty where nothing."""


def why_not_for(workspace: Workspace, index: int) -> Asked:
    """Find the fewest facts whose change would have given allow, under the policy of then.

    Raises:
        SubjectError: The entry is no decision.
        PolicyError: The policy in force can't be read.
    """
    decision = decision_at(workspace, index)
    bundle = policy_of(workspace, decision)
    if bundle is None:
        ref = decision.predicate.policy
        note = f"the policy {ref.name}@{ref.version} {ref.digest.short} is not here any more"
        return Asked(decision, None, note)
    asked = still_standing(bundle, decision, bundle)
    past = past_decision(workspace, decision, asked)
    again = worst(replayed(asked, past).outcome, *([Outcome.UNDECIDED] if decision.capped else []))
    if again is not decision.predicate.outcome:
        return Asked(decision, None, "the recorded facts do not give this outcome again")
    answer = why_not(asked, past.facts, gate=past.gate, now=past.now, waivers=past.waivers)
    return Asked(decision, answer, "rules that did not apply then were not asked")


def policy_of(workspace: Workspace, decision: LoggedDecision) -> PolicyBundle | None:
    """Return the bundle that decided: the one in force or a bundled one, by its digest."""
    wanted = decision.predicate.policy.digest
    if workspace.policy.digest == wanted:
        return workspace.policy
    return next((one for one in _shipped() if one.digest == wanted), None)


@cache
def _shipped() -> tuple[PolicyBundle, ...]:
    return tuple(map(bundled, BUNDLED))


def still_standing(
    bundle: PolicyBundle, decision: LoggedDecision, then: PolicyBundle | None
) -> PolicyBundle:
    """Return a bundle without the rules that are known not to apply to a decision.

    A rule that did not apply has left no facts; asked again under the same condition, it would
    seem to rest on something unknown.

    Args:
        bundle: The policy to ask.
        decision: What was decided.
        then: The policy that decided, where it is still known.
    """
    applied = {str(rule["rule"]) for rule in decision.predicate.rules}
    silent = {
        rule.id: rule.when
        for rule in (then.rules if then else ())
        if rule.applies_to(decision.gate) and rule.id not in applied and "limit." not in rule.when
    }
    kept = tuple(rule for rule in bundle.rules if silent.get(rule.id) != rule.when)
    return bundle if len(kept) == len(bundle.rules) else replace(bundle, rules=kept)


def past_decision(
    workspace: Workspace, decision: LoggedDecision, bundle: PolicyBundle
) -> PastDecision:
    """Prepare a decision for a bundle: what that reads and was not recorded is unreadable."""
    policy = compile_policy(bundle, gate=decision.gate)
    dark = [
        Fact.unreadable(name, policy.types[name], source=NOT_RECORDED)
        for name in unrecorded(decision, bundle)
    ]
    known = (
        fact if name not in policy.types else _typed(fact, policy.types[name])
        for name, fact in decision.facts.items()
    )
    before = (row for row in workspace.directive_rows() if row.index < decision.index)
    return PastDecision(
        index=decision.index,
        gate=decision.gate,
        facts=FactSet([*known, *dark]),
        outcome=decision.predicate.outcome,
        waivers=tuple(fold(before, workspace.trust).waivers.values()),
        now=decision.time,
    )


def unrecorded(decision: LoggedDecision, bundle: PolicyBundle) -> list[str]:
    """Return the facts that a bundle reads at a decision's gate and that were not recorded."""
    rules = compile_policy(bundle, gate=decision.gate).rules
    reads = {name for rule in rules for name in rule.reads}
    return sorted(
        name for name in reads if name not in decision.facts and not name.startswith(CONSTANTS)
    )


def _typed(fact: Fact, type_: FactType) -> Fact:
    """Give a fact without a value the type that the policy declares."""
    return replace(fact, type=type_) if fact.value is None else fact


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy would have decided over the log's decisions."""

    policy: str
    examined: int
    flips: tuple[Flip, ...]
    """Decisions that would come out otherwise, whatever the facts that were not recorded."""
    unsure: tuple[tuple[int, str, tuple[str, ...]], ...]
    """Index, gate and missing facts of the decisions that can't be told."""

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        return {
            "policy": self.policy,
            "examined": self.examined,
            "flips": [
                {
                    "index": flip.index,
                    "gate": flip.gate,
                    "before": flip.before.value,
                    "after": flip.after.value,
                    "rules": list(flip.rules),
                }
                for flip in self.flips
            ],
            "notReplayable": [
                {"index": index, "gate": gate, "facts": list(facts)}
                for index, gate, facts in self.unsure
            ],
        }


def what_if_for(workspace: Workspace, bundle: PolicyBundle, *, limit: int = 1_000) -> Replayed:
    """Replay the newest decisions of the log under a bundle.

    Raises:
        PolicyError: The bundle does not compile.
        VerificationError: A decision of the log does not verify.
    """
    workspace.catch_up()
    examined, flips = 0, list[Flip]()
    unsure: list[tuple[int, str, tuple[str, ...]]] = []
    for decision in decisions(workspace, limit=limit):
        examined += 1
        asked = still_standing(bundle, decision, policy_of(workspace, decision))
        evaluation = replayed(asked, past_decision(workspace, decision, asked))
        after = worst(evaluation.outcome, *([Outcome.UNDECIDED] if decision.capped else []))
        before = decision.predicate.outcome
        hidden = _hidden(asked, decision, evaluation)
        if hidden:
            unsure.append((decision.index, decision.gate, hidden))
        elif after is not before:
            rules = tuple(item.rule for item in evaluation.refusals)
            flips.append(Flip(decision.index, decision.gate, before, after, rules))
    return Replayed(bundle.label, examined, tuple(flips), tuple(unsure))


def replayed(bundle: PolicyBundle, past: PastDecision) -> Evaluation:
    """Judge a past decision's facts by a bundle."""
    return evaluate(bundle, past.facts, gate=past.gate, now=past.now, waivers=past.waivers)


def _hidden(
    bundle: PolicyBundle, decision: LoggedDecision, evaluation: Evaluation
) -> tuple[str, ...]:
    """Return the unrecorded facts that leave the outcome open.

    A rule that denies or allows does so whatever they are, as CEL asks only for what decides; one
    that stays undecided over them could have said anything.
    """
    if evaluation.outcome is Outcome.DENY:
        return ()
    missing = unrecorded(decision, bundle)
    undecided = {item.rule for item in evaluation.refusals}
    rules = compile_policy(bundle, gate=decision.gate).rules
    reads = {name for one in rules if one.rule.id in undecided for name in one.reads}
    return tuple(name for name in missing if name in reads)
