"""Decisions of the log asked again: why not, and what a changed policy would have said.

A gate statement holds the facts that its rules read, with their values, and the results of its
checks. From these the facts are rebuilt. What no rule read then was not recorded: it is held to be
*unreadable*, never missing, and whatever rests on it is said to be not replayable.

::

    answer = why_not_for(workspace, 41)
    flips = what_if_for(workspace, load_path(Path("policy.toml")))
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from tidegate.app.workspace import Workspace
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.uris import GATE
from tidegate.core.attest.verifier import verify_envelope
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.errors import SubjectError
from tidegate.core.finding import Severity
from tidegate.core.ledger.entry import Entry
from tidegate.core.policy.compiled import compile_policy
from tidegate.core.policy.evaluate import Evaluation, evaluate
from tidegate.core.policy.facts import Fact, FactSet, FactType, FactValue
from tidegate.core.policy.load import BUNDLED, bundled
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.policy.result import FactState
from tidegate.core.stage import Outcome, worst
from tidegate.govern.policy.replay import Flip, PastDecision
from tidegate.govern.policy.why_not import WhyNot, why_not
from tidegate.graph.acts import fold

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|U([0-9a-f]{8})|.)", re.DOTALL)
_CONSTANTS = ("limit.", "severity.")
_NOT_RECORDED = "not recorded by the decision"


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A gate's verdict as the log has it."""

    index: int
    time: int
    subjects: tuple[str, ...]
    predicate: GatePredicate
    facts: FactSet
    """Those that were recorded."""

    @property
    def gate(self) -> str:
        """``stage/action``."""
        return f"{self.predicate.gate.stage.value}/{self.predicate.gate.action}"

    @property
    def capped(self) -> bool:
        """Whether a check had gaps, which allows no better outcome than undecided."""
        return not all(_whole(check["coverage"]) for check in self.predicate.checks)


def decision_at(workspace: Workspace, index: int) -> LoggedDecision:
    """Return the decision of one entry, its signature verified.

    Raises:
        SubjectError: The entry is no decision of a gate.
        VerificationError: It does not verify.
    """
    entry = Entry.parse(workspace.log.entry(index))
    found = _decision(workspace, index, entry)
    if found is None:
        raise SubjectError(
            "this entry is no decision of a gate, or its envelope is gone",
            where=f"log {index}",
            next_step="see `tidegate log show`",
            slug="no-decision",
        )
    return found


def decisions(workspace: Workspace, *, limit: int) -> Iterator[LoggedDecision]:
    """Yield the newest decisions, oldest first; drills are left out.

    Raises:
        VerificationError: One does not verify.
    """
    rows = workspace.projections.attestations(predicate_type=GATE, limit=max(1, limit))
    for index in sorted({row.index for row in rows if not row.drill})[-limit:]:
        found = _decision(workspace, index, Entry.parse(workspace.log.entry(index)))
        if found is not None:
            yield found


def _decision(workspace: Workspace, index: int, entry: Entry) -> LoggedDecision | None:
    if entry.predicate_type != GATE or entry.envelope is None:
        return None
    body = workspace.ledger.envelope(entry.envelope)
    if body is None:
        return None
    statement = verify_envelope(
        Envelope.parse(body), workspace.trust, at=Micros(entry.time), index=index
    ).statement
    predicate = GatePredicate.of(statement)
    subjects = tuple(f"sha256:{one.digests.get('sha256', '')}" for one in statement.subjects)
    facts = FactSet(_recorded(predicate, statement, subjects).values())
    return LoggedDecision(index, entry.time, subjects, predicate, facts)


def _recorded(
    predicate: GatePredicate, statement: Statement, subjects: tuple[str, ...]
) -> dict[str, Fact]:
    """Return the facts that a statement holds: derived ones first, then those that rules saw."""
    facts = {fact.name: fact for fact in _derived(predicate, statement, subjects)}
    for rule in predicate.rules:
        for use in rule.get("facts", ()):
            fact = _used(use)
            if not fact.name.startswith(_CONSTANTS):
                facts[fact.name] = fact
    return facts


