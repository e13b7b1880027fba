"""Scores, differences, merging, assessments, and the rules of SPDX 2.3."""

import json
from dataclasses import replace

import pytest
from tests.boms import FULL, TIME
from tests.unit.bom.test_foreign import SPDX_23

from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.errors import SubjectError
from tidegate.interop.bom import (
    FIELDS,
    Assessment,
    Bom,
    CodePart,
    Justification,
    Metric,
    ModelPart,
    Package,
    State,
    diff,
    merge,
    merge_assessments,
    score,
    validate_bom,
    write_bom,
)

MODEL = ModelPart("m", "1", (sha256(b"m"),))
BARE = Bom(MODEL, TIME)
CREDIT = FULL.model or MODEL
CODE = FULL.code or CodePart()


def test_the_weights_are_a_hundred_points_and_each_has_a_reason() -> None:
    assert sum(field.weight for field in FIELDS) == 100
    assert all(field.why for field in FIELDS)


def test_a_score_says_what_is_missing() -> None:
    assert (score(FULL).total, score(FULL).missing) == ("0.98", ("metric intervals",))
    bare = score(BARE)
    assert bare.total == "0.18"
    assert {"datasets", "code commit", "packages", "metrics"} <= set(bare.missing)
    assert "code commit" not in bare.lacking
    assert score(Bom(None, None)).total == "0.00"


def test_what_is_there_in_part_counts_in_part() -> None:
    known = replace(CREDIT, metrics=(Metric("a", "1", "0", "2"), Metric("b", "1", "0", "2")))
    full = score(replace(FULL, model=known))
    (half,) = [f for f in score(FULL).fields if f.name == "metric intervals"]
    assert (full.total, half.share) == ("1.00", "0.50")


def test_almost_all_never_reads_as_all() -> None:
    parts = tuple(Package("p", str(number)) for number in range(1, 2_000))
    found = score(replace(BARE, packages=(*parts, Package("q", ""))))
    (share,) = [field.share for field in found.fields if field.name == "package versions"]
    assert share == "0.99"


def changes(before: Bom, after: Bom) -> list[tuple[str, str]]:
    return [(change.what, change.part) for change in diff(before, after)]


def test_a_difference_names_parts_and_fields() -> None:
    numpy = replace(FULL.packages[0], version="2.5", purl="pkg:pypi/numpy@2.5")
    files = {"a/model.joblib": sha256(b"other"), "new": sha256(b"n")}
    after = replace(
        FULL, packages=(numpy,), data=(), model=replace(CREDIT, owner="Ops", files=files)
    )
    assert changes(FULL, after) == [
        ("removed", "data training:loans"),
        ("changed", "file a/model.joblib"),
        ("added", "file new"),
        ("changed", "model"),
        ("changed", "package pkg:pypi/numpy"),
        ("removed", "package pkg:pypi/oldlib"),
    ]
    (model,) = [change for change in diff(FULL, after) if change.part == "model"]
    assert model.fields == {"owner": ("Risk", "Ops")}


def test_time_and_tool_make_no_difference() -> None:
    assert diff(FULL, replace(FULL, made_at=Micros(5), tool="9")) == ()


def test_versions_side_by_side_are_not_paired() -> None:
    one = Bom(None, None, packages=(Package("a", "1"), Package("a", "2")))
    two = Bom(None, None, packages=(Package("a", "2"), Package("a", "3"), Package("a", "4")))
    assert changes(one, two) == [
        ("removed", "package library:a"), ("added", "package library:a"),
        ("added", "package library:a"),
    ]  # fmt: skip


def test_a_scope_is_no_version() -> None:
    one = Bom(None, None, packages=(Package("x", "1", purl="pkg:npm/%40s/x@1"),))
    two = Bom(None, None, packages=(Package("x", "2", purl="pkg:npm/%40s/x@2"),))
    bare = Bom(None, None, packages=(Package("x", "", purl="pkg:npm/@s/x"),))
    assert changes(one, two) == [("changed", "package pkg:npm/%40s/x")]
    assert changes(bare, one) == [
        ("added", "package pkg:npm/%40s/x"), ("removed", "package pkg:npm/@s/x"),
    ]  # fmt: skip


