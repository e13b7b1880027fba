"""Inspect: run one check, and turn whatever happens into an outcome.

This is the one place where any exception is caught: a check that raises leaves the gate undecided
and never allows.
"""

import logging
from collections.abc import Iterator

from tidegate.core.canonical import dumps
from tidegate.core.decision import CheckOutcome
from tidegate.core.errors import TidegateError
from tidegate.core.finding import Coverage, Skipped
from tidegate.core.policy.facts import Fact, FactSet, FactType
from tidegate.core.stage import Outcome
from tidegate.gates.contract import Artifact, Check, CheckResult, Scalar

_log = logging.getLogger(__name__)


def inspect(check: Check) -> tuple[CheckOutcome, CheckResult | None]:
    """Run a check to its end or to its failure."""
    try:
        result = check.run()
        outcome = _finished(check, result)
        dumps(outcome.to_json())  # what can't be signed, or is no fact, fails here and undecided
        FactSet(facts_of(outcome, result))
    except TidegateError as error:
        return _failed(check, f"{error.code}: {error}"), None
    except Exception as error:  # noqa: BLE001 - the runner's one boundary: a broken check is undecided
        _log.exception("check %s failed", check.id)
        return _failed(check, f"{type(error).__name__} in the check"), None
    return outcome, result


def _failed(check: Check, error: str) -> CheckOutcome:
    return CheckOutcome(
        id=check.id,
        control=check.control,
        outcome=Outcome.UNDECIDED,
        coverage=Coverage(planned=1, failed=(Skipped(check.id, error[:300]),)),
        detector=check.detector.to_json(),
        error=error[:300],
    )


def _finished(check: Check, result: CheckResult) -> CheckOutcome:
    if result.findings:
        outcome = Outcome.DENY
    elif result.coverage.complete:
        outcome = Outcome.ALLOW
    else:
        outcome = Outcome.UNDECIDED
    return CheckOutcome(
        id=check.id,
        control=check.control,
        outcome=outcome,
        coverage=result.coverage,
        detector=check.detector.to_json(),
        findings=result.findings,
        facts={name: signed(value) for name, value in result.facts.items()},
    )


def signed(value: Scalar) -> bool | int | str:
    """Return a measurement as it is signed: a float is a decimal string."""
    return repr(value) if isinstance(value, float) else value


def facts_of(outcome: CheckOutcome, result: CheckResult | None) -> Iterator[Fact]:
    """Yield what policy may know of a check: four facts always, its measurements when it ran."""
    prefix, source = f"check.{outcome.id}", f"check {outcome.id}"
    yield Fact.of(f"{prefix}.ran", outcome.error is None, source=source)
    if result is None:
        for part, kind in (("findings", FactType.INT), ("highest", FactType.INT)):
            yield Fact.unreadable(f"{prefix}.{part}", kind, source=f"{source} failed")
        yield Fact.unreadable(f"{prefix}.outcome", FactType.STRING, source=f"{source} failed")
        return
    highest = max((finding.severity for finding in outcome.findings), default=-1)
    yield Fact.of(f"{prefix}.outcome", outcome.outcome.value, source=source)
    yield Fact.of(f"{prefix}.findings", len(outcome.findings), source=source)
    yield Fact.of(f"{prefix}.highest", int(highest), source=source)
    for name, value in result.facts.items():
        yield Fact.of(f"{prefix}.{name}", value, source=source)


def coverage_facts(outcomes: tuple[CheckOutcome, ...]) -> Iterator[Fact]:
    """Yield the coverage of all checks together."""
    total = sum((outcome.coverage for outcome in outcomes), Coverage())
    for name, value in (
        ("planned", total.planned),
        ("examined", total.examined),
        ("skipped", len(total.skipped)),
        ("failed", len(total.failed)),
    ):
        yield Fact.of(f"coverage.{name}", value, source="coverage")
    complete = bool(outcomes) and all(outcome.coverage.complete for outcome in outcomes)
    yield Fact.of("coverage.complete", complete, source="coverage")


def changed(artifact: Artifact) -> CheckOutcome:
    """Return the outcome for a subject whose bytes changed while it was judged."""
    return CheckOutcome(
        id="unchanged",
        control="TG-GOV-01",
        outcome=Outcome.UNDECIDED,
        coverage=Coverage(planned=1, failed=(Skipped(artifact.name, "changed while judged"),)),
        detector={"name": "unchanged", "version": "1"},
        error=f"{artifact.name} changed between the first digest and the verdict",
    )
