"""Explanations: each rule with its expressions, the facts that it saw, and where they come from.

>>> from tidegate.core.policy.evaluate import evaluate
>>> from tidegate.core.policy.facts import Fact, FactSet
>>> from tidegate.core.policy.load import bundled
>>> facts = FactSet([Fact.of("subject.quarantined", value=True, source="log 41")])
>>> evaluation = evaluate(bundled("default"), facts, gate="serve/check", now=0)
>>> explained = render(bundled("default"), evaluation)
>>> [fact.log_index for rule in explained.rules for fact in rule.facts if fact.use.value == "true"]
[41]
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.core.policy.compiled import compile_policy
from tidegate.core.policy.evaluate import Evaluation
from tidegate.core.policy.facts import FactType
from tidegate.core.policy.model import PolicyBundle, Rule
from tidegate.core.policy.result import FactUse, RuleResult

_LOG = re.compile(r"\blog (\d{1,15})\b")


@dataclass(frozen=True, slots=True)
class ExplainedFact:
    """A fact that a rule read, with what it means and which entry states it."""

    use: FactUse
    meaning: str
    log_index: int | None
    """Log entry that the fact comes from, where its source names one."""


@dataclass(frozen=True, slots=True)
class ExplainedRule:
    """A rule's result beside what it asked."""

    result: RuleResult
    rule: Rule
    facts: tuple[ExplainedFact, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an evaluation came out as it did."""

    evaluation: Evaluation
    rules: tuple[ExplainedRule, ...]


def render(
    bundle: PolicyBundle, evaluation: Evaluation, *, extra: Mapping[str, FactType] | None = None
) -> Explanation:
    """Explain an evaluation that this bundle gave.

    Args:
        bundle: The bundle that decided.
        evaluation: What it decided.
        extra: The declarations that were given to ``evaluate``.
    """
    policy = compile_policy(bundle, gate=evaluation.gate, extra=extra)
    rules = {compiled.rule.id: compiled.rule for compiled in policy.rules}

    def explained(use: FactUse) -> ExplainedFact:
        variable = policy.variables.get(use.name)
        entry = _LOG.search(use.source)
        meaning = variable.meaning if variable else "a threshold of this policy"
        return ExplainedFact(use, meaning, int(entry[1]) if entry else None)

    return Explanation(
        evaluation,
        tuple(
            ExplainedRule(result, rules[result.rule], tuple(map(explained, result.facts)))
            for result in evaluation.results
        ),
    )
