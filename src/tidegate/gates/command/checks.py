"""Checks that every wrapped command gets: is what ran pinned, and how was it confined?"""

from tidegate.core.finding import Coverage, Detector, Finding, Location, Rule, Severity
from tidegate.gates.command.produce import Prepared
from tidegate.gates.contract import Check, CheckResult
from tidegate.sandbox.order import Completed
from tidegate.sandbox.probe import host

RULES = (
    Rule(
        "TG-PRE-01/not-pinned",
        "Code that no commit names",
        Severity.LOW,
        "Nobody can fetch, read or run again exactly what made these outputs.",
        "Commit the code, keep the tree clean, and run again.",
        atlas=("AML.T0010",),
    ),
    Rule(
        "TG-TRN-02/weak-isolation",
        "A command that ran without confinement",
        Severity.HIGH,
        "A compromised command or dependency could reach the network, other data and the host.",
        "Install bubblewrap and allow user namespaces; `tidegate doctor` says what is missing.",
        atlas=("AML.T0010", "AML.T0025"),
    ),
)
_TRANSFORM = Detector("transform", "1")
_ISOLATION = Detector("isolation", "1")


def transform_check(prepared: Prepared) -> Check:
    """Check that code, environment and parameters are pinned by digest, and note a dirty tree."""

    def run() -> CheckResult:
        code = prepared.code
        findings = []
        if not code.pinned:
            findings.append(
                Finding(
                    "TG-PRE-01/not-pinned",
                    Severity.LOW,
                    "the tree differs from its commit"
                    if code.how == "dirty"
                    else "the code is under no version control",
                    Location(str(prepared.job.code)),
                    {"how": code.how, "digest": str(code.digest)},
                )
            )
        return CheckResult(
            Coverage(3, 3, unit="digest"),
            tuple(findings),
            # The digest pins the code in any case; whether a commit does is `committed`.
            {"pinned": True, "committed": code.pinned, "how": code.how},
        )

    return Check("transform", "TG-PRE-01", _TRANSFORM, run)


def isolation_check(completed: Completed | None) -> Check:
    """Check the isolation tier: the one that was reached, or before a run the one to be had."""

    def run() -> CheckResult:
        tier = completed.tier if completed else host().tier
        findings = []
        if tier == 0:
            findings.append(
                Finding(
                    "TG-TRN-02/weak-isolation",
                    Severity.HIGH,
                    "the command has no confinement",
                    Location("host"),
                    {"tier": tier.value, "reason": host().reason[:200]},
                    fix=host().remedy or None,
                )
            )
        return CheckResult(Coverage(1, 1, unit="host"), tuple(findings), {"tier": tier.value})

    return Check("isolation", "TG-TRN-02", _ISOLATION, run)
