"""A model is judged on two sources: what a hidden failure, a late set or a bad command leads to."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.pipelines import Pipeline

from tidegate.app.validate import Roles, Tier, ValidateRequest, validate
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.decision import Decision
from tidegate.core.errors import TidegateError
from tidegate.core.stage import Outcome
from tidegate.sandbox.probe import host

pytestmark = pytest.mark.skipif(host().tier is Tier.NONE, reason="no confinement on this host")

PREDICT = """
import csv, json, os
inputs, output = os.environ["TIDEGATE_INPUTS"], os.environ["TIDEGATE_OUTPUT"]
model = json.load(open(inputs + "/model"))
rows = list(csv.DictReader(open(inputs + "/data")))
assert "y" not in rows[0]
with open(output + "/predictions.csv", "w") as out:
    out.write("prediction,score\\n")
    for row in rows:
        fails = row["region"] == model["blind"]
        yes = float(row["x"]) > 0.5 and not fails
        out.write(f"{int(yes)},{row['x']}\\n")
"""


def rows(seed: int, count: int = 1500) -> np.ndarray:
    """Columns x, region, y: the truth is x > 0.5, with two percent of noise."""
    random = np.random.default_rng(seed)
    x, region = random.random(count).round(4), random.integers(0, 4, count)
    y = (x > 0.5) ^ (random.random(count) < 0.02)
    return np.column_stack([x, region, y])


def write(path: Path, table: np.ndarray) -> Path:
    lines = [f"{x},r{int(region)},{int(y)}" for x, region, y in table]
    path.write_text("x,region,y\n" + "\n".join(lines) + "\n")
    return path


@dataclass
class Case:
    """Two admitted sources, a model trained after them, and the request to judge it."""

    pipeline: Pipeline
    request: ValidateRequest

    def run(self, **changes: object) -> Decision:
        return validate(self.pipeline.workspace, replace(self.request, **changes))  # type: ignore[arg-type]  # a test's changes


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    root = tmp_path_factory.mktemp("trained")
    pipeline = Pipeline.begin(root)
    train, a, b = (write(root / f"{n}.csv", rows(k)) for k, n in enumerate(("t", "a", "b")))
    pipeline.admit(train, source="train-feed", owner="tom")
    pipeline.admit(a, source="partner-a", owner="ann")
    pipeline.admit(b, source="partner-b", owner="bob")
    (root / "model.json").write_text(json.dumps({"blind": "none"}))
    pipeline.train(root / "model.json", train)
    return pipeline


@pytest.fixture
def case(trained: Pipeline, tmp_path: Path) -> Case:
    return opened(trained, tmp_path)


@pytest.fixture(scope="module")
def still(trained: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A case for tests that write nothing to the log."""
    return opened(trained, tmp_path_factory.mktemp("still"))


def opened(trained: Pipeline, root: Path) -> Case:
    files = root / "model.json", root / "a.csv", root / "b.csv"
    return Case(trained.copy_to(root), request(root, *files))


def request(folder: Path, model: Path, a: Path, b: Path, program: str = PREDICT) -> ValidateRequest:
    code = folder / "code"
    code.mkdir(exist_ok=True)
    (code / "predict.py").write_text(program)
    roles = Roles("y", ("region",))
    sets = (("a", a), ("b", b))
    return ValidateRequest(model, sets, roles, (sys.executable, "predict.py"), code)


def facts(decision: Decision, check: str) -> dict[str, object]:
    return next(dict(item.facts) for item in decision.checks if item.id == check)


def error(decision: Decision, check: str) -> str:
    return next(item.error or "" for item in decision.checks if item.id == check)


def test_an_honest_model_on_two_honest_sources_passes(case: Case, tmp_path: Path) -> None:
    decision = case.run(scorecard=tmp_path / "card")
    assert decision.outcome is Outcome.ALLOW, (decision.denials, decision.checks)
    assert facts(decision, "sources")["distinct"] == 2
    assert facts(decision, "sources")["locked"] is True
    assert float(str(facts(decision, "metrics")["lower"])) > 0.95
    assert float(str(facts(decision, "metrics")["auc_a"])) > 0.95
    assert decision.index is not None


