"""What if: a changed policy over decisions that were made, to see which would come out otherwise.

>>> from tidegate.core.policy.load import bundled
>>> past = [PastDecision(3, "serve/check", FactSet(), Outcome.ALLOW)]
>>> [(flip.index, flip.after.value) for flip in what_if(bundled("default"), past).flips]
[(3, 'deny')]
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tidegate.core.policy.evaluate import evaluate
from tidegate.core.policy.facts import FactSet, FactType
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.policy.waiver import Waiver
from tidegate.core.stage import Outcome


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A decision as the log has it, with the facts that it was made on."""

    index: int
    """Log index."""
    gate: str
    """``stage/action``."""
    facts: FactSet
    outcome: Outcome
    waivers: tuple[Waiver, ...] = ()
    """Waivers that were in the log then."""
    now: int = 0
    """Log time of the decision, in microseconds."""
    extra: tuple[tuple[str, FactType], ...] = ()
    """Facts that its gate declared."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A decision that would come out otherwise."""

    index: int
    gate: str
    before: Outcome
    after: Outcome
    rules: tuple[str, ...]
    """Enforced rules of the new policy that do not allow."""


@dataclass(frozen=True, slots=True)
class Flips:
    """What a policy would change."""

    policy: str
    examined: int
    """Decisions that were replayed."""
    flips: tuple[Flip, ...]


def what_if(bundle: PolicyBundle, past: Iterable[PastDecision]) -> Flips:
    """Replay decisions under a bundle, on the facts that were recorded.

    A fact that the bundle wants and that was never recorded is missing, as it would have been.

    Raises:
        PolicyError: The bundle does not compile.
    """
    examined, flips = 0, list[Flip]()
    for decision in past:
        examined += 1
        evaluation = evaluate(
            bundle,
            decision.facts,
            gate=decision.gate,
            now=decision.now,
            waivers=decision.waivers,
            extra=dict(decision.extra),
        )
        if evaluation.outcome is not decision.outcome:
            rules = tuple(item.rule for item in evaluation.refusals)
            before, after = decision.outcome, evaluation.outcome
            flips.append(Flip(decision.index, decision.gate, before, after, rules))
    return Flips(bundle.label, examined, tuple(flips))
