"""Why not: the fewest facts whose change would give allow, proved by asking the policy again.

Iterative deepening over sets of one, two and three facts. Some rule denies, so a set that gives
allow changes a fact which that rule reads; branching on one refusing rule's facts at each step
therefore loses no set. Refusing rules without a fact in common bound the depth from below, which
ends most hopeless searches at once. Values to try come from the rules: literals, limits and
neighbours of both, the other truth value, values of other facts in the same rule.

>>> from tidegate.core.policy.facts import Fact
>>> from tidegate.core.policy.model import Rule
>>> rule = Rule("a.b", "TG-REG-01", "*", "signature.present && signature.verified")
>>> bundle = PolicyBundle("tiny", "1", rules=(rule,))
>>> facts = FactSet([Fact.of("signature.present", value=True, source="check")])
>>> answer = why_not(bundle, facts, gate="registry/admit", now=0)
>>> [(change.name, change.before, change.after) for change in answer.changes], answer.proved
([('signature.verified', '', 'true')], True)
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tidegate.core.policy.compiled import CompiledPolicy, compile_policy
from tidegate.core.policy.evaluate import Exceptions, evaluate, judge
from tidegate.core.policy.facts import Fact, FactSet, FactType, FactValue, type_of
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.policy.result import FactState, Mode, RuleResult
from tidegate.core.policy.waiver import Waiver
from tidegate.core.stage import Outcome

DEPTH = 3
MAX_STEPS = 4_000


@dataclass(frozen=True, slots=True)
class FactChange:
    """One fact, as it is and as it would have to be."""

    name: str
    before: str
    """Value in CEL notation, empty when it is not present."""
    state: FactState
    """State now."""
    after: str


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The answer: a smallest set of changes, or the reason why there is none."""

    changes: tuple[FactChange, ...]
    proved: bool
    """The policy was evaluated with these changes and gave allow."""
    reason: str
    """Empty with a proof; else ``allowed already``, ``none within 3`` or ``search ended early``."""
    steps: int
    """Sets of changes that were tried."""


def why_not(
    bundle: PolicyBundle,
    facts: FactSet,
    *,
    gate: str,
    now: int,
    waivers: Iterable[Waiver] = (),
    extra: Mapping[str, FactType] | None = None,
    max_steps: int = MAX_STEPS,
) -> WhyNot:
    """Find at most three missing or failed facts whose change gives allow.

    Facts that say what was asked, of what and by whom it was made, stay as they are.

    Args:
        bundle: The policy.
        facts: What was established.
        gate: ``stage/action``.
        now: The present in microseconds.
        waivers: Those that the log holds; they stay in force while searching.
        extra: Facts that the gate declares beyond the vocabulary and the bundle.
        max_steps: Sets to try before giving up.

    Raises:
        PolicyError: The bundle does not compile.
    """
    held = tuple(waivers)
    policy = compile_policy(bundle, gate=gate, extra=extra)
    search = _Search(policy, facts, Exceptions(held, now), max_steps)
    if evaluate(bundle, facts, gate=gate, now=now, waivers=held, extra=extra).outcome is _ALLOW:
        return WhyNot((), proved=False, reason="allowed already", steps=0)
    for depth in range(1, DEPTH + 1):
        found = search.within(search.judged, {}, depth)
        if found:
            then = facts.with_facts(*found.values())
            again = evaluate(bundle, then, gate=gate, now=now, waivers=held, extra=extra)
            if again.outcome is _ALLOW:
                changes = tuple(_change(search.view.fact(name), found[name]) for name in found)
                return WhyNot(changes, proved=True, reason="", steps=search.steps)
    reason = "search ended early" if search.steps >= max_steps else f"none within {DEPTH}"
    return WhyNot((), proved=False, reason=reason, steps=search.steps)


_ALLOW = Outcome.ALLOW
_Judged = tuple[RuleResult | None, ...]
"""What each enforced rule says; ``None`` where it does not apply."""


def _change(before: Fact, after: Fact) -> FactChange:
    return FactChange(after.name, before.use.value, before.state, after.use.value)


