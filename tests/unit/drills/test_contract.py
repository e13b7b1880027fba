"""What counts as a drill that holds, and what does not."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tidegate.cli.drill import exit_code
from tidegate.core.canonical import dumps, loads
from tidegate.core.errors import CheckError
from tidegate.core.stage import Stage
from tidegate.drills.exercise import exercise, not_run
from tidegate.gates.drill import Arm, Drill, End, Exercise

CONTROL = "TG-REG-03"
HELD = Arm(End.STOPPED, "refused", frozenset({CONTROL}))
SEEN = Arm(End.DETECTED, "noticed", frozenset({CONTROL, "TG-PLT-01"}))
OTHER = Arm(End.STOPPED, "refused", frozenset({"TG-ING-02"}))
WORKED = Arm(End.SUCCEEDED, "it works")
PASSED = Arm(End.PASSED, "through")


@dataclass(frozen=True)
class Scripted:
    """An attack whose ends are given; the gate does not matter."""

    off: Arm
    on: Arm

    def __call__(self, folder: Path, *, gate_on: bool) -> Arm:
        assert list(folder.iterdir()) == [], "each arm has an empty folder of its own"
        (folder / "trace").touch()
        return self.on if gate_on else self.off


def drill(off: Arm = WORKED, on: Arm = HELD, benign: Arm = PASSED) -> Drill:
    return Drill(
        "DR-TST-01", Stage.REGISTRY, CONTROL, "a test", Scripted(off, on), lambda _: benign
    )


@dataclass(frozen=True)
class Case:
    name: str
    drill: Drill
    ok: bool
    treatment: End = End.STOPPED
    code: int = 1


CASES = [
    Case("stopped", drill(), ok=True, code=0),
    Case("detected", drill(on=SEEN), ok=True, treatment=End.DETECTED, code=0),
    Case("the attack does not work without the gate", drill(Arm(End.FAILED, "no")), ok=False),
    Case("missed", drill(on=Arm(End.MISSED, "!")), ok=False, treatment=End.MISSED),
    Case("stopped by another control alone", drill(on=OTHER), ok=False, treatment=End.MISSED),
    Case("the twin is blocked", drill(benign=Arm(End.BLOCKED, "too strict")), ok=False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_drill_holds_only_if_all_three_arms_come_out(case: Case, tmp_path: Path) -> None:
    done = exercise(case.drill, tmp_path)
    assert done.ok is case.ok
    assert done.ran
    assert done.treatment.end is case.treatment
    assert exit_code([done]) == case.code


def test_an_arm_that_raises_is_not_run_and_never_held(tmp_path: Path) -> None:
    def unable(folder: Path, *, gate_on: bool) -> Arm:
        if gate_on:
            raise CheckError("no confinement here", slug="isolation-unavailable")
        return WORKED

    broken = Drill("DR-TST-02", Stage.TRAIN, CONTROL, "t", unable, lambda _: PASSED)
    done = exercise(broken, tmp_path)
    assert (done.ok, done.ran, done.treatment.end) == (False, False, End.NOT_RUN)
    assert "isolation-unavailable" in done.treatment.detail
    assert exit_code([done]) == 4


def test_a_drill_that_fails_outweighs_one_that_could_not_run() -> None:
    failed = Exercise(drill().to_json(), Arm(End.FAILED, ""), HELD, PASSED, 1)
    assert exit_code([not_run(drill(), "no reason"), failed]) == 1


def test_the_printed_object_has_the_documented_keys(tmp_path: Path) -> None:
    printed = exercise(drill(), tmp_path).to_json()
    keys = "id stage control control_arm treatment benign ok seconds detail"
    assert list(printed) == keys.split()
    assert printed["control_arm"] == "succeeded"
    assert printed["treatment"] == "stopped"
    assert printed["benign"] == "passed"


def test_the_signed_form_is_canonical_and_reads_back(tmp_path: Path) -> None:
    done = exercise(drill(on=SEEN), tmp_path)
    signed = loads(dumps(done.to_predicate()), what="a result")
    assert Arm.from_json(signed["treatment"]) == done.treatment
    assert signed["drill"] == done.drill
