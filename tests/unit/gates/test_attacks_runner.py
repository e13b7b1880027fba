"""What is tried while a gate looks: swaps that are taken back, kept results, names, empty gates."""

import fcntl
import mmap
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.statements import Word, append, digest_of
from tests.workspaces import GOVERNED, GivenGate, passing, workspace

from tidegate.app.evidence import custody_of
from tidegate.app.workspace import Workspace
from tidegate.core.artifact.manifest import build_manifest
from tidegate.core.artifact.reference import resolve
from tidegate.core.canonical import dumps
from tidegate.core.digest import sha256
from tidegate.core.errors import SubjectError
from tidegate.core.finding import Coverage, Detector, Finding, Location, Severity
from tidegate.core.policy.model import PolicyBundle, Rule
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.command.produce import Job, Prepared, produce
from tidegate.gates.contract import Check, CheckResult, Gate, Order, Target
from tidegate.sandbox.order import Completed, Tier
from tidegate.sandbox.probe import host

CLEAN = CheckResult(Coverage(1, 1), (), {"above_label": 0})
DIRTY = CheckResult(
    Coverage(1, 1),
    (Finding("TG-ING-06/email", Severity.HIGH, "1 address", Location("x")),),
    {"above_label": 1},
)


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    return workspace(tmp_path)


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    path = tmp_path / "drop.bin"
    path.write_bytes(b"bad rows")
    return path


def pii(run: Callable[[], CheckResult], *, resumes: bool = False) -> Check:
    key = {"label": "public"} if resumes else None
    return Check("pii", "TG-ING-06", Detector("test", "1"), run, resume_key=key)


def judge(shop: Workspace, path: Path, check: Check) -> Outcome:
    gate = GivenGate(Stage.INGEST, [passing("governance", dict(GOVERNED)), check])
    return shop.run(gate, Order("admit", (Target(path.name, "dataset", path),))).outcome


@pytest.mark.parametrize("how", ["renamed", "rewritten", "in a folder"])
def test_a_swap_that_is_taken_back_is_caught(shop: Workspace, drop: Path, how: str) -> None:
    """Clean bytes for the detector, the bad ones for the digest before and after."""
    folder = drop.parent / "folder"
    folder.mkdir()
    inside = folder / "drop.bin"
    inside.write_bytes(drop.read_bytes())
    subject = folder if how == "in a folder" else drop
    place = inside if how == "in a folder" else drop

    def look() -> CheckResult:
        aside = drop.with_name("aside")
        bad = place.read_bytes()
        if how == "rewritten":
            place.write_bytes(b"fine row")
            place.write_bytes(bad)
        else:
            place.rename(aside)
            place.write_bytes(b"fine rows")
            place.unlink()
            aside.rename(place)
        return CLEAN

    assert judge(shop, subject, pii(look)) is Outcome.UNDECIDED


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="this system has no leases")
@pytest.mark.parametrize("inside", [False, True], ids=["a file", "in a folder"])
def test_a_swap_through_a_mapping_is_caught(shop: Workspace, drop: Path, *, inside: bool) -> None:
    """A page that is mapped and dirty is written without any time changing."""
    folder = drop.parent / "folder"
    folder.mkdir()
    place = folder / "drop.bin" if inside else drop
    place.write_bytes(b"bad rows")
    with place.open("r+b") as file:
        page = mmap.mmap(file.fileno(), 0)
    page[:] = b"bad rows"

    def look() -> CheckResult:
        page[:] = b"fine row"
        seen = place.read_bytes()
        page[:] = b"bad rows"
        assert seen == b"fine row"
        return CLEAN

    assert judge(shop, folder if inside else drop, pii(look)) is Outcome.UNDECIDED
    page.close()
    assert judge(shop, folder if inside else drop, pii(lambda: CLEAN)) is Outcome.ALLOW


def test_a_kept_result_that_was_edited_is_not_believed(shop: Workspace, drop: Path) -> None:
    """Findings taken out of the cache come back by looking again."""
    assert judge(shop, drop, pii(lambda: DIRTY, resumes=True)) is Outcome.DENY
    body: dict[str, object] = {"coverage": [1, 1, "item"], "findings": [], "facts": {}}
    forged = dumps(body | {"facts": {"above_label": 0}})
    with shop.engine.begin() as connection:
        count = connection.execute(text("UPDATE check_cache SET result = :r"), {"r": forged})
    assert count.rowcount == 1
    assert judge(shop, drop, pii(lambda: DIRTY, resumes=True)) is Outcome.DENY


def test_a_kept_result_of_other_bytes_is_not_believed(shop: Workspace, drop: Path) -> None:
    """Nor is a clean result that was kept for something else."""
    good = drop.with_name("good.bin")
    good.write_bytes(b"good rows")
    assert judge(shop, good, pii(lambda: CLEAN, resumes=True)) is Outcome.ALLOW
    assert judge(shop, drop, pii(lambda: DIRTY, resumes=True)) is Outcome.DENY
    with shop.engine.begin() as connection:
        rows = connection.execute(text("SELECT key, result FROM check_cache")).all()
        for key, _ in rows:
            other = next(result for name, result in rows if name != key)
            connection.execute(
                text("UPDATE check_cache SET result = :r WHERE key = :k"), {"r": other, "k": key}
            )
    assert judge(shop, drop, pii(lambda: DIRTY, resumes=True)) is Outcome.DENY


