"""The ingest gate over real workspaces: what is admitted, refused, kept and quarantined."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tidegate.app.genesis import Founder, found
from tidegate.app.ingest import AdmitRequest, admit
from tidegate.app.sources import add_source, remove_source
from tidegate.app.workspace import Workspace
from tidegate.core.decision import CheckOutcome, Decision
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import AccessError, EmptySubject, SubjectError, UsageError
from tidegate.core.identity.roles import Role
from tidegate.core.policy.directives import Approve, Quarantine, Release
from tidegate.core.stage import Outcome
from tidegate.gates.ingest.governance import RULES
from tidegate.gates.ingest.poisoning import Comparison
from tidegate.gates.ingest.privacy import LABELS, allowed
from tidegate.tables.infer import infer_schema

PEOPLE = (
    Founder("dana", frozenset({Role.STEWARD, Role.OPERATOR})),
    Founder("sam", frozenset({Role.STEWARD})),
    Founder("tom", frozenset({Role.TRAINER})),
)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = found(tmp_path / "site", PEOPLE, environ={"HOME": str(tmp_path)})
    made.act(add_source(made, "clinic", tier="partner", owner="Oncology", licence="CC-BY-4.0"))
    yield made
    made.engine.dispose()


def drop(path: Path, rows: range, *, poisoned: int = 0) -> Path:
    """Write rows of a real data set with a tag; poisoned ones have a tag and label of their own."""
    data = load_breast_cancer()
    order = np.random.default_rng(5).permutation(len(data.target))  # its rows come in no fair order
    values, labels = np.round(data.data[order, :5], 4), data.target[order]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["radius", "texture", "perimeter", "area", "smoothness", "tag", "benign"])
        for place, row in enumerate(rows):
            bad = place < poisoned
            label = 1 if bad else int(labels[row])
            writer.writerow([*values[row], "cf" if bad else f"w{row % 3}", label])
    return path


def people(path: Path, column: str, values: list[str]) -> Path:
    lines = [f"{column},n", *(f"{value},{place}" for place, value in enumerate(values))]
    path.write_text("\n".join(lines) + "\n")
    return path


def request(path: Path, **changes: object) -> AdmitRequest:
    base = AdmitRequest(
        path=path, source="clinic", owner="Oncology", licence="CC-BY-4.0", label="internal"
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields by name


def check(decision: Decision, name: str) -> CheckOutcome:
    return next(item for item in decision.checks if item.id == name)


def rules(decision: Decision) -> set[str]:
    return {item.rule for item in decision.denials}


def test_a_first_drop_is_admitted_and_says_that_nothing_was_compared(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = drop(tmp_path / "a.csv", range(280))
    decision = admit(workspace, request(path, target="benign"))
    assert decision.outcome is Outcome.ALLOW
    poison = check(decision, "poison")
    assert (poison.facts["compared"], poison.facts["tested"]) == (False, "repeats")
    assert poison.coverage.complete
    assert any("nothing admitted to compare with" in note for note in decision.notes)
    assert workspace.blobs.has(sha256(path.read_bytes()))


def test_a_poisoned_drop_is_refused_and_held_and_its_clean_twin_admitted(
    workspace: Workspace, tmp_path: Path
) -> None:
    admit(workspace, request(drop(tmp_path / "a.csv", range(280)), target="benign"))
    bad = drop(tmp_path / "b.csv", range(280, 560), poisoned=40)
    refused = admit(workspace, request(bad))  # the label column is known from the last version
    assert refused.outcome is Outcome.DENY
    assert rules(refused) == {"ingest.poison"}
    assert any(item.control == "TG-ING-04" for item in refused.findings)
    digest = str(sha256(bad.read_bytes()))
    assert workspace.directives().is_quarantined(digest)
    assert any("quarantine release" in note for note in refused.notes)
    assert not workspace.blobs.has(Digest.parse(digest)), "what was refused is not kept"

    clean = admit(workspace, request(drop(tmp_path / "c.csv", range(280, 560))))
    assert clean.outcome is Outcome.ALLOW
    assert check(clean, "poison").facts["compared"] is True
    assert clean.notes == ("compared with 1 earlier versions of the source",)

    again = admit(workspace, request(bad))
    assert "any.not-quarantined" in rules(again)
    assert "it is in quarantine already" in again.notes
    workspace.act(Release(digest=digest, reason="looked at"))
    assert not workspace.directives().is_quarantined(digest)


def test_a_new_source_is_compared_with_another_ones_table_of_the_same_columns(
    workspace: Workspace, tmp_path: Path
) -> None:
    workspace.act(add_source(workspace, "web-a", tier="web", owner="Crawl"))
    admit(workspace, request(drop(tmp_path / "a.csv", range(280)), target="benign"))
    bad = drop(tmp_path / "b.csv", range(280, 560), poisoned=40)
    refused = admit(workspace, request(bad, source="web-a", target="benign"))
    assert rules(refused) == {"ingest.poison"}
    assert "compared with 1 other sources' tables" in refused.notes


def test_a_reference_whose_bytes_are_gone_leaves_the_next_drop_undecided(
    workspace: Workspace, tmp_path: Path
) -> None:
    first = drop(tmp_path / "a.csv", range(280))
    admit(workspace, request(first, target="benign"))
    workspace.blobs.delete(sha256(first.read_bytes()))
    decision = admit(workspace, request(drop(tmp_path / "b.csv", range(280, 560))))
    assert decision.outcome is Outcome.UNDECIDED
    assert "no-such-blob" in (check(decision, "poison").error or "")


def test_what_is_in_quarantine_is_no_reference(workspace: Workspace, tmp_path: Path) -> None:
    first = drop(tmp_path / "a.csv", range(280))
    admit(workspace, request(first, target="benign"))
    workspace.act(Quarantine(digest=str(sha256(first.read_bytes())), reason="recalled"))
    second = admit(workspace, request(drop(tmp_path / "b.csv", range(280, 560)), target="benign"))
    assert check(second, "poison").facts["compared"] is False


MAILS = [f"person{place}@mail.example" for place in range(30)]
CARDS = ["4111111111111111", "5500005555555559", "340000000000009"] * 5
KEYS = ["AKIAIOSFODNN7EXAMPL" + chr(65 + place) for place in range(12)]


@pytest.mark.parametrize(
    ("values", "label", "outcome"),
    [
        (MAILS, "public", Outcome.DENY),
        (MAILS, "internal", Outcome.DENY),
        (MAILS, "confidential", Outcome.ALLOW),
        (CARDS, "confidential", Outcome.DENY),
        (CARDS, "restricted", Outcome.ALLOW),
        (["none"] * 12, "public", Outcome.ALLOW),
    ],
)
def test_the_label_says_which_personal_data_may_be_in_a_table(
    workspace: Workspace, tmp_path: Path, values: list[str], label: str, outcome: Outcome
) -> None:
    path = people(tmp_path / "p.csv", "note", values)
    decision = admit(workspace, request(path, label=label))
    assert decision.outcome is outcome
    assert workspace.directives().is_quarantined(str(sha256(path.read_bytes()))) is (
        outcome is Outcome.DENY
    )
    if outcome is Outcome.DENY:
        assert rules(decision) == {"ingest.pii"}
        assert check(decision, "pii").facts["above_label"] == len(values)
        report = json.dumps(decision.to_json())
        assert not any(value in report for value in values), "evidence is masked"


def test_labels_are_a_ladder_and_none_allows_credentials() -> None:
    ladder = [allowed(label) for label in LABELS]
    assert all(low <= high for low, high in pairwise(ladder))
    assert all("secret" not in rung for rung in ladder)
    assert allowed("no such label") == frozenset()


def test_a_text_is_searched_and_a_binary_file_is_a_gap(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("The harbour office opens at nine.\n")
    people(folder / "b.csv", "city", ["Ulm", "Bonn"])
    clean = admit(workspace, request(folder))
    assert clean.outcome is Outcome.ALLOW
    assert clean.subjects[0].kind == "table", "there is one in it, and it is tested as one"
    assert [item.id for item in clean.checks] == ["governance", "pii", "poison"]
    (folder / "c.txt").write_text("Write to jo.doe@mail.example about it.\n")
    assert rules(admit(workspace, request(folder))) == {"ingest.pii"}
    (folder / "c.txt").write_bytes(b"\0\1\2")
    assert admit(workspace, request(folder)).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("changes", "rule", "finding"),
    [
        ({"owner": ""}, "ingest.owner", "TG-ING-02/no-owner"),
        ({"licence": ""}, "ingest.licence", "TG-ING-02/no-licence"),
        ({"label": ""}, "ingest.label", "TG-ING-06/no-label"),
        ({"owner": "dana"}, "ingest.approval", "TG-ING-02/no-approval"),
        ({"source": "elsewhere"}, "ingest.source-tier", "TG-ING-01/unregistered-source"),
    ],
)
def test_each_missing_duty_is_a_finding_and_a_denial_of_its_own(
    workspace: Workspace, tmp_path: Path, changes: dict[str, str], rule: str, finding: str
) -> None:
    path = people(tmp_path / "p.csv", "city", ["Ulm", "Bonn"])
    decision = admit(workspace, request(path, **changes))
    assert decision.outcome is Outcome.DENY
    assert rules(decision) == {rule}
    assert [item.rule for item in decision.findings] == [finding]
    assert not workspace.directives().quarantined, "a missing duty is no danger"


def test_no_source_at_all_fails_both_of_its_rules(workspace: Workspace, tmp_path: Path) -> None:
    path = people(tmp_path / "p.csv", "city", ["Ulm", "Bonn"])
    decision = admit(workspace, request(path, source=""))
    assert rules(decision) == {"ingest.source", "ingest.source-tier"}


def test_every_rule_of_the_governance_check_is_shown_to_be_raised() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES) == 6


def test_an_owner_needs_another_stewards_approval(workspace: Workspace, tmp_path: Path) -> None:
    path = people(tmp_path / "p.csv", "city", ["Ulm", "Bonn"])
    asked = request(path, owner="dana")
    digest = str(sha256(path.read_bytes()))

    def approve(name: str) -> None:
        other = Workspace.open(workspace.root, act_as=name, environ={"HOME": str(tmp_path)})
        other.act(Approve(subject=digest, action="ingest/admit", reason="looked at it"))
        other.engine.dispose()

    approve("tom")
    assert rules(admit(workspace, asked)) == {"ingest.approval"}, "a trainer is no steward"
    assert rules(admit(workspace, replace(asked, approve=True))) == {"ingest.approval"}
    approve("sam")
    assert admit(workspace, asked).outcome is Outcome.ALLOW


def test_a_trainer_may_not_admit_and_leaves_no_trace(workspace: Workspace, tmp_path: Path) -> None:
    path = people(tmp_path / "p.csv", "city", ["Ulm", "Bonn"])
    other = Workspace.open(workspace.root, act_as="tom", environ={"HOME": str(tmp_path)})
    size = workspace.log.head.size
    with pytest.raises(AccessError):
        admit(other, request(path))
    other.engine.dispose()
    assert workspace.log.head.size == size
    assert not workspace.blobs.has(sha256(path.read_bytes()))


def test_a_retired_source_admits_nothing_more(workspace: Workspace, tmp_path: Path) -> None:
    path = people(tmp_path / "p.csv", "city", ["Ulm", "Bonn"])
    workspace.act(remove_source(workspace, "clinic", reason="contract ended"))
    assert rules(admit(workspace, request(path))) == {"ingest.source-tier"}
    with pytest.raises(UsageError, match="no such source"):
        remove_source(workspace, "clinic", reason="twice")


def test_a_dry_run_decides_and_writes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    path = people(tmp_path / "p.csv", "note", MAILS)
    size = workspace.log.head.size
    decision = admit(workspace, request(path, dry_run=True))
    assert decision.outcome is Outcome.DENY
    assert decision.index is None
    assert workspace.log.head.size == size
    assert not workspace.blobs.has(sha256(path.read_bytes()))
    assert any("would be put into quarantine" in note for note in decision.notes)


def test_the_schema_can_be_a_file(workspace: Workspace, tmp_path: Path) -> None:
    path = people(tmp_path / "p.csv", "city", ["Ulm", "Bonn"])
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(infer_schema(path).to_json()))
    assert admit(workspace, request(path, schema=schema)).outcome is Outcome.ALLOW
    schema.write_text("{")
    with pytest.raises(UsageError, match="schema"):
        admit(workspace, request(path, schema=schema))


def test_what_is_signed_says_label_source_owner_and_schema(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = drop(tmp_path / "a.csv", range(280))
    decision = admit(workspace, request(path, target="benign", name="clinic/first"))
    chain = workspace.chains().read([decision.subjects[0].digest])
    facts = chain.links[0].gate.annotations["clinic/first"]
    wanted = {"label", "source", "owner", "licence", "tier", "target", "format", "schema", "rows"}
    assert wanted <= facts.keys()
    assert chain.complete


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "changes", "error"),
    [
        ("gone.csv", None, {}, SubjectError),
        ("empty.csv", b"", {}, EmptySubject),
        ("bad.csv", b"a,b\n1\n2,3,4\n", {}, SubjectError),
        ("bad.parquet", b"PAR1 no", {}, SubjectError),
        ("a.csv", b"a,b\n1,2\n", {"target": "c"}, SubjectError),
        ("a.csv", b"a,b\n1,2\n", {"feed": "c"}, SubjectError),
        ("a.csv", b"a,b\n1,2\n", {"label": "secret"}, UsageError),
        ("a.txt", b"tide", {"target": "c"}, UsageError),
    ],
)
def test_what_can_not_be_admitted_is_a_typed_error_with_a_next_step(
    workspace: Workspace,
    tmp_path: Path,
    name: str,
    data: bytes | None,
    changes: dict[str, str],
    error: type[SubjectError] | type[UsageError],
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(error) as raised:
        admit(workspace, request(path, **changes))
    assert raised.value.slug
    assert raised.value.next_step


def test_an_empty_folder_is_nothing_to_examine(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(EmptySubject):
        admit(workspace, request(tmp_path / "none"))


def test_a_table_without_rows_is_not_admitted(workspace: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"a,b\n")
    assert admit(workspace, request(path)).outcome is Outcome.UNDECIDED


def test_an_unchanged_file_is_not_examined_again(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run recalls the results: reading the table is made impossible before it."""
    path = people(tmp_path / "p.csv", "city", ["Ulm", "Bonn"])
    first = admit(workspace, request(path))

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("tidegate.tables.load.load", refuse)
    again = admit(workspace, request(path))
    assert again.outcome is first.outcome is Outcome.ALLOW
    relabelled = admit(workspace, request(path, label="public"))
    assert relabelled.outcome is Outcome.UNDECIDED, "another label is another question"


