"""The gate predicate: complete, strict, honest about contradictions, and as its schema says."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tidegate.core.attest.directive import Directive
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import DIRECTIVE, GATE, TRUST
from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.errors import VerificationError
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.stage import Outcome
from tidegate.interop.predicates import CHECKS, check_predicate

SUBJECTS = (Subject.of("model", sha256(b"model")),)


def schema(name: str) -> dict[str, Any]:
    folder = files("tidegate.core.attest") / "schemas"
    loaded: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(loaded)
    return loaded


def test_a_gate_predicate_reads_what_it_wrote(predicate: GatePredicate) -> None:
    statement = Statement.parse(predicate.statement(SUBJECTS).to_bytes())
    assert GatePredicate.of(statement) == predicate
    assert check_predicate(statement)


def test_a_gate_predicate_is_as_its_schema_says(predicate: GatePredicate) -> None:
    jsonschema.validate(predicate.to_json(), schema("gate-v1.json"))


def test_fields_of_a_later_version_are_kept(predicate: GatePredicate) -> None:
    value = {**predicate.to_json(), "later": {"deep": [1]}}
    read = GatePredicate.from_json(value)
    assert read.extra == {"later": {"deep": [1]}}
    assert read.to_json() == value


@pytest.mark.parametrize("kind", [GATE.replace(":v1", ":v2"), DIRECTIVE, "https://x.org/v1"])
def test_another_type_or_version_is_never_read_as_a_gate(
    predicate: GatePredicate, kind: str
) -> None:
    statement = replace(predicate.statement(SUBJECTS), predicate_type=kind)
    with pytest.raises(VerificationError) as caught:
        GatePredicate.of(statement)
    assert caught.value.slug == "predicate-type"


@pytest.mark.parametrize("outcome", ["deny", "undecided"])
def test_a_verdict_that_contradicts_an_enforced_rule_is_refused(
    predicate: GatePredicate, outcome: str
) -> None:
    rule = {**predicate.rules[0], "outcome": outcome}
    with pytest.raises(VerificationError) as caught:
        replace(predicate, rules=(rule,))
    assert caught.value.slug == "contradiction"
    with pytest.raises(VerificationError):
        GatePredicate.from_json({**predicate.to_json(), "rules": [rule]})
    for mode in ("shadow", "warn"):
        replace(predicate, rules=({**rule, "mode": mode},))
    replace(predicate, rules=(rule,), outcome=Outcome(outcome))


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: {key: item for key, item in value.items() if key != name}


def _with(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: {**value, **changes}


REQUIRED = [
    "gate", "outcome", "actor", "tool", "time", "environment", "policy", "rules", "checks",
    "coverage", "materials", "evidence", "assurance", "parameters", "annotations", "byproducts",
    "drill",
]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        *map(_without, REQUIRED),
        _with(outcome="maybe"),
        _with(gate={"stage": "dream", "action": "x"}),
        _with(actor={"principal": "a", "roles": ["king"], "keyId": "x"}),
        _with(time="2026-01-01"),
        _with(policy={"name": "a", "version": "1", "digest": "md5:x", "mode": "enforce"}),
        _with(rules=[{"rule": "a", "outcome": "fine", "mode": "enforce"}]),
        _with(rules=[{"rule": "a", "outcome": "allow"}]),
        _with(rules=["a"]),
        _with(checks=[{"id": "a", "outcome": "allow"}]),
        _with(coverage={"planned": 1, "examined": -1, "skipped": [], "failed": []}),
        _with(coverage={}),
        _with(materials=[{"name": "a"}]),
        _with(evidence=[{"stage": "ingest", "index": -1, "envelope": "sha256:" + "0" * 64}]),
        _with(annotations={"model": 3}),
        _with(drill="no"),
    ],
)
def test_a_damaged_gate_predicate_is_refused_by_code_and_by_schema(
    predicate: GatePredicate, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    value = change(predicate.to_json())
    with pytest.raises(VerificationError):
        GatePredicate.from_json(value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema("gate-v1.json"))


WAIVER = Directive("waive", "TG-REG-03", "vendor fix due", "ana", Micros(10**15), {"approvals": 2})


@pytest.mark.parametrize(
    "directive", [WAIVER, Directive("quarantine", "sha256:x", "poisoned", "bob")]
)
def test_a_directive_reads_what_it_wrote_and_is_as_its_schema_says(directive: Directive) -> None:
    statement = Statement.parse(directive.statement(SUBJECTS).to_bytes())
    assert Directive.of(statement) == directive
    assert check_predicate(statement)
    jsonschema.validate(directive.to_json(), schema("directive-v1.json"))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "Waive"},
        {"kind": ""},
        {"target": ""},
        {"reason": ""},
        {"owner": ""},
        {"expires": None},
        {"expires": -1},
        {"payload": []},
    ],
)
def test_a_damaged_waiver_is_refused_by_code_and_by_schema(changes: dict[str, Any]) -> None:
    value = {**WAIVER.to_json(), **changes}
    with pytest.raises(VerificationError):
        Directive.from_json(value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema("directive-v1.json"))


def test_another_type_is_never_read_as_a_directive() -> None:
    with pytest.raises(VerificationError):
        Directive.of(replace(WAIVER.statement(SUBJECTS), predicate_type=GATE))


def test_an_unknown_type_is_told_apart_and_a_known_one_is_checked() -> None:
    assert not check_predicate(Statement(SUBJECTS, "urn:x:v1", {}))
    for kind in CHECKS:
        with pytest.raises(VerificationError):
            check_predicate(Statement(SUBJECTS, kind, {}))


def test_a_trust_root_is_as_its_schema_says(cast: Any) -> None:
    root: TrustRoot = cast.root
    jsonschema.validate(root.to_json(), schema("trust-v1.json"))
    assert check_predicate(Statement(SUBJECTS, TRUST, root.to_json()))
