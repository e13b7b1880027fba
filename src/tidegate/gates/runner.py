"""The one runner: resolve → require → inspect → decide → attest → append → act.

::

    decision = GateRunner(ports…).run(gate, order)

Every stage goes through :meth:`GateRunner.run`; none has a runner of its own. It fails closed: what
raises, is skipped or sees nothing leaves the gate undecided. *Act* is the projection of the entry
that was appended, so a crash between the two loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tidegate.core.canonical import Json
from tidegate.core.decision import CheckOutcome, Decision, SubjectRef
from tidegate.core.errors import SubjectError
from tidegate.core.policy.evaluate import Evaluation
from tidegate.core.policy.facts import Fact, FactSet
from tidegate.core.stage import Outcome, worst
from tidegate.gates.contract import (
    Artifact,
    Check,
    CheckResult,
    Gate,
    GateRequest,
    Order,
    Target,
)
from tidegate.gates.inspect import changed, coverage_facts, facts_of, inspect
from tidegate.gates.resume import CheckCache, recall, remember, resume_key
from tidegate.gates.stamp import stamp


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """An attestation that the decision rests on."""

    stage: str
    index: int
    envelope: str

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed."""
        return {"stage": self.stage, "index": self.index, "envelope": self.envelope}


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the require step established."""

    facts: tuple[Fact, ...]
    evidence: tuple[EvidenceRef, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an attestation was appended."""

    index: int
    envelope: str


class Resolver(Protocol):
    """Turns targets into digests."""

    def resolve(self, target: Target) -> Artifact:
        """Return the artifact, hashing its bytes where it has a path.

        Raises:
            SubjectError: It can't be an artifact, or is not what the target says.
        """
        ...


class EvidenceSource(Protocol):
    """Finds and verifies what earlier stages signed."""

    def gather(self, request: GateRequest) -> Gathered:
        """Return verified facts about the subjects, their chain, approvals and directives."""
        ...


class Judge(Protocol):
    """Decides by policy."""

    @property
    def policy(self) -> str:
        """``name@version sha256:…`` of the bundle in force."""
        ...

    def judge(self, request: GateRequest, facts: FactSet) -> Evaluation:
        """Evaluate the bundle's rules for this gate, waivers applied."""
        ...


class Notary(Protocol):
    """Attests and appends."""

    def attest(
        self,
        request: GateRequest,
        draft: Decision,
        gathered: Gathered,
        byproducts: Sequence[Artifact],
    ) -> Receipt:
        """Sign the gate statement and append it; it is durable when this returns.

        Raises:
            AccessError: The principal's role may not sign for this stage.
            StoreError: The log can't be written; then nothing was.
        """
        ...


@dataclass(frozen=True, slots=True)
class GateRunner:
    """Runs gates over the ports that the composition root hands in."""

    resolver: Resolver
    evidence: EvidenceSource
    judge: Judge
    notary: Notary
    cache: CheckCache

    def run(self, gate: Gate, order: Order) -> Decision:
        """Run a gate once.

        Raises:
            TidegateError: A subject can't be resolved, or the verdict can't be signed or appended.
                Then nothing was written.
        """
        seen = self._stamps(order)
        request = self._resolve(gate, order)
        gathered = self.evidence.gather(request)
        outcomes, results = self._inspect(gate, request)
        outcomes += self._unchanged(request, seen)
        facts = _all_facts(gathered, outcomes, results)
        evaluation = self.judge.judge(request, facts)
        draft = _draft(request, self.judge.policy, gathered, outcomes, evaluation)
        if order.dry_run:
            return replace(draft, notes=(*draft.notes, "dry run: nothing was signed or appended"))
        byproducts = [item for result in results.values() for item in result.byproducts]
        receipt = self.notary.attest(request, draft, gathered, byproducts)
        return replace(draft, index=receipt.index, envelope=receipt.envelope)

    def _resolve(self, gate: Gate, order: Order) -> GateRequest:
        names = [target.name for target in order.subjects]
        if not names or len(set(names)) < len(names):
            raise SubjectError(
                "each subject needs a name of its own: what is signed about it stands under it",
                where=", ".join(names)[:200] or "no subject",
                next_step="name each once",
                slug="same-name",
            )
        return GateRequest(
            stage=gate.stage,
            order=order,
            subjects=tuple(map(self.resolver.resolve, order.subjects)),
            materials=tuple(map(self.resolver.resolve, order.materials)),
        )

    def _inspect(
        self, gate: Gate, request: GateRequest
    ) -> tuple[tuple[CheckOutcome, ...], dict[str, CheckResult]]:
        outcomes: list[CheckOutcome] = []
        results: dict[str, CheckResult] = {}
        for check in gate.checks(request):
            outcome, result = self._one(check, request)
            outcomes.append(outcome)
            if result is not None:
                results[check.id] = result
        return tuple(outcomes), results

    def _one(self, check: Check, request: GateRequest) -> tuple[CheckOutcome, CheckResult | None]:
        key = resume_key(check, request)
        known = recall(self.cache, key, check)
        outcome, result = inspect(check if known is None else replace(check, run=lambda: known))
        if known is None and result is not None and outcome.coverage.complete:
            remember(self.cache, key, result)
        return outcome, result

    def _stamps(self, order: Order) -> tuple[str, ...]:
        targets = (*order.subjects, *order.materials)
        return tuple("" if target.path is None else stamp(target.path) for target in targets)

    def _unchanged(self, request: GateRequest, seen: tuple[str, ...]) -> tuple[CheckOutcome, ...]:
        # What was judged must be what is signed: a swap between the two is caught here, also one
        # that was taken back in time.
        targets = (*request.order.subjects, *request.order.materials)
        artifacts = (*request.subjects, *request.materials)
        pairs = zip(targets, artifacts, seen, self._stamps(request.order), strict=True)
        return tuple(
            changed(artifact)
            for target, artifact, before, after in pairs
            if artifact.path is not None
            and (before != after or self.resolver.resolve(target).digest != artifact.digest)
        )


def _all_facts(
    gathered: Gathered,
    outcomes: tuple[CheckOutcome, ...],
    results: Mapping[str, CheckResult],
) -> FactSet:
    facts = list(gathered.facts)
    for outcome in outcomes:
        facts += facts_of(outcome, results.get(outcome.id))
    return FactSet([*facts, *coverage_facts(outcomes)])


def _draft(
    request: GateRequest,
    policy: str,
    gathered: Gathered,
    outcomes: tuple[CheckOutcome, ...],
    evaluation: Evaluation,
) -> Decision:
    # A check with gaps caps the outcome whatever the rules say: they can't see what it did not.
    # So does the want of any check.
    complete = bool(outcomes) and all(outcome.coverage.complete for outcome in outcomes)
    gaps = [] if complete else [Outcome.UNDECIDED]
    return Decision(
        stage=request.stage.value,
        action=request.order.action,
        outcome=worst(evaluation.outcome, *gaps),
        subjects=tuple(
            SubjectRef(artifact.name, artifact.kind, str(artifact.digest))
            for artifact in request.subjects
        ),
        checks=outcomes,
        rules=evaluation.results,
        policy=policy,
        notes=gathered.notes,
    )
