"""Predicates of other specifications: what we write they would read, and undecided is FAILED."""

from typing import Any

import pytest

from tidegate.core import canonical
from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.errors import VerificationError
from tidegate.core.stage import Outcome
from tidegate.interop.standard import (
    Resource,
    build_slsa_provenance,
    build_test_result,
    build_verification_summary,
    check_slsa_provenance,
    check_test_result,
    check_verification_summary,
)

DATA = Resource.of("data", sha256(b"data"), uri="file:data")
PROVENANCE = build_slsa_provenance(
    builder="urn:tidegate:builder:w1",
    external={"command": ["python", "train.py"], "seed": 7},
    materials=[DATA],
    invocation="run-1",
    started=Micros(0),
    finished=Micros(1_000_000),
    internal={"isolation": "bubblewrap"},
    byproducts=[Resource("log", {"sha256": "ab" * 32}, annotations={"lines": 3})],
)


def summary(outcome: Outcome) -> dict[str, Any]:
    return build_verification_summary(
        verifier="urn:tidegate:verifier",
        time=Micros(0),
        resource="pkg:generic/model",
        policy_uri="urn:tidegate:policy:default",
        policy=sha256(b"p"),
        outcome=outcome,
        levels=["SLSA_BUILD_LEVEL_2"],
        inputs=[("urn:x", sha256(b"i"))],
    )


def test_provenance_has_the_fields_of_slsa_v1() -> None:
    check_slsa_provenance(PROVENANCE)
    canonical.dumps(PROVENANCE)
    definition, run = PROVENANCE["buildDefinition"], PROVENANCE["runDetails"]
    assert definition["resolvedDependencies"] == [
        {"name": "data", "digest": {"sha256": sha256(b"data").hex}, "uri": "file:data"}
    ]
    assert run["metadata"]["finishedOn"] == "1970-01-01T00:00:01.000000Z"


@pytest.mark.parametrize(
    ("outcome", "result", "levels"),
    [
        (Outcome.ALLOW, "PASSED", ["SLSA_BUILD_LEVEL_2"]),
        (Outcome.DENY, "FAILED", ["FAILED"]),
        (Outcome.UNDECIDED, "FAILED", ["FAILED"]),
    ],
)
def test_a_summary_passes_on_allow_alone(outcome: Outcome, result: str, levels: list[str]) -> None:
    made = summary(outcome)
    check_verification_summary(made)
    assert (made["verificationResult"], made["verifiedLevels"]) == (result, levels)


@pytest.mark.parametrize(
    ("outcome", "warned", "failed", "result"),
    [
        (Outcome.ALLOW, [], [], "PASSED"),
        (Outcome.ALLOW, ["b"], [], "WARNED"),
        (Outcome.ALLOW, [], ["c"], "FAILED"),
        (Outcome.DENY, [], [], "FAILED"),
        (Outcome.UNDECIDED, [], [], "FAILED"),
    ],
)
def test_a_test_result_passes_on_allow_alone(
    outcome: Outcome, warned: list[str], failed: list[str], result: str
) -> None:
    made = build_test_result(
        outcome=outcome, configuration=[DATA], passed=["a"], warned=warned, failed=failed, url="x:y"
    )
    check_test_result(made)
    assert made["result"] == result


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (check_slsa_provenance, {}),
        (check_slsa_provenance, {**PROVENANCE, "runDetails": {"builder": {}}}),
        (check_slsa_provenance, {**PROVENANCE, "buildDefinition": {"buildType": "x"}}),
        (
            check_slsa_provenance,
            {
                **PROVENANCE,
                "runDetails": {"builder": {"id": "x"}, "metadata": {"startedOn": "yesterday"}},
            },
        ),
        (check_verification_summary, {}),
        (check_verification_summary, {**summary(Outcome.ALLOW), "verificationResult": "FAILED"}),
        (check_verification_summary, {**summary(Outcome.DENY), "verificationResult": "PASSED"}),
        (check_verification_summary, {**summary(Outcome.ALLOW), "verificationResult": "MAYBE"}),
        (check_verification_summary, {**summary(Outcome.ALLOW), "timeVerified": "2026-01-01"}),
        (check_test_result, {}),
        (check_test_result, {"result": "FINE", "configuration": []}),
        (check_test_result, {"result": "PASSED", "configuration": [], "failedTests": ["a"]}),
    ],
)
def test_a_summary_that_can_not_be_relied_on_is_refused(check: Any, value: Any) -> None:
    with pytest.raises(VerificationError):
        check(value)


def test_what_others_may_leave_out_is_not_asked_for() -> None:
    check_slsa_provenance(
        {
            "buildDefinition": {"buildType": "x", "externalParameters": {}},
            "runDetails": {"builder": {"id": "x"}},
        }
    )
    check_test_result({"result": "PASSED", "configuration": []})