def _derived(
    predicate: GatePredicate, statement: Statement, subjects: tuple[str, ...]
) -> Iterator[Fact]:
    """Yield what the statement says of request, subject, checks and coverage."""
    first = statement.subjects[0].name
    kind = predicate.annotations.get(first, {}).get("kind")
    values: dict[str, FactValue] = {
        "request.stage": predicate.gate.stage.value,
        "request.action": predicate.gate.action,
        "request.environment": predicate.environment,
        "request.drill": predicate.drill,
        "request.actor": predicate.actor.principal,
        "request.roles": tuple(sorted(predicate.actor.roles)),
        "subject.name": first,
        "subject.digests": subjects,
    }
    if isinstance(kind, str):
        values["subject.kind"] = kind
    for name, value in values.items():
        yield Fact.of(name, value, source="the statement")
    yield from _coverage(predicate.coverage, [check["coverage"] for check in predicate.checks])
    for check in predicate.checks:
        yield from _check(check)


def _coverage(total: Mapping[str, Json], each: list[Json]) -> Iterator[Fact]:
    counts = {
        "planned": int(total["planned"]),
        "examined": int(total["examined"]),
        "skipped": len(total["skipped"]),
        "failed": len(total["failed"]),
    }
    for name, value in counts.items():
        yield Fact.of(f"coverage.{name}", value, source="coverage")
    complete = bool(each) and all(map(_whole, each))
    yield Fact.of("coverage.complete", complete, source="coverage")


def _whole(coverage: Mapping[str, Json]) -> bool:
    gaps = bool(coverage["skipped"] or coverage["failed"])
    return 0 < int(coverage["examined"]) >= int(coverage["planned"]) and not gaps


def _check(check: Mapping[str, Json]) -> Iterator[Fact]:
    """Yield a check's four facts; its measurements count only as rules saw them, with a type."""
    name, source = f"check.{check['id']}", f"check {check['id']}"
    ran = "error" not in check
    yield Fact.of(f"{name}.ran", ran, source=source)
    if not ran:
        return
    worst_of = [Severity.parse(str(one["severity"])) for one in check["findings"]]
    yield Fact.of(f"{name}.outcome", str(check["outcome"]), source=source)
    yield Fact.of(f"{name}.findings", len(worst_of), source=source)
    yield Fact.of(f"{name}.highest", int(max(worst_of, default=-1)), source=source)


def _used(use: Mapping[str, Json]) -> Fact:
    name, source = str(use["name"]), str(use["source"])
    if use["state"] == FactState.PRESENT.value:
        value = parse_value(str(use["value"]))
        if value is None:
            return Fact.unreadable(name, FactType.STRING, source=_NOT_RECORDED)
        return Fact.of(name, value, source=source)
    make = Fact.missing if use["state"] == FactState.MISSING.value else Fact.unreadable
    return make(name, FactType.STRING, source=source)


def parse_value(text: str) -> FactValue | None:
    r"""Read a value in the CEL notation that decisions record; ``None`` where it can't be.

    >>> parse_value("true"), parse_value("0.5"), parse_value('["a", "b"]'), parse_value('"\\x9b"')
    (True, 0.5, ('a', 'b'), '\x9b')
    >>> parse_value("{}") is None
    True
    """
    try:
        value = json.loads(_ESCAPE.sub(_as_json, text), parse_constant=_refuse)
    except (ValueError, OverflowError, RecursionError):
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return value if isinstance(value, bool | int | float | str) else None


def _as_json(escape: re.Match[str]) -> str:
    """Turn an escape that JSON does not have into one that it has."""
    if escape[1]:
        return f"\\u00{escape[1]}"
    return chr(int(escape[2], 16)) if escape[2] else escape[0]


def _refuse(constant: str) -> FactValue:
    raise ValueError(constant)


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
        Fact.unreadable(name, policy.types[name], source=_NOT_RECORDED)
        for name in unrecorded(decision, bundle)
    ]
    known = (
        fact if name not in policy.types else _typed(fact, policy.types[name])
        for name, fact in decision.facts.items()
    )
    before = (row for row in workspace.projections.directives() if row.index < decision.index)
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
        name for name in reads if name not in decision.facts and not name.startswith(_CONSTANTS)
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
