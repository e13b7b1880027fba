"""Decisions of the log, with the facts that they were made on, as far as they were recorded.

A gate statement holds the facts that its rules read, with their values in CEL notation, and the
results of its checks. From these the typed facts are rebuilt; what no rule read was not recorded.

::

    decision = decision_at(workspace, 41)
    decision.facts.value("check.governance.has_licence")
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.app.logbook import within
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
from tidegate.core.policy.facts import Fact, FactSet, FactType, FactValue
from tidegate.core.policy.result import FactState

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|U([0-9a-f]{8})|.)", re.DOTALL)
CONSTANTS = ("limit.", "severity.")
NOT_RECORDED = "not recorded by the decision"


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
        SubjectError: There is no such entry, or it is no decision of a gate.
        VerificationError: It does not verify.
    """
    within(workspace, index)
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
            if not fact.name.startswith(CONSTANTS):
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
            return Fact.unreadable(name, FactType.STRING, source=NOT_RECORDED)
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
