"""The gate predicate: what a gate decided, why, on what evidence, and how much it looked at.

The field list is ``schemas/gate-v1.json``, in prose docs/reference/predicates/gate.md. Fields that
this version does not know are kept word for word; a verdict that contradicts its own rules is
refused, by the writer as by the reader.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import GATE
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.record import MAX_ITEMS, Record
from tidegate.core.identity.refusals import refusal
from tidegate.core.identity.roles import Role
from tidegate.core.stage import Outcome, Stage

_WHAT = "gate-predicate"


@dataclass(frozen=True, slots=True)
class GateRef(Record):
    """Which gate ran."""

    what = _WHAT

    stage: Stage
    action: str


@dataclass(frozen=True, slots=True)
class Tool(Record):
    """The program that ran it."""

    what = _WHAT

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Actor(Record):
    """Who ran the gate. The signature proves the key; the rest is a claim until it is checked."""

    what = _WHAT

    principal: str
    roles: frozenset[Role]
    key_id: str


@dataclass(frozen=True, slots=True)
class PolicyRef(Record):
    """The policy bundle that decided."""

    what = _WHAT

    name: str
    version: str
    digest: Digest
    mode: str
    """How far the bundle reaches as a whole: ``shadow``, ``warn`` or ``enforce``."""


@dataclass(frozen=True, slots=True)
class Material(Record):
    """An artifact that was used or written: an edge of the lineage graph."""

    what = _WHAT

    name: str
    kind: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class EvidenceRef(Record):
    """An earlier statement that was verified and relied on."""

    what = _WHAT

    stage: Stage
    index: int
    """Log index of its entry."""
    envelope: Digest


@dataclass(frozen=True, slots=True)
class GatePredicate(Record):
    """One gate run, as it is signed.

    Raises:
        VerificationError: A rule, check or coverage lacks what its reader relies on (slug
            ``bad-gate-predicate``), or the verdict contradicts its rules (``contradiction``).
    """

    what = _WHAT

    gate: GateRef
    outcome: Outcome
    actor: Actor
    tool: Tool
    time: Micros
    """When the actor says that it was; the log's time is what counts."""
    environment: str
    policy: PolicyRef
    coverage: Mapping[str, Json]
    """The sum of the checks' coverage."""
    rules: tuple[Mapping[str, Json], ...] = ()
    """``RuleResult.to_json()`` of each rule."""
    checks: tuple[Mapping[str, Json], ...] = ()
    """``CheckOutcome.to_json()`` of each check."""
    materials: tuple[Material, ...] = ()
    evidence: tuple[EvidenceRef, ...] = ()
    assurance: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What strength was reached: key sealed or not, isolation tier, clean source tree."""
    parameters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    annotations: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Subject name to facts about it: kind, label, size, rows."""
    byproducts: tuple[Material, ...] = ()
    """Reports and files that checks wrote."""
    drill: bool = False
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Fields that this version does not know."""

    def __post_init__(self) -> None:
        _check_coverage(self.coverage)
        for rule in self.rules:
            fields = Fields(rule, _WHAT)
            mode, outcome = fields.text("mode", limit=16), fields.choice("outcome", Outcome)
            if self.outcome is Outcome.ALLOW and outcome is not self.outcome and mode == "enforce":
                cause = f"it allows, and rule {fields.text('rule', limit=256)} does not"
                raise refusal("contradiction", cause=cause)
        for check in self.checks:
            fields = Fields(check, _WHAT)
            fields.text("id", limit=256)
            fields.choice("outcome", Outcome)
            fields.array("findings", limit=MAX_ITEMS)
            _check_coverage(fields.any("coverage"))
        for facts in self.annotations.values():
            Fields(facts, _WHAT)

    def statement(self, subjects: tuple[Subject, ...]) -> Statement:
        """Return the statement to sign."""
        return Statement(subjects, GATE, self.to_json())

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """Read the predicate of a statement.

        Raises:
            VerificationError: It is of another type or version (slug ``predicate-type``), or
                damaged.
        """
        if statement.predicate_type != GATE:
            raise refusal("predicate-type", statement.predicate_type[:200])
        return cls.from_json(statement.predicate)


def _check_coverage(value: Json) -> None:
    fields = Fields(value, _WHAT)
    for name in ("planned", "examined"):
        fields.integer(name)
    for name in ("skipped", "failed"):
        fields.array(name, limit=MAX_ITEMS)
