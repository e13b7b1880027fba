"""Validate: two independent sources judge the model, and have to agree.

The checks, in order: the model's files are harmless (*scan*), it ran confined (*isolation*), the
sets are independent and older than the model (*sources*), it is good enough on each (*metrics*),
the sets tell one story about where it errs (*agreement*), no subgroup is let down (*subgroups*).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.artifact.reference import resolve
from tidegate.core.errors import CheckError
from tidegate.core.finding import Coverage, Detector
from tidegate.core.stage import Stage
from tidegate.detect.fairness import source_rules, subgroup_rules
from tidegate.detect.supply.engine import DETECTOR as SCANNER
from tidegate.gates.chain import ChainReader
from tidegate.gates.command.checks import isolation_check
from tidegate.gates.contract import Artifact, Check, CheckResult, GateRequest
from tidegate.gates.validate import measure, origins
from tidegate.gates.validate.card import card_of
from tidegate.gates.validate.predict import Trial
from tidegate.gates.validate.sets import Roles

_ORIGINS = Detector("validation-origins", "1")
_METRICS = Detector("metrics", "1")
_CARD = Detector("scorecard", "1")


@dataclass(frozen=True, slots=True)
class ValidateGate:
    """The checks of ``validate run``."""

    trial: Trial
    roles: Roles
    chains: Callable[[], ChainReader]
    scorecard: Path | None = None
    """Folder for the scorecard; none is written where absent."""

    @property
    def stage(self) -> Stage:
        """Validate."""
        return Stage.VALIDATE

    def checks(self, request: GateRequest) -> Sequence[Check]:
        """Return the checks, the scorecard last: it shows what the others found."""
        results: dict[str, CheckResult] = {}

        def kept(check: Check) -> Check:
            def run() -> CheckResult:
                results[check.id] = check.run()
                return results[check.id]

            return Check(check.id, check.control, check.detector, run)

        trial, roles = self.trial, self.roles
        names = [item.name for item in trial.sets]
        listed = [
            Check("scan", "TG-REG-03", SCANNER, lambda: _scan(trial)),
            Check("isolation", "TG-TRN-02", Detector("isolation", "1"), lambda: _isolation(trial)),
            Check("sources", "TG-VAL-01", _ORIGINS,
                  lambda: origins.sources_result(self.chains(), request, names)),
            Check("metrics", "TG-VAL-03", _METRICS,
                  lambda: measure.metrics_result(trial.answers, roles)),
            Check("agreement", "TG-VAL-01", source_rules.DETECTOR,
                  lambda: measure.agreement_result(trial.answers)),
            Check("subgroups", "TG-VAL-02", subgroup_rules.DETECTOR,
                  lambda: measure.subgroups_result(trial.answers, roles)),
        ]  # fmt: skip
        checks = [kept(check) for check in listed]
        folder = self.scorecard
        if folder is not None:
            checks.append(
                Check("scorecard", "TG-VAL-03", _CARD,
                      lambda: self._write(request, folder, results))
            )  # fmt: skip
        return tuple(checks)

    def _write(
        self, request: GateRequest, folder: Path, results: dict[str, CheckResult]
    ) -> CheckResult:
        card = card_of(request, self.trial, self.roles, results)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written = card.write(folder)
        except OSError as error:
            raise CheckError(
                "the scorecard can't be written",
                where=str(folder),
                cause=error.strerror,
                next_step="name another folder with --scorecard",
                slug="scorecard",
            ) from None
        byproducts = tuple(
            Artifact(path.name, "report", resolve(path, kind="report").digest, path)
            for path in written
        )
        return CheckResult(Coverage(len(written), len(written), unit="file"), byproducts=byproducts)


def _scan(trial: Trial) -> CheckResult:
    report = trial.scan
    facts = {
        name: value
        for name, value in report.facts().items()
        if name not in {"findings", "highest"}  # every check states these two by itself
    }
    return CheckResult(report.coverage, report.findings, facts)


def _isolation(trial: Trial) -> CheckResult:
    weakest = min((item.completed for item in trial.answers.values()), key=lambda done: done.tier)
    return isolation_check(weakest).run()
