"""A bundle's own tests: what it promises, run against what it does.

>>> from tidegate.core.policy.load import bundled
>>> all(result.passed for result in run_tests(bundled("default")))
True
"""

from dataclasses import dataclass

from tidegate.core.policy.evaluate import evaluate
from tidegate.core.policy.model import PolicyBundle, PolicyTest
from tidegate.core.stage import Outcome


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test."""

    __test__ = False  # pytest would collect it by its name

    name: str
    expected: Outcome
    got: Outcome
    expected_rules: tuple[str, ...]
    """The enforced rules that should not allow, sorted."""
    got_rules: tuple[str, ...]
    """Those that did not, sorted."""

    @property
    def passed(self) -> bool:
        """Whether outcome and rules are as promised."""
        return self.expected is self.got and self.expected_rules == self.got_rules


def run_tests(bundle: PolicyBundle) -> list[TestResult]:
    """Run a bundle's tests, in order.

    Raises:
        PolicyError: The bundle does not compile.
    """
    return [_run(bundle, test) for test in bundle.tests]


def _run(bundle: PolicyBundle, test: PolicyTest) -> TestResult:
    evaluation = evaluate(bundle, test.facts, gate=test.gate, now=0)
    return TestResult(
        name=test.name,
        expected=test.expect,
        got=evaluation.outcome,
        expected_rules=tuple(sorted(test.rules)),
        got_rules=tuple(sorted(item.rule for item in evaluation.refusals)),
    )
