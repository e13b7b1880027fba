"""Registry: nothing malicious in, nothing unsigned out.

*Admit* scans the model without running it, verifies its signature, and wants a complete bill of
materials. *Promote* wants the whole chain, and the approvals of other people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.core.finding import Coverage, Detector, Finding, Location, Rule, Severity
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.stage import Stage
from tidegate.detect.supply.engine import DETECTOR, scan_path
from tidegate.gates.contract import Check, CheckResult, GateRequest
from tidegate.gates.registry.kept import NAMES_SCHEMA, CodeNames
from tidegate.gates.signature import SignedModel, signature_check
from tidegate.interop.bom.score import Score
from tidegate.sandbox.scanner import ConfinedScanner

RULES = (
    Rule(
        "TG-REG-04/incomplete-bom",
        "A bill of materials with gaps",
        Severity.MEDIUM,
        "After an advisory nobody can tell whether this model holds the affected part.",
        "Name data, code, packages and licence when the model is admitted.",
        atlas=("AML.T0010",),
        owasp=("LLM03:2025",),
    ),
)
Keep = Callable[[bytes], Digest]
"""Keeps a document, and returns its digest."""
_BOM = Detector("bom", "1")
_STATED = frozenset({"findings", "highest"})


@dataclass(frozen=True, slots=True)
class BomFile:
    """A bill of materials that was written beside the model."""

    path: Path
    score: Score
    """How complete it is, field by field."""


@dataclass(frozen=True, slots=True)
class AdmitGate:
    """The checks of ``registry admit``."""

    model: SignedModel
    bom: BomFile
    trust: TrustRoot
    scanner: ConfinedScanner
    keep: Keep | None = None
    """Keeps which code the files name."""
    more: tuple[Check, ...] = ()
    """Checks that the workspace asks for beside these."""

    @property
    def stage(self) -> Stage:
        """Registry."""
        return Stage.REGISTRY

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        """Return the checks: scan, signature, bill of materials."""
        return (
            scan_check(self.model.path, self.scanner, self.keep),
            signature_check(self.model, self.trust),
            Check("bom", "TG-REG-04", _BOM, lambda: _bom_result(self.bom)),
            *self.more,
        )


@dataclass(frozen=True, slots=True)
class PromoteGate:
    """The checks of ``registry promote``; the chain and approvals are policy's."""

    model: SignedModel
    trust: TrustRoot

    @property
    def stage(self) -> Stage:
        """Registry."""
        return Stage.REGISTRY

    def checks(self, request: GateRequest) -> Sequence[Check]:  # noqa: ARG002 - the protocol's
        """Return the checks: the signature still covers every file."""
        return (signature_check(self.model, self.trust),)


def scan_check(path: Path, scanner: ConfinedScanner, keep: Keep | None = None) -> Check:
    """Return the check that scans a model without running any of it.

    Args:
        path: The model file or folder.
        scanner: Examines each file.
        keep: Keeps which code the files name; its digest is signed with the verdict.
    """
    rules = str(scanner.allowlist.digest)
    return Check(
        "scan",
        "TG-REG-03",
        DETECTOR,
        lambda: _scan_result(path, scanner, keep),
        # What is only tried keeps nothing, and must not pass for what did.
        resume_key={"rules": rules, "keeps": "nothing" if keep is None else NAMES_SCHEMA},
    )


def _scan_result(path: Path, scanner: ConfinedScanner, keep: Keep | None) -> CheckResult:
    report = scan_path(path, examiner=scanner)
    # Every check states its findings and the highest of them by itself.
    own = {name: value for name, value in report.facts().items() if name not in _STATED}
    own["rules"] = str(scanner.allowlist.digest)
    own["confined"] = scanner.confinement.confined
    own["confinement"] = str(scanner.confinement)
    if keep is not None:
        own["names"] = str(keep(CodeNames.of(report.files).to_bytes()))
    return CheckResult(report.coverage, report.findings, own)


def _bom_result(bom: BomFile) -> CheckResult:
    lacking = bom.score.lacking
    findings = tuple(
        Finding(
            "TG-REG-04/incomplete-bom",
            Severity.MEDIUM if name in lacking else Severity.LOW,
            f"the bill of materials lacks {name}",
            Location(bom.path.name),
        )
        for name in bom.score.missing
    )
    facts = {"complete": not lacking, "score": float(bom.score.total)}
    return CheckResult(Coverage(1, 1, unit="document"), findings, facts)


def alias_name(name: str, version: str) -> str:
    """Return the canonical name of a version.

    Raises:
        UsageError: A part has characters that could confuse a reader.
    """
    for part in (name, version):
        allowed = part.isascii() and all(char.isalnum() or char in "-_." for char in part)
        if not part or not allowed or part != part.lower() or len(part) > 64:  # noqa: PLR2004
            raise UsageError(
                "not a canonical name",
                where=f"{name}@{version}"[:100],
                next_step="use lower-case letters, digits, dots, dashes and underscores",
                slug="bad-name",
            )
    return f"{name}@{version}"


def promotion_parameters(name: str, version: str, stage: str) -> dict[str, Json]:
    """Return what is signed with a promotion."""
    return {"name": name, "version": version, "stage": stage}
