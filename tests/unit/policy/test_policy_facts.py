"""Facts: typed, bounded, immutable, and honest about what is not known."""

import json

import pytest

from tidegate.core.canonical import dumps
from tidegate.core.errors import VerificationError
from tidegate.core.policy.facts import Fact, FactSet, FactType, FactValue, cel_text, printable
from tidegate.core.policy.result import FactState

VALUES: dict[str, FactValue] = {
    "a.bool": True,
    "a.int": -7,
    "a.double": 0.25,
    "a.text": 'quo"te\n',
    "a.texts": ("x", "y"),
    "a.empty": (),
}


def test_a_fact_set_round_trips_through_canonical_json() -> None:
    facts = FactSet(
        [
            *(Fact.of(name, value, source="log 3") for name, value in VALUES.items()),
            Fact.missing("b.gone", FactType.INT),
            Fact.unreadable("b.dark", FactType.BOOL, source="check pii"),
        ]
    )
    again = FactSet.from_json(json.loads(dumps(facts.to_json())))
    assert dict(again) == dict(facts)


def test_a_name_that_nobody_stated_is_missing() -> None:
    assert FactSet().state("train.outcome") is FactState.MISSING
    assert FactSet().value("train.outcome") is None


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**53, "x" * 1_025, ("x",) * 257, "\ud800"],
    ids=["nan", "infinite", "too big", "too long", "too many", "surrogate"],
)
def test_a_value_that_policy_cannot_weigh_is_unreadable_not_present(value: FactValue) -> None:
    fact = Fact.of("check.x.y", value, source="check x")
    assert fact.state is FactState.UNREADABLE
    assert fact.value is None


@pytest.mark.parametrize("name", ["train", "Train.x", "a..b", "a.b ", "a.1b", "a." + "b" * 130])
def test_a_name_that_rules_could_not_write_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Fact.of(name, value=True, source="test")


def test_a_value_without_presence_and_presence_without_value_are_refused() -> None:
    with pytest.raises(ValueError):
        Fact("a.b", 1, FactType.INT, FactState.MISSING, "x")
    with pytest.raises(ValueError):
        Fact("a.b", None, FactType.INT, FactState.PRESENT, "x")
    with pytest.raises(ValueError):
        Fact("a.b", value=True, type=FactType.INT, state=FactState.PRESENT, source="x")


def test_two_facts_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError):
        FactSet([Fact.of("a.b", 1, source="x"), Fact.of("a.b", 2, source="x")])


def test_a_fact_set_is_changed_by_making_another() -> None:
    facts = FactSet([Fact.of("a.b", 1, source="x")])
    other = facts.with_facts(Fact.of("a.b", 2, source="x"))
    assert (facts.value("a.b"), other.value("a.b")) == (1, 2)
    assert other.without("a.b").state("a.b") is FactState.MISSING


@pytest.mark.parametrize(
    "raw",
    [
        7,
        {},
        ["a"],
        [{"name": "a.b"}],
        [{"name": "a.b", "type": "int", "state": "present", "source": "x", "value": "1"}],
        [{"name": "a.b", "type": "int", "state": "sure", "source": "x", "value": 1}],
        [{"name": "a.b", "type": "double", "state": "present", "source": "x",
          "value": {"double": "nan"}}],
    ],
)  # fmt: skip
def test_json_that_is_no_fact_set_is_refused(raw: object) -> None:
    if raw == {}:
        assert len(FactSet.from_json(raw)) == 0
        return
    with pytest.raises(VerificationError):
        FactSet.from_json(raw)


def test_values_are_shown_in_cel_and_cannot_command_a_terminal() -> None:
    assert cel_text(("a", 'b"')) == '["a", "b\\""]'
    assert "\x1b" not in cel_text("\x1b[31m")
    assert printable("a\u202eb\x9b") == "a\\u202eb\\x9b"
