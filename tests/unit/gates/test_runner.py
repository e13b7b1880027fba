"""The one gate runner: what it lets pass, and what it never does."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.workspaces import GOVERNED, GivenGate, admit, passing, workspace

from tidegate.app.workspace import Workspace
from tidegate.core.errors import AccessError, SubjectError
from tidegate.core.finding import Coverage, Detector, Finding, Location, Severity, Skipped
from tidegate.core.policy.directives import Quarantine, Release
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.contract import Check, CheckResult, Order, Target


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("runner"))


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    path = tmp_path / "drop.bin"
    path.write_bytes(b"some rows")
    return path


def _check(name: str, run: Callable[[], CheckResult]) -> Check:
    return Check(name, "TG-ING-06", Detector("test", "1"), run)


def _raises() -> CheckResult:
    raise ValueError("a detector's bug, with a secret in its text")


def _judge(where: Workspace, path: Path, pii: Check, *, dry_run: bool = False) -> Outcome:
    gate = GivenGate(Stage.INGEST, [passing("governance", dict(GOVERNED)), pii])
    order = Order("admit", (Target(path.name, "dataset", path),), dry_run=dry_run)
    return where.run(gate, order).outcome


def test_a_clean_subject_is_admitted_and_logged(shop: Workspace, drop: Path) -> None:
    """An allow has a log index and an envelope, and the projection shows it."""
    decision = admit(shop, drop)
    assert decision.outcome is Outcome.ALLOW
    assert decision.index is not None
    shop.catch_up()
    rows = shop.projections.attestations_about(decision.subjects[0].digest)
    assert [row.index for row in rows][-1] == decision.index


BLIND = {
    "raises": _raises,
    "sees nothing": lambda: CheckResult(Coverage(0, 0), (), {"above_label": 0}),
    "skips": lambda: CheckResult(
        Coverage(2, 1, skipped=(Skipped("b", "encrypted"),)), (), {"above_label": 0}
    ),
    "fails on a part": lambda: CheckResult(
        Coverage(2, 1, failed=(Skipped("b", "damaged"),)), (), {"above_label": 0}
    ),
    "examines less than it planned": lambda: CheckResult(Coverage(3, 2), (), {"above_label": 0}),
}


@pytest.mark.parametrize("run", BLIND.values(), ids=BLIND.keys())
def test_what_was_not_looked_at_never_allows(
    shop: Workspace, drop: Path, run: Callable[[], CheckResult]
) -> None:
    """A detector that raises, skips or sees nothing leaves the gate undecided."""
    assert _judge(shop, drop, _check("pii", run)) is Outcome.UNDECIDED


def test_a_broken_check_tells_no_secrets(shop: Workspace, drop: Path) -> None:
    """What a detector raised is named by its type only."""
    gate = GivenGate(Stage.INGEST, [passing("governance", dict(GOVERNED)), _check("pii", _raises)])
    decision = shop.run(gate, Order("admit", (Target("d", "dataset", drop),)))
    assert "secret" not in str(decision.to_json())
    assert "ValueError" in str(decision.to_json())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    planned=st.integers(0, 5),
    examined=st.integers(0, 5),
    skipped=st.integers(0, 2),
    failed=st.integers(0, 2),
    above=st.integers(0, 2),
)
def test_only_whole_coverage_allows(
    shop: Workspace, drop: Path, planned: int, examined: int, skipped: int, failed: int, above: int
) -> None:
    """Whatever a check covered: an allow means that nothing that was planned is missing."""
    gaps = tuple(Skipped(str(n), "why") for n in range(max(skipped, failed)))
    coverage = Coverage(planned, examined, gaps[:skipped], gaps[:failed])
    check = _check("pii", lambda: CheckResult(coverage, (), {"above_label": above}))
    outcome = _judge(shop, drop, check, dry_run=True)
    whole = examined > 0 and examined >= planned and not skipped and not failed
    assert (outcome is Outcome.ALLOW) == (whole and above == 0)


def test_a_gate_without_checks_is_undecided(shop: Workspace, drop: Path) -> None:
    """No check, no verdict."""
    decision = shop.run(
        GivenGate(Stage.INGEST, []), Order("admit", (Target("d", "dataset", drop),), dry_run=True)
    )
    assert decision.outcome is not Outcome.ALLOW


def test_a_dry_run_writes_nothing(shop: Workspace, drop: Path) -> None:
    """The log stays as long as it was."""
    size = shop.log.head.size
    _judge(shop, drop, passing("pii", {"above_label": 0}), dry_run=True)
    assert shop.log.head.size == size


def test_a_swap_while_checks_run_is_caught(shop: Workspace, drop: Path) -> None:
    """What was judged must be what is signed."""

    def swap() -> CheckResult:
        drop.write_bytes(b"other rows")
        return CheckResult(Coverage(1, 1), (), {"above_label": 0})

    assert _judge(shop, drop, _check("pii", swap)) is Outcome.UNDECIDED


def test_a_subject_that_is_not_the_one_asked_for_is_refused(shop: Workspace, drop: Path) -> None:
    """A pinned digest is compared before anything runs."""
    from tidegate.core.digest import sha256  # noqa: PLC0415 - only here

    target = Target("d", "dataset", drop, sha256(b"something else"))
    with pytest.raises(SubjectError) as caught:
        shop.run(GivenGate(Stage.INGEST, [passing("pii")]), Order("admit", (target,)))
    assert caught.value.code == "TG-SUB/other-bytes"


def test_a_finding_denies_and_stands_in_the_log(shop: Workspace, drop: Path) -> None:
    """A denial is logged like an allow."""
    finding = Finding("TG-ING-06/email", Severity.HIGH, "1 address", Location("drop.bin"))
    check = _check("pii", lambda: CheckResult(Coverage(1, 1), (finding,), {"above_label": 1}))
    gate = GivenGate(Stage.INGEST, [passing("governance", dict(GOVERNED)), check])
    decision = shop.run(gate, Order("admit", (Target("d", "dataset", drop),)))
    assert decision.outcome is Outcome.DENY
    assert decision.index is not None
    assert {result.control for result in decision.denials} == {"TG-ING-06"}


def test_quarantine_holds_until_release(shop: Workspace, tmp_path: Path) -> None:
    """A directive is obeyed by the next run, and its undo, too."""
    path = tmp_path / "held.bin"
    path.write_bytes(b"held rows")
    digest = admit(shop, path).subjects[0].digest
    shop.act(Quarantine(digest=digest, reason="labels disagree"))
    assert admit(shop, path).outcome is Outcome.DENY
    shop.act(Release(digest=digest, reason="checked"))
    assert admit(shop, path).outcome is Outcome.ALLOW


def test_a_role_that_may_not_sign_is_refused_before_anything_runs(
    shop: Workspace, drop: Path
) -> None:
    """A validator admits no data."""
    other = Workspace.open(shop.root, act_as="vic", clock=shop.clock, environ={"HOME": "/nowhere"})
    with pytest.raises(AccessError) as caught:
        admit(other, drop)
    assert caught.value.code == "TG-ACC/role"