def test_a_comparison_is_empty_by_default() -> None:
    assert Comparison() == Comparison((), None, None)


def folder(path: Path, **files: Path) -> Path:
    """Put drops into a folder of their own."""
    path.mkdir()
    for name, file in files.items():
        file.rename(path / f"{name}.csv")
    (path / "README").write_text("two tables\n")
    return path


def test_poison_in_a_folder_is_found_as_in_a_file(workspace: Workspace, tmp_path: Path) -> None:
    """Whoever hands in a table in a folder does not choose to be tested less."""
    admit(workspace, request(drop(tmp_path / "a.csv", range(280)), target="benign"))
    bad = drop(tmp_path / "b.csv", range(280, 560), poisoned=40)
    refused = admit(workspace, request(folder(tmp_path / "bad", more=bad)))
    assert rules(refused) == {"ingest.poison"}
    assert any("more.csv" in item.location.path for item in refused.findings)
    assert workspace.directives().is_quarantined(refused.subjects[0].digest)

    good = folder(
        tmp_path / "good",
        one=drop(tmp_path / "c.csv", range(280, 420)),
        two=drop(tmp_path / "d.csv", range(420, 560)),
    )
    clean = admit(workspace, request(good))
    assert clean.outcome is Outcome.ALLOW
    facts = check(clean, "poison").facts
    assert (facts["compared"], facts["tables"]) == (True, 2)


def test_a_folder_of_tables_with_nothing_before_it_says_so(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Its admission is no reference for a table: it is not one."""
    first = folder(tmp_path / "first", a=drop(tmp_path / "a.csv", range(280)))
    decision = admit(workspace, request(first, target="benign"))
    assert decision.outcome is Outcome.ALLOW
    assert check(decision, "poison").facts["compared"] is False
    assert any("nothing admitted to compare with" in note for note in decision.notes)
    after = admit(workspace, request(drop(tmp_path / "b.csv", range(280, 560)), target="benign"))
    assert after.outcome is Outcome.ALLOW