def test_merging_fills_gaps_of_one_model() -> None:
    other = Bom(replace(MODEL, owner="Lab"), None, packages=FULL.packages)
    merged = merge([BARE, other], TIME)
    assert merged.model
    assert (merged.model.owner, len(merged.packages)) == ("Lab", 2)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (replace(BARE, model=replace(MODEL, hashes=(sha256(b"x"),))), "different models"),
        (replace(BARE, model=replace(MODEL, name="x", hashes=())), "different models"),
        (replace(FULL, code=replace(CODE, commit="0" * 40)), "different code"),
        (
            replace(FULL, model=replace(CREDIT, files={"a/model.joblib": sha256(b"x")})),
            "two digests",
        ),
    ],
)
def test_what_contradicts_is_not_merged(other: Bom, says: str) -> None:
    mine = FULL if other.code else BARE
    with pytest.raises(SubjectError, match=says):
        merge([mine, other], TIME)
    with pytest.raises(SubjectError, match="nothing to merge"):
        merge([], TIME)


def said(state: State, at: int | None, *refs: str) -> Assessment:
    time = None if at is None else Micros(at)
    return Assessment("CVE-1", state, refs, Justification.CODE_NOT_PRESENT, at=time)


def test_the_newest_word_counts_and_of_two_the_worse() -> None:
    cases = [
        ([said(State.EXPLOITABLE, 1, "a"), said(State.NOT_AFFECTED, 2, "a")], State.NOT_AFFECTED),
        ([said(State.EXPLOITABLE, 2, "a"), said(State.NOT_AFFECTED, 2, "a")], State.EXPLOITABLE),
        ([said(State.IN_TRIAGE, None, "a"), said(State.RESOLVED, 0, "a")], State.RESOLVED),
        ([said(State.IN_TRIAGE, None, "a"), said(State.RESOLVED, None, "a")], State.IN_TRIAGE),
    ]
    for items, state in cases:
        for order in (items, items[::-1]):
            (merged,) = merge_assessments(order)
            assert merged.state is state


def test_parts_are_judged_one_by_one() -> None:
    merged = merge_assessments(
        [said(State.IN_TRIAGE, 1, "a", "b"), said(State.EXPLOITABLE, 2, "b")]
    )
    assert [(item.state, item.affects) for item in merged] == [
        (State.IN_TRIAGE, ("a",)), (State.EXPLOITABLE, ("b",)),
    ]  # fmt: skip


def test_not_affected_wants_a_reason() -> None:
    with pytest.raises(SubjectError, match="without a reason") as caught:
        Assessment("CVE-1", State.NOT_AFFECTED)
    assert caught.value.code == "TG-SUB/vex-reason"
    assert Assessment("CVE-1", State.NOT_AFFECTED, detail="we do not ship it").detail


def broken(**changed: Json) -> bytes:
    return json.dumps({**SPDX_23, **changed}).encode()


SPDX2_DAMAGE: dict[str, tuple[dict[str, Json], str]] = {
    "another licence of the data": ({"dataLicense": "MIT"}, "dataLicense"),
    "no namespace": ({"documentNamespace": "shop"}, "documentNamespace"),
    "no creators": ({"creationInfo": {"created": "2026-01-31T12:00:00Z"}}, "creationInfo.creators"),
    "a time of a place": ({"creationInfo": {"created": "2026-01-31T12:00:00+01:00",
                           "creators": ["Tool: x"]}}, "creationInfo.created"),
    "a package without a place": ({"packages": [{"SPDXID": "SPDXRef-a", "name": "x"}]},
                                  "packages.0.downloadLocation"),
    "a name that is none": ({"documentDescribes": ["SPDXRef-z"]}, "documentDescribes"),
    "packages that are no list": ({"packages": {}}, "packages"),
    "a file without a hash": ({"files": [{"SPDXID": "SPDXRef-c", "fileName": "a"}]}, "files.0"),
}  # fmt: skip


def test_the_rules_of_spdx_2() -> None:
    assert validate_bom(broken()).problems == ()


@pytest.mark.parametrize("name", SPDX2_DAMAGE)
def test_what_breaks_the_rules_of_spdx_2(name: str) -> None:
    changed, where = SPDX2_DAMAGE[name]
    found = validate_bom(broken(**changed))
    assert not found.valid
    assert where in {problem.where for problem in found.problems}


def test_what_is_unwise_is_said_and_does_not_count() -> None:
    document = json.loads(write_bom(FULL))
    document["dependencies"].append({"ref": "nobody"})
    document["vulnerabilities"][0]["analysis"] = {"state": "not_affected"}
    document["components"][0]["bom-ref"] = document["components"][1]["bom-ref"]
    found = validate_bom(json.dumps(document).encode())
    assert found.valid
    assert len(found.problems) == 5, found.problems


def test_a_list_that_is_too_long_is_refused() -> None:
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{}] * 50_001}
    with pytest.raises(SubjectError, match="too big"):
        validate_bom(json.dumps(document).encode())