def test_a_result_is_not_kept_for_another_name(shop: Workspace, drop: Path) -> None:
    """A reader that goes by the suffix sees another thing in the same bytes."""
    harmless = drop.with_name("model.txt")
    harmless.write_bytes(drop.read_bytes())
    assert judge(shop, harmless, pii(lambda: CLEAN, resumes=True)) is Outcome.ALLOW
    assert judge(shop, drop, pii(lambda: DIRTY, resumes=True)) is Outcome.DENY
    assert judge(shop, harmless, pii(lambda: DIRTY, resumes=True)) is Outcome.ALLOW, "it resumes"


def test_a_gate_without_checks_never_allows(tmp_path: Path, drop: Path) -> None:
    """Whatever a policy of one's own says."""
    shop = workspace(tmp_path / "other")
    shop.__dict__["policy"] = PolicyBundle("own", "1", (Rule("a.b", "TG-ING-01", "*", "true"),))
    order = Order("admit", (Target("drop", "dataset", drop),))
    assert shop.run(GivenGate(Stage.INGEST, [passing("a")]), order).outcome is Outcome.ALLOW
    assert shop.run(GivenGate(Stage.INGEST, []), order).outcome is Outcome.UNDECIDED


STRANGE = {
    "a name that is no fact's": {"Set-A": 1},
    "a name that is taken": {"findings": 0},
    "a number that can't be signed": {"above_label": 2**70},
    "text that is no Unicode": {"above_label": 0, "types": "\ud800"},
}


@pytest.mark.parametrize("facts", STRANGE.values(), ids=STRANGE.keys())
def test_a_measurement_that_can_not_be_signed_is_undecided(
    shop: Workspace, drop: Path, facts: dict[str, bool | int | float | str]
) -> None:
    """It is told and logged, not a crash."""
    check = pii(lambda: CheckResult(Coverage(1, 1), (), facts))
    assert judge(shop, drop, check) is Outcome.UNDECIDED


def test_two_subjects_of_one_name_are_refused(shop: Workspace, drop: Path) -> None:
    """The label of the one would stand for the other."""
    other = drop.with_name("other.bin")
    other.write_bytes(b"other")
    targets = (
        Target("d", "dataset", drop, annotations={"label": "restricted"}),
        Target("d", "dataset", other, annotations={"label": "public"}),
    )
    with pytest.raises(SubjectError) as caught:
        shop.run(GivenGate(Stage.INGEST, [passing("pii")]), Order("admit", targets))
    assert caught.value.slug == "same-name"


def test_a_file_of_a_folders_header_is_no_artifact(tmp_path: Path) -> None:
    """It has the folder's digest: admitted as a harmless file, it would admit the folder."""
    folder = tmp_path / "poison"
    folder.mkdir()
    (folder / "rows.csv").write_text("x,y\n1,0\n")
    header = dumps(build_manifest(folder).header())
    assert sha256(header) == resolve(folder).digest
    (tmp_path / "harmless.json").write_bytes(header)
    with pytest.raises(SubjectError) as caught:
        resolve(tmp_path / "harmless.json")
    assert caught.value.slug == "manifest-header"


@pytest.mark.parametrize("what", ["no rule", "no check", "a skipped part", "nothing examined"])
def test_an_allow_that_rests_on_nothing_counts_for_nothing(shop: Workspace, what: str) -> None:
    """A program of one's own can sign it; no reader takes it."""
    statement = Word(Stage.INGEST, "data").statement(shop)
    predicate = dict(statement.predicate)
    if what == "no rule":
        predicate["rules"] = []
    elif what == "no check":
        predicate["checks"] = []
    else:
        gap = [{"what": "a", "why": "b"}] if what == "a skipped part" else []
        coverage = {"planned": 1, "examined": int(bool(gap)), "skipped": gap, "failed": []}
        predicate["checks"] = [{**predicate["checks"][0], "coverage": coverage}]
    append(shop, replace(statement, predicate=predicate), "attestation")
    found = custody_of(shop, str(digest_of("data")))
    assert found.exit_code == 5
    assert "contradiction" in found.broken[0].why


@pytest.mark.skipif(host().tier is Tier.NONE, reason=f"{host().reason}: {host().remedy}")
def test_an_input_that_is_swapped_for_the_command_alone_refuses_its_outputs(
    shop: Workspace, tmp_path: Path
) -> None:
    """Both gates see the admitted bytes; what the command read was not them."""
    data, code = tmp_path / "data.csv", tmp_path / "code"
    data.write_text("x\n1\n")
    code.mkdir()
    copy = "import os, shutil; i, o = os.environ['TIDEGATE_INPUTS'], os.environ['TIDEGATE_OUTPUT']"
    (code / "go.py").write_text(f"{copy}\nshutil.copy(i + '/data', o + '/out')\n")
    job = Job([sys.executable, "go.py"], {"data": Target("data", "dataset", data)},
              tmp_path / "out", code)  # fmt: skip

    def gate_for(prepared: Prepared, completed: Completed | None) -> Gate:
        if completed is None:
            data.rename(tmp_path / "aside")
            data.write_text("x\n2\n")
        return GivenGate(Stage.TRAIN, [])

    def run_gate(gate: Gate, order: Order) -> object:
        class Said:
            outcome = Outcome.ALLOW

        return Said()

    with pytest.raises(SubjectError) as caught:
        produce(job, run_gate=run_gate, gate_for=gate_for, subjects_of=lambda *_: ())  # type: ignore[arg-type]  # a stand-in decision
    assert caught.value.slug == "other-bytes"
    assert not job.output.exists()
