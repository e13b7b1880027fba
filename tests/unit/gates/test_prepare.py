"""Prepare and train over real workspaces: admitted inputs, pinned code, clean splits."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tidegate.app.genesis import everything, found
from tidegate.app.ingest import AdmitRequest, admit
from tidegate.app.prepare import PrepareRequest, prepare
from tidegate.app.produce import CommandRequest
from tidegate.app.sources import add_source
from tidegate.app.train import train_model
from tidegate.app.workspace import Workspace
from tidegate.core.attest.uris import SLSA_PROVENANCE
from tidegate.core.digest import sha256
from tidegate.core.errors import CheckError, SubjectError, TidegateError, UsageError
from tidegate.core.policy.directives import Quarantine
from tidegate.core.stage import Outcome
from tidegate.gates.command.produce import Produced
from tidegate.gates.prepare.split import Split, split_of
from tidegate.interop.standard import check_slsa_provenance
from tidegate.sandbox.confine import run_confined
from tidegate.sandbox.order import Completed, Order, Tier
from tidegate.sandbox.probe import host

confined = pytest.mark.skipif(host().tier < Tier.NAMESPACES, reason="no confinement on this host")

SPLIT = """\
import os
from pathlib import Path
lines = (Path(os.environ["TIDEGATE_INPUTS"]) / "data").read_text().splitlines()
head, rows = lines[0], lines[1:]
cut = int(os.environ.get("TIDEGATE_PARAM_CUT", "60"))
leak = int(os.environ.get("TIDEGATE_PARAM_LEAK", "0"))
out = Path(os.environ["TIDEGATE_OUTPUT"])
(out / "train.csv").write_text("\\n".join([head, *rows[:cut]]) + "\\n")
name = os.environ.get("TIDEGATE_PARAM_NAME", "valid.csv")
(out / name).write_text("\\n".join([head, *rows[cut - leak:]]) + "\\n")
"""
TRAIN = """\
import hashlib, os
from pathlib import Path
data = b"".join(p.read_bytes() for p in sorted(Path(os.environ["TIDEGATE_INPUTS"]).iterdir()))
(Path(os.environ["TIDEGATE_OUTPUT"]) / "model.bin").write_bytes(hashlib.sha256(data).digest())
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = found(tmp_path / "site", (everything("dana"),), environ={"HOME": str(tmp_path)})
    made.act(add_source(made, "clinic", tier="partner", owner="Oncology", licence="CC-BY-4.0"))
    yield made
    made.engine.dispose()


@pytest.fixture
def data(workspace: Workspace, tmp_path: Path) -> Path:
    """An admitted table whose rows are far apart."""
    path = tmp_path / "drop.csv"
    rows = [f"{place * 37 % 101},{place * place % 97},{place}" for place in range(100)]
    path.write_text("\n".join(["a,b,c", *rows]) + "\n")
    decision = admit(
        workspace,
        AdmitRequest(
            path=path, source="clinic", owner="Oncology", licence="CC-BY-4.0", label="confidential"
        ),
    )
    assert decision.outcome is Outcome.ALLOW
    return path


def code(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "run.py").write_text(text)
    return folder


def command(tmp_path: Path, data: Path, text: str = SPLIT, **parameters: str) -> CommandRequest:
    return CommandRequest(
        ("python", "run.py"),
        {"data": data},
        tmp_path / "out",
        code(tmp_path / "code", text),
        parameters,
    )


def rules(produced: Produced) -> set[str]:
    return {item.rule for item in produced.decision.denials}


def overlap(produced: Produced) -> dict[str, bool | int | str]:
    return next(dict(item.facts) for item in produced.decision.checks if item.id == "overlap")


