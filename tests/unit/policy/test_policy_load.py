"""Reading bundles: strict, bounded, and exact about where the mistake is."""

from pathlib import Path

import pytest

from tidegate.core.canonical import dumps, loads
from tidegate.core.errors import PolicyError
from tidegate.core.policy.compiled import compile_policy
from tidegate.core.policy.facts import FactType
from tidegate.core.policy.load import BUNDLED, bundled, from_json, load, load_path
from tidegate.core.policy.result import Mode
from tidegate.govern.policy.selftest import run_tests

RULE = """
[[rule]]
id = "{id}"
family = "{id}"
control = "TG-REG-01"
gate = "registry"
require = "monitor.present"
message = "no"
fix = "sign"
"""
FAMILIES = "".join(
    RULE.format(id=name) for name in ("admission", "signing", "registry", "red-team")
)
HEAD = 'name = "x"\nversion = "1"\n'
GOOD = HEAD + FAMILIES


def test_a_minimal_bundle_loads_and_compiles() -> None:
    bundle = load(GOOD, origin="x.toml")
    assert [each.rule.id for each in compile_policy(bundle).rules] == [
        "admission", "signing", "registry", "red-team",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("document", "where", "problem"),
    [
        (GOOD.replace("message", "mesage", 1), "x.toml, rule admission", "unknown key 'mesage'"),
        ("nmae = 1\n" + GOOD, "x.toml", "unknown key 'nmae'"),
        (FAMILIES, "x.toml", "name is missing"),
        (GOOD.replace('fix = "sign"\n', "", 1), "x.toml, rule admission", "fix is missing"),
        (GOOD.replace('"TG-REG-01"', '"REG-1"', 1), "x.toml, rule admission, control", "text"),
        (GOOD.replace('"registry"\nreq', '"regist"\nreq', 1), "rule admission, gate", "text"),
        (GOOD.replace('"registry"\nreq', '"registry/"\nreq', 1), "rule admission, gate", "text"),
        (GOOD + 'mode = "maybe"', "rule red-team, mode", "not one of"),
        (GOOD + 'severity = "huge"', "rule red-team, severity", "severity"),
        (GOOD + "waivable = 1", "rule red-team, waivable", "neither true nor false"),
        (HEAD + RULE.format(id="admission"), "x.toml", "'red-team'"),
        (GOOD + RULE.format(id="registry"), "x.toml", "two rules have one id"),
        (HEAD + "[limits]\na = nan\n" + FAMILIES, "x.toml, limits", "finite"),
        (HEAD + "[limits]\nA = 1\n" + FAMILIES, "x.toml, limits", "text"),
        (HEAD + '[facts]\n"train.outcome" = "string"\n' + FAMILIES, "x.toml", "meaning already"),
        (HEAD + '[facts]\n"limit.x" = "int"\n' + FAMILIES, "x.toml", "meaning already"),
        (HEAD + '[facts]\n"check.a.b" = "map"\n' + FAMILIES, "x.toml, facts", "not one of"),
        (GOOD + '[[test]]\nname = "t"\nexpect = "yes"', "x.toml, test t, expect", "not one of"),
        (GOOD + '[[test]]\nname = "t"\nlike = "u"\nexpect = "deny"', "test t, like", "no earlier"),
        (GOOD + '[[test]]\nname = "t"\nexpect = "deny"\nrules = ["z"]', "x.toml", "is no rule"),
        ("name = ", "x.toml", "not well-formed TOML"),
        ("a = " + "[" * 5_000 + "]" * 5_000, "x.toml", "not well-formed TOML"),
        ("#" * (256 * 1024 + 1), "x.toml", "larger than"),
        (GOOD + "".join(RULE.format(id=f"r{i}") for i in range(400)), "x.toml, rule", "at most"),
        ('rule = "x"\n' + HEAD, "x.toml, rule", "not a list"),
        ("rule = [1]\n" + HEAD, "x.toml, rule", "not a table"),
        ('schema = "policy-bundle/v9"\n' + GOOD, "x.toml, schema", "text"),
    ],
)
def test_a_mistake_is_refused_with_its_place(document: str, where: str, problem: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(document, origin="x.toml")
    assert where in (caught.value.where or "")
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        (("monitor.present", "signature.presnt"), "rule admission, require", "no fact"),
        (('message = "no"', 'message = "{a.b}"'), "rule admission", "'a.b', which is no fact"),
        (("monitor.present", "limit.none == 1"), "rule admission, require", "no fact"),
    ],
)
def test_a_misspelt_fact_is_found_when_the_bundle_is_compiled(
    change: tuple[str, str], where: str, problem: str
) -> None:
    bundle = load(GOOD.replace(*change, 1), origin="x.toml")
    with pytest.raises(PolicyError) as caught:
        compile_policy(bundle)
    assert where in (caught.value.where or "")
    assert problem in caught.value.problem