class _Search:
    """One search; counts its steps."""

    def __init__(
        self, policy: CompiledPolicy, facts: FactSet, exceptions: Exceptions, max_steps: int
    ) -> None:
        self.policy, self.facts, self.exceptions = policy, facts, exceptions
        self.max_steps, self.steps = max_steps, 0
        self.view = policy.view(facts)
        self.rules = tuple(item for item in policy.rules if item.rule.mode is Mode.ENFORCE)
        free = {name for name, variable in policy.variables.items() if not variable.fixed}
        self.free = tuple(tuple(each for each in rule.reads if each in free) for rule in self.rules)
        self.judged = tuple(judge(rule, self.view, exceptions) for rule in self.rules)

    def within(
        self, judged: _Judged, changes: dict[str, Fact], depth: int
    ) -> dict[str, Fact] | None:
        """Return changes that make no rule refuse, with at most ``depth`` more, or ``None``."""
        opened = [tuple(name for name in free if name not in changes) for free in self.free]
        refusing = [
            names
            for names, item in zip(opened, judged, strict=True)
            if item is not None and item.outcome is not _ALLOW
        ]
        if not refusing and any(judged):
            return changes
        if not refusing:  # No rule applies, which is undecided: any of them might.
            refusing = [tuple(dict.fromkeys(name for names in opened for name in names))]
        if _disjoint(refusing) > depth:
            return None
        for name in min(refusing, key=len):
            for value in self._values(name):
                if self.steps >= self.max_steps:
                    return None
                more = {**changes, name: Fact.of(name, value, source="why not")}
                found = self.within(self._judge_again(judged, more, name), more, depth - 1)
                if found:
                    return found
        return None

    def _judge_again(self, judged: _Judged, changes: Mapping[str, Fact], name: str) -> _Judged:
        """Judge the rules that read what changed; the others stand."""
        self.steps += 1
        view = self.policy.view(self.facts.with_facts(*changes.values()))
        return tuple(
            judge(rule, view, self.exceptions) if name in free else before
            for rule, free, before in zip(self.rules, self.free, judged, strict=True)
        )

    def _values(self, name: str) -> list[FactValue]:
        """Return values worth trying for a fact, without the one that it has, each once."""
        type_, now = self.policy.types[name], self.view.fact(name).value
        named: list[FactValue] = []
        for rule in (rule for rule in self.rules if name in rule.reads):
            others = (self.view.fact(other).value for other in rule.reads if other != name)
            named += [*rule.require.constants, *rule.when.constants]
            named += [value for value in others if value is not None]
        values = _texts(named, now) if type_ is FactType.STRINGS else _near(named, type_)
        if type_ is FactType.STRING:
            values = [*values, f"another {name.rpartition('.')[2]}"]
        # Keyed with the type: true and 1 and 1.0 are one key to Python.
        distinct = {(type(value), value): value for value in values}
        return [value for key, value in distinct.items() if key != (type(now), now)]


def _near(named: Iterable[FactValue], type_: FactType) -> list[FactValue]:
    """Return the named values of a type, then their neighbours."""
    if type_ is FactType.BOOL:
        return [True, False]
    fitting = [value for value in named if type_of(value) is type_]
    step = 0.01 if type_ is FactType.DOUBLE else 1
    numbers = [value for value in fitting if isinstance(value, int | float)]
    beside = [near for value in numbers for near in (value + step, value - step, -value)]
    return [*fitting, *(round(value, 6) for value in beside)]


def _texts(named: Iterable[FactValue], now: FactValue | None) -> Iterator[FactValue]:
    """Yield lists that have one named text more, or one less, or none."""
    held = now if isinstance(now, tuple) else ()
    for text in named:
        if isinstance(text, str):
            yield (*held, text)
            yield tuple(item for item in held if item != text)
    yield ()


def _disjoint(refusing: Iterable[tuple[str, ...]]) -> int:
    """Count, greedily, refusing rules of which no two share a fact: each needs its own change."""
    taken: set[str] = set()
    count = 0
    for names in sorted(refusing, key=len):
        if taken.isdisjoint(names):
            taken.update(names)
            count += 1
    return count