@confined
def test_a_clean_split_of_admitted_data_is_admitted_with_its_provenance(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    produced = prepare(workspace, PrepareRequest(command(tmp_path, data)))
    assert produced.decision.outcome is Outcome.ALLOW
    assert [item.name for item in produced.decision.subjects] == ["train.csv", "valid.csv"]
    assert {item.kind for item in produced.decision.subjects} == {"table"}
    facts = overlap(produced)
    assert (facts["split"], facts["exact"], facts["near"]) == (True, 0, "0.0")
    chain = workspace.chains().read([produced.decision.subjects[0].digest])
    assert chain.complete
    stated = chain.about(produced.decision.subjects[0].digest)[0].gate
    assert stated.annotations["train.csv"]["role"] == "train"
    assert stated.annotations["train.csv"]["label"] == "confidential", "as sensitive as its input"
    assert stated.parameters["command"] == ["python", "run.py"]
    (row,) = workspace.projections.attestations(predicate_type=SLSA_PROVENANCE, limit=1)
    logged = workspace.chains().statements.logged(row.index)
    assert logged is not None
    predicate = workspace.verification().verify(logged).statement.predicate
    check_slsa_provenance(predicate)
    inputs = predicate["buildDefinition"]["externalParameters"]["inputs"]
    assert inputs == {"data": str(sha256(data.read_bytes()))}


@confined
@pytest.mark.parametrize("name", ["valid.csv", "other.csv"])
def test_rows_on_both_sides_are_refused_told_by_name_or_as_named(
    workspace: Workspace, tmp_path: Path, data: Path, name: str
) -> None:
    asked = PrepareRequest(
        command(tmp_path, data, leak="5", name=name),
        validation=() if name == "valid.csv" else (name,),
    )
    produced = prepare(workspace, asked)
    assert produced.decision.outcome is Outcome.DENY
    assert rules(produced) == {"prepare.split"}
    assert overlap(produced)["exact"] == 5
    assert not workspace.projections.attestations(predicate_type=SLSA_PROVENANCE)


@confined
def test_without_a_validation_set_nothing_reads_as_a_pass(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    produced = prepare(workspace, PrepareRequest(command(tmp_path, data, name="rest.csv")))
    assert produced.decision.outcome is Outcome.ALLOW
    assert overlap(produced) == {"split": False}
    assert "prepare.split" not in {item.rule for item in produced.decision.rules}
    assert any("no overlap was looked for" in note for note in produced.decision.notes)


@confined
def test_an_input_that_was_not_admitted_stops_the_run_before_it_starts(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    stranger = tmp_path / "stranger.csv"
    stranger.write_text("a\n1\n")
    base = command(tmp_path, data)
    asked = replace(base, inputs={"data": data, "more": stranger})
    produced = prepare(workspace, PrepareRequest(asked))
    assert rules(produced) == {"prepare.inputs"}
    assert produced.outputs is None
    assert not asked.output.exists()
    trained = train_model(workspace, replace(asked, code=code(tmp_path / "t", TRAIN)))
    assert rules(trained) == {"train.inputs"}
    assert trained.completed is None


@confined
@pytest.mark.parametrize("name", ["data.py", "folder"])
def test_data_does_not_pass_as_code(
    workspace: Workspace, tmp_path: Path, data: Path, name: str
) -> None:
    """Neither by its name, nor because the same bytes were run as code before."""
    poison = tmp_path / name
    if name == "folder":
        code(poison, SPLIT)
        first = replace(command(tmp_path, data), code=poison)
        assert prepare(workspace, PrepareRequest(first)).decision.outcome is Outcome.ALLOW
    else:
        poison.write_text("1,2\n")
    asked = replace(
        command(tmp_path, data, TRAIN),
        inputs={"data": data, "more": poison},
        output=tmp_path / "model",
    )
    assert rules(train_model(workspace, asked)) == {"train.inputs"}


@confined
def test_quarantine_reaches_what_is_made_from_the_data(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    base = command(tmp_path, data)
    prepare(workspace, PrepareRequest(base))
    workspace.act(Quarantine(digest=str(sha256(data.read_bytes())), reason="recalled"))
    asked = CommandRequest(
        ("python", "run.py"),
        {"train": base.output / "train.csv"},
        tmp_path / "model",
        code(tmp_path / "t", TRAIN),
    )
    assert {"train.quarantine", "any.not-quarantined"} <= rules(train_model(workspace, asked))


@confined
def test_training_on_a_prepared_table_admits_the_model(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    base = command(tmp_path, data)
    prepare(workspace, PrepareRequest(base))
    asked = CommandRequest(
        ("python", "run.py"),
        {"train": base.output / "train.csv"},
        tmp_path / "model",
        code(tmp_path / "t", TRAIN),
    )
    trained = train_model(workspace, asked, name="credit")
    assert trained.decision.outcome is Outcome.ALLOW
    subject = trained.decision.subjects[0]
    assert (subject.name, subject.kind) == ("credit", "model")
    assert workspace.chains().read([subject.digest]).complete
    (row, *_) = workspace.projections.attestations(predicate_type=SLSA_PROVENANCE, limit=1)
    assert row.subject_digest == subject.digest


@confined
def test_an_input_that_is_swapped_while_the_command_runs_refuses_its_outputs(
    workspace: Workspace, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def swap(order: Order) -> Completed:
        done = run_confined(order)
        data.write_text(data.read_text() + "1,1,1\n")
        return done

    monkeypatch.setattr("tidegate.gates.command.produce.run_confined", swap)
    asked = command(tmp_path, data)
    with pytest.raises(SubjectError, match="not the ones"):
        prepare(workspace, PrepareRequest(asked))
    assert not asked.output.exists(), "outputs that no gate judged are removed"


@confined
def test_a_change_of_code_or_parameter_changes_the_order(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    runs: list[Produced] = []
    for text, cut in ((SPLIT, "60"), (SPLIT, "50"), (SPLIT + "# changed\n", "50")):
        asked = command(tmp_path, data, text, cut=cut)
        fresh = replace(asked, output=tmp_path / f"out{len(runs)}")
        runs.append(prepare(workspace, PrepareRequest(fresh)))
    assert len({run.prepared.digest for run in runs}) == 3
    assert runs[0].prepared.code.digest == runs[1].prepared.code.digest
    assert runs[1].prepared.code.digest != runs[2].prepared.code.digest


@confined
def test_code_of_a_commit_is_pinned_to_it(workspace: Workspace, tmp_path: Path, data: Path) -> None:
    asked = command(tmp_path, data)
    for line in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *line], cwd=asked.code, check=True)
    produced = prepare(workspace, PrepareRequest(asked))
    assert produced.prepared.code.how == "commit"
    transform = next(item for item in produced.decision.checks if item.id == "transform")
    assert transform.facts["committed"] is True


@confined
def test_a_failing_command_admits_nothing(workspace: Workspace, tmp_path: Path, data: Path) -> None:
    asked = command(tmp_path, data, "raise SystemExit('broken')\n")
    with pytest.raises(CheckError, match="failed"):
        prepare(workspace, PrepareRequest(asked))
    assert not asked.output.exists()


@confined
def test_a_split_that_names_no_output_is_refused(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    asked = command(tmp_path, data)
    with pytest.raises(CheckError, match="no such table"):
        prepare(workspace, PrepareRequest(asked, validation=("gone.csv",)))
    assert not asked.output.exists()


def test_a_dry_run_judges_the_order_and_runs_nothing(
    workspace: Workspace, tmp_path: Path, data: Path
) -> None:
    size = workspace.log.head.size
    asked = replace(command(tmp_path, data), dry_run=True)
    produced = prepare(workspace, PrepareRequest(asked))
    assert produced.decision.index is None
    assert workspace.log.head.size == size
    assert not asked.output.exists()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"argv": ()}, UsageError),
        ({"inputs": {}}, UsageError),
        ({"inputs": {"data": Path("gone.csv")}}, SubjectError),
        ({"code": Path("no such folder")}, SubjectError),
        ({"parameters": {"a b": "1"}}, UsageError),
    ],
)
def test_a_request_that_makes_no_sense_is_a_typed_error(
    workspace: Workspace,
    tmp_path: Path,
    data: Path,
    changes: dict[str, object],
    error: type[TidegateError],
) -> None:
    asked = replace(command(tmp_path, data), **changes)  # type: ignore[arg-type]  # by name
    with pytest.raises(error) as raised:
        prepare(workspace, PrepareRequest(asked))
    assert raised.value.slug


@pytest.mark.parametrize(
    ("outputs", "named", "expected"),
    [
        (["train.csv", "valid.csv"], ((), ()), Split(("train.csv",), ("valid.csv",))),
        (["a/Train-1.csv", "a/held-out.parquet"], ((), ()),
         Split(("a/Train-1.csv",), ("a/held-out.parquet",))),
        (["train.csv", "test.txt"], ((), ()), Split(("train.csv",))),
        (["x.csv", "y.csv"], (("x.csv",), ("y.csv",)), Split(("x.csv",), ("y.csv",))),
        (["train.csv", "b.csv"], ((), ("train.csv",)), Split((), ("train.csv",))),
        ([], ((), ()), Split()),
    ],
)  # fmt: skip
def test_the_sides_of_a_split_are_told_by_name(
    outputs: list[str], named: tuple[tuple[str, ...], tuple[str, ...]], expected: Split
) -> None:
    assert split_of(outputs, *named) == expected


def test_a_file_can_not_be_on_both_sides() -> None:
    with pytest.raises(CheckError, match="both sides"):
        split_of(["a.csv"], ["a.csv"], ["a.csv"])