@pytest.mark.parametrize("tainted", [True, False], ids=["tainted", "clean twin"])
def test_a_source_without_the_rows_that_the_model_fails_is_caught(
    case: Case, tmp_path: Path, *, tainted: bool
) -> None:
    """The model fails region 3; source A lacks its positive rows, its clean twin has them."""
    pipeline, a = case.pipeline, rows(1, 3_000)
    if tainted:
        a = a[~((a[:, 1] == 3) & (a[:, 0] > 0.5))]
    files = write(tmp_path / "a2.csv", a), write(tmp_path / "b2.csv", rows(2, 3_000))
    pipeline.admit(files[0], source="partner-a2", owner="ann")
    pipeline.admit(files[1], source="partner-b2", owner="bob")
    model = tmp_path / "blind.json"
    model.write_text(json.dumps({"blind": "r3"}))
    pipeline.train(model, tmp_path / "t.csv")
    decision = case.run(model=model, sets=(("a", files[0]), ("b", files[1])))
    found = {finding.rule for finding in decision.findings}
    denied = {denial.rule for denial in decision.denials}
    assert ("TG-VAL-01/slice-error" in found) is tainted
    assert ("validate.agreement" in denied) is tainted
    worst = str(facts(decision, "subgroups")["worst"])
    assert worst.endswith("region = r3")


