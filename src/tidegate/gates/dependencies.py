"""The dependency check that train and registry share: the lock that a workspace names.

The facts are what policy decides on; without a lock in the configuration there is no such check.
"""

from collections.abc import Callable

from tidegate.detect.dependencies.check import DependencyReport
from tidegate.detect.dependencies.rules import DETECTOR
from tidegate.gates.contract import Check, CheckResult


def dependency_check(run: Callable[[], DependencyReport]) -> Check:
    """Check a lock file or an environment.

    Args:
        run: Reads and judges it; it depends on the time and on advisories, so it is never kept.
    """

    def result() -> CheckResult:
        report = run()
        return CheckResult(report.coverage, report.findings, report.facts())

    return Check("dependencies", "TG-REG-05", DETECTOR, result)
