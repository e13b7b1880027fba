"""From results to the scorecard's content."""

from collections.abc import Mapping
from math import isnan

from tidegate.core.errors import TidegateError
from tidegate.gates.contract import CheckResult, GateRequest
from tidegate.gates.validate import measure
from tidegate.gates.validate.predict import Trial
from tidegate.gates.validate.sets import Roles
from tidegate.report.scorecard import Bar, Note, Scorecard, Section, SetRow
from tidegate.stats.intervals import Interval


def card_of(
    request: GateRequest, trial: Trial, roles: Roles, results: Mapping[str, CheckResult]
) -> Scorecard:
    """Return the scorecard of a trial; without answers it says why there are none."""
    model = request.subjects[0]
    sets = tuple(SetRow(item.name, str(item.digest), item.rows) for item in trial.sets)
    notes = tuple(
        Note(finding.severity.label, finding.rule, finding.message)
        for result in results.values()
        for finding in result.findings
    )
    sections, failure = _sections(trial, roles)
    return Scorecard(
        model=model.name,
        digest=str(model.digest),
        label=roles.label,
        positive=roles.positive,
        sets=sets,
        sections=sections,
        facts={
            f"{check}.{name}": value
            for check, result in results.items()
            for name, value in result.facts.items()
        },
        notes=notes,
        failure=failure,
    )


def _sections(trial: Trial, roles: Roles) -> tuple[tuple[Section, ...], str]:
    try:
        answers = trial.answers
    except TidegateError as error:  # the other checks are undecided by the same error
        return (), f"{error.code}: {error}"
    found = measure.by_set(answers, roles)
    rates = {
        "Accuracy": [item.accuracy for item in found],
        "True-positive rate": [item.rates.tpr for item in found],
        "False-positive rate": [item.rates.fpr for item in found],
        "Selection rate": [item.rates.selection for item in found],
    }
    sections = [
        Section(
            title,
            tuple(
                _bar(item.name, item.rows, interval)
                for item, interval in zip(found, intervals, strict=True)
                if not isnan(interval.value)
            ),
        )
        for title, intervals in rates.items()
    ]
    if roles.groups:
        groups = sorted(
            measure.subgroups(answers, roles), key=lambda group: (group.set, group.name)
        )
        bars = tuple(
            _bar(f"{group.set}: {group.name}", group.rows, group.accuracy, judged=group.judged)
            for group in groups
        )
        sections.append(Section("Accuracy by subgroup", bars))
    return tuple(sections), ""


def _bar(label: str, rows: int, interval: Interval, *, judged: bool = True) -> Bar:
    return Bar(label, rows, interval.value, interval.low, interval.high, judged=judged)