def test_a_gate_may_declare_facts_but_not_change_their_type() -> None:
    bundle = load(GOOD.replace("monitor.present", "check.own.ok", 1), origin="x.toml")
    compile_policy(bundle, extra={"check.own.ok": FactType.BOOL})
    with pytest.raises(PolicyError, match="at the gate"):
        compile_policy(bundle, extra={"train.outcome": FactType.BOOL})


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundle_reads_back_from_its_signed_form(name: str) -> None:
    bundle = bundled(name)
    again = from_json(loads(dumps(bundle.to_json()), what="policy"), origin="signed")
    assert again == bundle
    assert again.to_json() == bundle.to_json()


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_policy_keeps_its_own_promises(name: str) -> None:
    bundle = bundled(name)
    compile_policy(bundle)
    results = run_tests(bundle)
    assert results
    assert [result.name for result in results if not result.passed] == []


def test_every_gate_of_the_default_policy_has_a_passing_and_a_refused_case() -> None:
    seen = {(test.gate.partition("/")[0], test.expect.value) for test in bundled("default").tests}
    for stage in ("ingest", "prepare", "train", "validate", "registry", "serve", "monitor"):
        assert {(stage, "allow"), (stage, "deny")} <= seen


def test_every_enforced_rule_of_the_default_policy_is_seen_to_refuse() -> None:
    bundle = bundled("default")
    refused = {rule for test in bundle.tests for rule in test.rules}
    assert {rule.id for rule in bundle.rules if rule.mode is Mode.ENFORCE} - refused == {
        "monitor.reference",
        "validate.trained",
    }


def test_the_digest_covers_every_limit_rule_and_test() -> None:
    base = load(GOOD, origin="x.toml")
    changed = [
        GOOD.replace('"sign"', '"seal"', 1),
        GOOD.replace('version = "1"', 'version = "2"'),
        HEAD + "[limits]\na = 1\n" + FAMILIES,
        GOOD + '[[test]]\nname = "t"\nexpect = "deny"',
        GOOD + "waivable = false",
    ]
    digests = {load(text, origin="y.toml").digest for text in changed}
    assert len(digests) == len(changed)
    assert base.digest not in digests
    assert load(GOOD, origin="elsewhere.toml") == base


def test_a_policy_can_extend_the_default_and_move_one_limit() -> None:
    text = """
    name = "acme"
    version = "3"
    extends = "default"
    [limits]
    approvals = 3
    [[rule]]
    id = "registry.bom"
    mode = "shadow"
    [[test]]
    name = "two are too few here"
    like = "the whole chain with two approvals is promoted"
    expect = "deny"
    rules = ["registry.two-person"]
    """
    bundle = load(text, origin="acme.toml")
    rules = {rule.id: rule for rule in bundle.rules}
    assert bundle.limits["approvals"] == 3
    assert rules["registry.bom"].mode is Mode.SHADOW
    assert rules["registry.bom"].require == "check.bom.complete"
    assert all(result.passed for result in run_tests(bundle))


def test_a_failing_self_test_says_what_it_got() -> None:
    text = GOOD + '[[test]]\nname = "t"\ngate = "registry/admit"\nexpect = "allow"\n'
    (result,) = run_tests(load(text, origin="x.toml"))
    assert not result.passed
    assert result.got.value == "deny"
    assert result.got_rules == ("admission", "red-team", "registry", "signing")


def test_files_are_read_and_unreadable_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD)
    assert load_path(path).name == "x"
    path.write_bytes(b"\xff\xfe")
    for bad in (path, tmp_path / "none.toml", tmp_path):
        with pytest.raises(PolicyError) as caught:
            load_path(bad)
        assert str(bad) in (caught.value.where or "")


def test_an_unknown_bundled_policy_names_those_that_exist() -> None:
    with pytest.raises(PolicyError) as caught:
        bundled("../default")
    assert "default" in (caught.value.next_step or "")