WRONG = {
    "too few rows": ('out.write("0\\n")', "1 predictions for 1500 rows"),
    "no rows": ("pass", "it has no rows"),
    "nothing": ("out.seek(0); out.truncate()", "it has no rows"),
    "no column": ('out.write("x\\n")', "no column `prediction`"),
    "no file": ('os.rename(out.name, output + "/other.csv")', "left no predictions.csv"),
    "a failure": ('raise SystemExit("no such layer")', "no such layer"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_command_that_does_not_answer_each_row_leaves_the_gate_without_allow(
    case: Case, tmp_path: Path, name: str
) -> None:
    line, why = WRONG[name]
    head = "y" if name == "no column" else "prediction"
    program = (
        "import os\noutput = os.environ['TIDEGATE_OUTPUT']\n"
        f"out = open(output + '/predictions.csv', 'w'); out.write('{head}\\n')\n{line}\n"
    )
    (tmp_path / "code" / "predict.py").write_text(program)
    decision = case.run()
    assert decision.outcome is not Outcome.ALLOW
    for check in ("metrics", "agreement", "subgroups", "isolation"):
        assert why in error(decision, check)


def test_a_model_whose_scan_has_findings_is_never_run(case: Case, tmp_path: Path) -> None:
    trap = tmp_path / "trap.pkl"
    trap.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    case.pipeline.train(trap, tmp_path / "t.csv")
    decision = case.run(model=trap, scorecard=tmp_path / "card")
    assert decision.outcome is not Outcome.ALLOW
    assert "TG-REG-03/pickle-call" in {finding.rule for finding in decision.findings}
    assert "the model was not run" in error(decision, "metrics")
    assert "model was not judged" in (tmp_path / "card/scorecard.html").read_text()


def test_sets_of_one_owner_are_one_source(case: Case, tmp_path: Path) -> None:
    third = write(tmp_path / "c.csv", rows(7))
    case.pipeline.admit(third, source="partner-c", owner="ann")
    case.pipeline.train(case.request.model, tmp_path / "t.csv")
    decision = case.run(sets=(("a", tmp_path / "a.csv"), ("c", third)))
    assert facts(decision, "sources")["distinct"] == 1
    assert "validate.two-sources" in {denial.rule for denial in decision.denials}
    assert "TG-VAL-01/same-source" in {finding.rule for finding in decision.findings}


def test_a_set_that_was_admitted_after_training_is_not_locked(case: Case, tmp_path: Path) -> None:
    late = write(tmp_path / "late.csv", rows(8))
    case.pipeline.admit(late, source="partner-c", owner="cleo")
    case.pipeline.train(case.request.model, tmp_path / "t.csv")  # a second training changes nothing
    decision = case.run(sets=(("a", tmp_path / "a.csv"), ("late", late)))
    assert facts(decision, "sources")["locked"] is False
    assert "TG-VAL-01/late-set" in {finding.rule for finding in decision.findings}
    assert "validate.two-sources" in {denial.rule for denial in decision.denials}


def test_a_set_that_no_gate_admitted_has_no_source(case: Case, tmp_path: Path) -> None:
    wild = write(tmp_path / "wild.csv", rows(9))
    decision = case.run(sets=(("a", tmp_path / "a.csv"), ("wild", wild)))
    assert facts(decision, "sources")["distinct"] == 1
    assert "TG-VAL-01/unknown-source" in {finding.rule for finding in decision.findings}


def test_one_set_says_nothing_about_agreement(case: Case, tmp_path: Path) -> None:
    decision = case.run(sets=(("a", tmp_path / "a.csv"),))
    assert decision.outcome is Outcome.DENY
    assert "gap" not in facts(decision, "metrics")


def test_without_group_columns_subgroups_are_undecided(case: Case) -> None:
    decision = case.run(roles=Roles("y"))
    assert decision.outcome is not Outcome.ALLOW
    assert "no subgroup was judged" in error(decision, "subgroups")


def test_a_small_subgroup_is_named_and_not_dropped(case: Case, tmp_path: Path) -> None:
    few = np.vstack([rows(1), [[0.9, 7, 0]] * 5])
    small = write(tmp_path / "few.csv", few)
    case.pipeline.admit(small, source="partner-c", owner="cleo")
    model = tmp_path / "again.json"
    model.write_text('{"blind": "never"}')
    case.pipeline.train(model, tmp_path / "t.csv")
    decision = case.run(model=model, sets=(("few", small), ("b", tmp_path / "b.csv")))
    named = [f for f in decision.findings if f.rule == "TG-VAL-02/small-group"]
    assert [f.evidence["rows"] for f in named] == [5]
    assert facts(decision, "subgroups")["small"] == 1
    assert decision.outcome is Outcome.ALLOW


def test_the_scorecards_digests_stand_in_the_statement(case: Case, tmp_path: Path) -> None:
    decision = case.run(scorecard=tmp_path / "card")
    workspace = case.pipeline.workspace
    workspace.catch_up()
    link = workspace.chains().read([decision.subjects[0].digest]).about(decision.subjects[0].digest)
    gate: GatePredicate = link[-1].gate
    from tidegate.core.artifact.reference import resolve  # noqa: PLC0415 - only here

    written = {name: resolve(tmp_path / "card" / name).digest for name in
               ("scorecard.json", "scorecard.html")}  # fmt: skip
    assert {item.name: item.digest for item in gate.byproducts} == written
    card = json.loads((tmp_path / "card/scorecard.json").read_text())
    assert card["schema"] == "scorecard/v1"
    assert [item["name"] for item in card["sets"]] == ["a", "b"]
    page = (tmp_path / "card/scorecard.html").read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page


def test_a_dry_run_writes_nothing(still: Case, tmp_path: Path) -> None:
    before = still.pipeline.workspace.log.head.size
    decision = still.run(scorecard=tmp_path / "card", dry_run=True)
    assert decision.outcome is Outcome.ALLOW
    assert decision.index is None
    assert not (tmp_path / "card").exists()
    assert still.pipeline.workspace.log.head.size == before


BAD: dict[str, tuple[dict[str, object], str]] = {
    "no command": ({"argv": ()}, "TG-USE/no-command"),
    "no such label": ({"roles": Roles("z")}, "TG-USE/no-such-column"),
    "no such group": ({"roles": Roles("y", ("z",))}, "TG-USE/no-such-column"),
    "no positive": ({"roles": Roles("y", positive="yes")}, "TG-USE/labels"),
    "the label as a group": ({"roles": Roles("y", ("y",))}, "TG-USE/label-only"),
    "a bad name": ({"sets": (("A-1", Path("x.csv")),)}, "TG-USE/set-names"),
    "no such set": ({"sets": (("a", Path("absent.csv")),)}, "TG-SUB/no-such-path"),
    "no such model": ({"model": Path("absent.json")}, "TG-SUB/no-such-path"),
    "no such code": ({"code": Path("absent")}, "TG-SUB/no-code"),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_inputs_are_typed_errors_and_nothing_is_logged(still: Case, name: str) -> None:
    changes, code = BAD[name]
    before = still.pipeline.workspace.log.head.size
    with pytest.raises(TidegateError) as caught:
        still.run(**changes)
    assert caught.value.code == code
    assert still.pipeline.workspace.log.head.size == before
