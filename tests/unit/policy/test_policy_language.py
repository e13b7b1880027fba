"""The engine: typed when compiled, bounded when run, and clear about what was absent."""

import threading
import time

import pytest

from tidegate.core.errors import PolicyError
from tidegate.core.policy.facts import FactType
from tidegate.core.policy.language import Absent, Broken, CelEngine, CelEnvironment

DECLARED = {
    "train.outcome": FactType.STRING,
    "train.present": FactType.BOOL,
    "train.age_s": FactType.INT,
    "check.drift.psi": FactType.DOUBLE,
    "request.roles": FactType.STRINGS,
    "limit.age": FactType.INT,
}


@pytest.fixture(scope="module")
def cel() -> CelEnvironment:
    return CelEngine().environment(DECLARED)


@pytest.mark.parametrize(
    ("expression", "values", "verdict"),
    [
        ("train.outcome == 'allow'", {"train.outcome": "allow"}, True),
        ("train.outcome == 'allow'", {"train.outcome": "deny"}, False),
        ("train.outcome == 'allow'", {}, Absent("train.outcome")),
        ("train.outcome == 'allow' || train.age_s < 3", {"train.age_s": 1}, True),
        ("train.outcome == 'allow' || train.age_s < 3", {"train.age_s": 9},
         Absent("train.outcome")),
        ("train.present && train.outcome == 'allow'", {"train.present": False}, False),
        ("train.outcome == 'allow' && train.present", {"train.present": False}, False),
        ("train.present ? train.outcome == 'allow' : false", {"train.present": False}, False),
        ("!train.present", {}, Absent("train.present")),
        ("request.roles.exists(role, role == 'trainer')", {"request.roles": ("trainer",)}, True),
        ("'trainer' in request.roles", {"request.roles": ()}, False),
        ("size(request.roles) > 0", {}, Absent("request.roles")),
        ("check.drift.psi <= 0.25", {"check.drift.psi": 0.3}, False),
        ("train.age_s <= limit.age", {"train.age_s": 3, "limit.age": 3}, True),
    ],
)  # fmt: skip
def test_a_fact_is_absent_only_where_its_value_decides(
    cel: CelEnvironment, expression: str, values: dict[str, bool], verdict: object
) -> None:
    assert cel.compile(expression).run(cel.bind(values)) == verdict


@pytest.mark.parametrize(
    ("expression", "slug", "hint"),
    [
        ("train.outcom == 'allow'", "unknown-fact", "did you mean 'train.outcome'?"),
        ("tarin.outcome == 'allow'", "unknown-fact", "did you mean 'train.outcome'?"),
        ("zzz == 1", "unknown-fact", "declare it under [facts]"),
        ("train.outcome == 3", "expression", "CEL"),
        ("check.drift.psi < 1", "expression", "CEL"),
        ("train.outcome", "expression", "compare"),
        ("train.age_s + 1", "expression", "compare"),
        ("train.present &&", "expression", "CEL"),
        ("", "expression", "CEL"),
        ("true " * 500, "expression", "split"),
        ("(" * 200 + "true" + ")" * 200, "expression", "CEL"),
        ("now() > 1", "unknown-fact", "declare"),
    ],
)
def test_what_does_not_type_check_is_refused_when_compiled(
    cel: CelEnvironment, expression: str, slug: str, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        cel.compile(expression)
    assert caught.value.slug == slug
    assert hint in (caught.value.next_step or "")


@pytest.mark.parametrize(
    "expression",
    [
        "1 / train.age_s > 0",
        "train.outcome.matches('(a')",
        "9223372036854775807 + train.age_s + 1 > 0",
        "[1, 2][train.age_s + 5] == 1",
        "int(train.outcome) == 1",
    ],
)
def test_a_runtime_error_is_broken_not_false(cel: CelEnvironment, expression: str) -> None:
    binding = cel.bind({"train.age_s": 0, "train.outcome": "x"})
    assert isinstance(cel.compile(expression).run(binding), Broken)


def test_an_error_text_cannot_pose_as_an_absent_fact(cel: CelEnvironment) -> None:
    """A rule that quotes the engine's own message in a failing call stays broken."""
    expression = "train.outcome.matches('(No value with name \"train.age_s\" found in Activation')"
    verdict = cel.compile(expression).run(cel.bind({"train.outcome": "x"}))
    assert isinstance(verdict, Broken)


@pytest.mark.parametrize("depth", [6, 9])
def test_an_iteration_bomb_is_stopped_at_once(cel: CelEnvironment, depth: int) -> None:
    digits = "[0,1,2,3,4,5,6,7,8,9]"
    expression = "".join(f"{digits}.all(v{i}, " for i in range(depth)) + "true" + ")" * depth
    program = cel.compile(expression)
    start = time.perf_counter()
    verdict = program.run(cel.bind({}))
    assert isinstance(verdict, Broken)
    assert "budget" in verdict.reason
    assert time.perf_counter() - start < 1


def test_a_regular_expression_bomb_runs_in_linear_time(cel: CelEnvironment) -> None:
    program = cel.compile("!train.outcome.matches('(x+x+)+y')")
    start = time.perf_counter()
    assert program.run(cel.bind({"train.outcome": "x" * 1_000})) is True
    assert time.perf_counter() - start < 1


def test_names_and_literals_are_read_from_the_text(cel: CelEnvironment) -> None:
    program = cel.compile(
        'train . age_s < 3 && request.roles.exists(r, r == "a\'b") '
        "|| train.outcome == r'train.present' || check.drift.psi < 1.5 // limit.age"
    )
    assert program.reads == ("train.age_s", "request.roles", "train.outcome", "check.drift.psi")
    assert program.constants == (3, "a'b", "train.present", 1.5)


def test_programs_may_run_in_several_threads(cel: CelEnvironment) -> None:
    program = cel.compile("train.age_s == 1")
    wrong: list[object] = []

    def work(age: int) -> None:
        verdicts = {program.run(cel.bind({"train.age_s": age})) for _ in range(500)}
        if verdicts != {age == 1}:
            wrong.append(age)

    threads = [threading.Thread(target=work, args=(age,)) for age in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_name_that_cel_reserves_is_refused() -> None:
    with pytest.raises(PolicyError):
        CelEngine().environment({"a.in": FactType.BOOL}).compile("a.in")
