"""Look at admitted models again, after the engine or its packs have changed.

Each result is appended as an in-toto test result about the model's digest. It is no gate statement:
what was decided stays decided, and who deploys sees no difference, until a person acts on what is
told here (``tidegate quarantine add``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.model_rules import rules_in_force
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import TEST_RESULT
from tidegate.core.canonical import Json, dumps
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import SubjectError
from tidegate.core.finding import Severity
from tidegate.core.stage import Outcome, Stage
from tidegate.detect.supply.engine import DETECTOR, scan_path
from tidegate.detect.supply.report import ScanReport
from tidegate.gates.history import Query, newest
from tidegate.interop.standard import Resource, build_test_result
from tidegate.sandbox.scanner import ConfinedScanner

_BLOCKING = Severity.MEDIUM
"""The default policy refuses findings from here on."""


@dataclass(frozen=True, slots=True)
class Rescanned:
    """What looking again at one admitted version came to."""

    name: str
    digest: str
    path: Path
    before: frozenset[str]
    """``rule path`` of each finding at its admission."""
    after: frozenset[str]
    outcome: Outcome
    index: int | None
    """Where the log has the result; ``None`` on a dry run."""

    @property
    def new(self) -> tuple[str, ...]:
        """Findings that its admission had not."""
        return tuple(sorted(self.after - self.before))

    @property
    def gone(self) -> tuple[str, ...]:
        """Findings of its admission that are none any more."""
        return tuple(sorted(self.before - self.after))


@dataclass(frozen=True, slots=True)
class Rescan:
    """The result for all versions."""

    done: tuple[Rescanned, ...]
    elsewhere: tuple[tuple[str, str], ...]
    """Names and digests of admitted versions whose files were not among the paths."""


def rescan(workspace: Workspace, paths: Sequence[Path], *, dry_run: bool = False) -> Rescan:
    """Scan admitted models again with the rules in force now.

    Args:
        workspace: Where they were admitted.
        paths: Models, or folders of models; told by their digest.
        dry_run: Tell, and append nothing.

    Raises:
        SubjectError: None of the paths is an admitted model.
        AccessError: The principal may not sign for the registry.
    """
    if not dry_run:
        workspace.notary.authorise(Stage.REGISTRY)
    versions = _versions(workspace)
    found = {digest: path for path in paths for digest, path in _models(path) if digest in versions}
    if not found:
        raise SubjectError(
            "none of this is an admitted model",
            where=", ".join(map(str, paths))[:200],
            next_step="name the files or folders that were admitted, or a folder that holds them",
            slug="not-admitted",
        )
    with ConfinedScanner(rules_in_force(workspace)) as scanner:
        done = tuple(
            _one(workspace, scanner, name, digest, path, dry_run=dry_run)
            for digest, path in found.items()
            for name in versions[digest]
        )
    missing = [(name, digest) for digest, names in versions.items() for name in names]
    return Rescan(done, tuple(item for item in missing if item[1] not in found))


def _versions(workspace: Workspace) -> dict[str, list[str]]:
    """Return admitted versions by digest."""
    out: dict[str, list[str]] = {}
    state = workspace.directives()
    for name, history in sorted(state.aliases.items()):
        if "@" in name:
            out.setdefault(history[-1].digest, []).append(name)
    return out


def _models(path: Path) -> Iterator[tuple[str, Path]]:
    """Yield what may be a model: the path itself, and what lies directly in it."""
    inner = sorted(path.iterdir()) if path.is_dir() and not path.is_symlink() else []
    for place in (path, *inner):
        try:
            yield str(resolve(place, kind="model").digest), place
        except SubjectError:
            continue


def _one(
    workspace: Workspace,
    scanner: ConfinedScanner,
    name: str,
    digest: str,
    path: Path,
    *,
    dry_run: bool,
) -> Rescanned:
    report = scan_path(path, examiner=scanner)
    outcome = _outcome(report)
    after = frozenset(f"{found.rule} {found.location.path}" for found in report.findings)
    index = None
    if not dry_run and str(resolve(path, kind="model").digest) == digest:
        # The same bytes after as before: what is signed is what was looked at.
        subject = Subject.of(name, Digest.parse(digest))
        predicate = _predicate(report, scanner, outcome)
        statement = Statement((subject,), TEST_RESULT, predicate)
        index = workspace.notary.publish(statement, kind="attestation").index
    before = _before(workspace, digest)
    return Rescanned(name, digest, path, before, after, outcome, index)


def _outcome(report: ScanReport) -> Outcome:
    if any(finding.severity >= _BLOCKING for finding in report.findings):
        return Outcome.DENY
    return Outcome.ALLOW if report.coverage.complete else Outcome.UNDECIDED


def _predicate(report: ScanReport, scanner: ConfinedScanner, outcome: Outcome) -> dict[str, Json]:
    instrument = sha256(dumps(DETECTOR.to_json()))
    clean = [file.path for file in report.files if file.status.value == "clean"]
    told = [f"{item.rule} {item.location.path}" for item in report.findings]
    told += [f"not examined: {file.path}" for file in report.files if file.gaps]
    return build_test_result(
        outcome=outcome,
        configuration=[
            Resource.of(f"{DETECTOR.name} {DETECTOR.version}", instrument),
            Resource.of("allow packs and approvals", scanner.allowlist.digest),
        ],
        passed=[f"scan {path}" for path in clean[:1_000]],
        warned=told[:1_000] if outcome is Outcome.ALLOW else [],
        failed=[] if outcome is Outcome.ALLOW else told[:1_000],
    )


def _before(workspace: Workspace, digest: str) -> frozenset[str]:
    """Return the findings of the scan at its newest admission."""
    query = Query({Stage.REGISTRY}, "admit")
    spoken = newest(workspace.chains(), digest, query)
    checks = spoken.gate.checks if spoken else ()
    found = [item for check in checks if check.get("id") == "scan" for item in _told(check)]
    return frozenset(found)


def _told(check: object) -> Iterator[str]:
    findings = check.get("findings", ()) if isinstance(check, dict) else ()
    for item in findings:
        location = item.get("location", {})
        yield f"{item.get('rule')} {location.get('path')}"
