"""Policy from the command line: checked, tested, signed, replayed, explained."""

from pathlib import Path

import pytest
from tests.sites import Site, Tidegate

from tidegate.app.decisions import decision_at, parse_value
from tidegate.app.why import unrecorded, what_if_for, why_not_for
from tidegate.core.policy.compiled import compile_policy
from tidegate.core.policy.facts import Fact, cel_text
from tidegate.core.policy.load import load
from tidegate.core.stage import Outcome

WS = ("-C", "ws")


def test_show_names_the_policy_in_force(site: Site, tidegate: Tidegate) -> None:
    shown = tidegate("policy", "show", *WS, "--format", "json").json
    assert (shown["digest"], shown["mode"]) == (str(site.open().policy.digest), "enforce")
    assert "any.log-intact" in tidegate("policy", "show", *WS).out


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ('name = "x"', "TG-POL/missing-key"),
        ("name = ", "TG-POL/bad-toml"),
        ('extends="default"\nname="x"\nversion="1"\nrulez=1', "TG-POL/unknown-key"),
        ('extends="default"\nname="x"\nversion="1"\n[[rule]]\nid="ingest.owner"\nrequire="no.such"',
         "TG-POL/"),
    ],
    ids=["no version", "no TOML", "unknown key", "unknown fact"],
)  # fmt: skip
def test_a_wrong_policy_is_refused_with_its_place(text: str, slug: str, tidegate: Tidegate) -> None:
    Path("p.toml").write_text(text)
    ran = tidegate("policy", "check", "p.toml")
    assert (ran.code, slug in ran.err, "p.toml" in ran.err) == (2, True, True)
    assert tidegate("policy", "check", "nowhere.toml").code == 2


def test_a_policys_own_tests_decide_the_exit_code(tidegate: Tidegate) -> None:
    base = 'extends = "default"\nname = "mine"\nversion = "1"\n'
    case = '[[test]]\nname = "t"\ngate = "serve/check"\nexpect = "allow"\n'
    Path("none.toml").write_text(base)
    Path("fails.toml").write_text(base + case)
    assert tidegate("policy", "check", "fails.toml", "--format", "json").json["ok"] is True
    assert tidegate("policy", "test", "none.toml").code == 3
    failed = tidegate("policy", "test", "fails.toml", "--format", "json")
    assert (failed.code, failed.json["tests"][0]["got"]) == (1, "deny")
    passing = ",".join(f'"{rule}"' for rule in failed.json["tests"][0]["gotRules"])
    good = case.replace('"allow"', '"deny"') + f"rules = [{passing}]\n"
    Path("good.toml").write_text(base + good)
    assert tidegate("policy", "test", "good.toml").code == 0


def test_a_policy_is_signed_with_tests_that_pass_only(site: Site, tidegate: Tidegate) -> None:
    base = 'extends = "default"\nname = "mine"\nversion = "1"\n'
    case = '[[test]]\nname = "t"\ngate = "serve/check"\nexpect = "allow"\n'
    (site.root / "p.toml").write_text(base + case)
    assert tidegate("policy", "sign", "ws/p.toml", *WS).code == 1
    got = tidegate("policy", "test", "ws/p.toml", "--format", "json").json["tests"][0]["gotRules"]
    rules = ",".join(f'"{rule}"' for rule in got)
    (site.root / "p.toml").write_text(
        base + case.replace('"allow"', '"deny"') + f"rules = [{rules}]\n"
    )
    config = site.root / "tidegate.toml"
    config.write_text(config.read_text() + '\n[policy]\nbundle = "p.toml"\n')
    assert "nobody signed" in tidegate("doctor", *WS).out
    assert tidegate("policy", "sign", "ws/p.toml", *WS, "--dry-run").code == 0
    assert site.open().log.head.size == 2
    assert tidegate("policy", "sign", "ws/p.toml", *WS).code == 0
    shown = tidegate("policy", "show", *WS, "--format", "json").json
    assert [one["principal"] for one in shown["signedBy"]] == ["me"]
    assert "nobody signed" not in tidegate("doctor", *WS).out


def test_explain_gives_the_facts_and_the_least_change(site: Site, tidegate: Tidegate) -> None:
    site.admit()
    found = tidegate("policy", "explain", 2, *WS, "--format", "json").json
    assert (found["gate"], found["outcome"]) == ("ingest/admit", "deny")
    named = {use["name"] for rule in found["rules"] for use in rule["facts"]}
    assert "check.governance.has_licence" in named
    assert found["whyNot"] is not None
    text = tidegate("policy", "explain", 2, *WS).out
    assert ("ingest.licence" in text, "why not" in text or "allowed if" in text) == (True, True)
    assert tidegate("policy", "explain", 1, *WS).code == 2, "no decision"
    assert tidegate("policy", "explain", 99, *WS).code == 2


def test_why_not_is_proved_by_asking_the_policy_again(site: Site, tidegate: Tidegate) -> None:
    """Under a policy that wants little, the least change is the one thing that is missing."""
    text = 'extends = "default"\nname = "one"\nversion = "1"\n'
    denied = site.admit()
    assert denied
    workspace = site.open()
    rules = {str(rule["rule"]) for rule in decision_at(workspace, 2).predicate.rules}
    kept = {"ingest.owner", "ingest.licence", "any.log-intact"}
    for rule in sorted(rules - kept):
        text += f'[[rule]]\nid = "{rule}"\nmode = "shadow"\n'
    (site.root / "one.toml").write_text(text)
    site.use("one.toml")
    site.admit("more.csv")
    asked = why_not_for(site.open(), 4)
    assert asked.answer is not None
    assert asked.answer.proved
    assert [change.name for change in asked.answer.changes] == ["check.governance.has_licence"]
    other = why_not_for(site.open(), 2)
    assert other.answer is not None, "the bundled policy that decided then is still known"


def test_a_policy_that_is_gone_is_said_to_be(site: Site, tidegate: Tidegate) -> None:
    (site.root / "p.toml").write_text('extends = "default"\nname = "p"\nversion = "1"\n')
    config = site.root / "tidegate.toml"
    plain = config.read_text()
    site.use("p.toml")
    site.admit()
    config.write_text(plain)
    ran = tidegate("policy", "explain", 3, *WS, "--format", "json")
    assert (ran.code, ran.json["whyNot"], "not here any more" in ran.json["note"]) == (
        0, None, True,
    )  # fmt: skip


def test_the_same_policy_flips_nothing(site: Site, tidegate: Tidegate) -> None:
    for name, whole in (("a.csv", True), ("b.csv", False)):
        site.admit(name, whole=whole)
    ran = tidegate("policy", "what-if", "default", *WS, "--format", "json")
    assert (ran.code, ran.json["examined"], ran.json["flips"]) == (0, 2, [])
    assert ran.json["notReplayable"] == []


def test_a_changed_policy_says_what_would_flip(site: Site, tidegate: Tidegate) -> None:
    """Everything that refused is only shown now: the whole one passes, the one with gaps can't."""
    site.admit("a.csv")
    site.admit("b.csv", whole=False)
    workspace = site.open()
    rules = {str(rule["rule"]) for rule in decision_at(workspace, 2).predicate.rules}
    text = 'extends = "default"\nname = "lax"\nversion = "1"\n'
    for rule in sorted(rules - {"any.log-intact"}):
        text += f'[[rule]]\nid = "{rule}"\nmode = "shadow"\n'
    Path("lax.toml").write_text(text)
    found = tidegate("policy", "what-if", "lax.toml", *WS, "--format", "json").json
    assert [(flip["index"], flip["before"], flip["after"]) for flip in found["flips"]] == [
        (2, "deny", "allow"),
        (3, "deny", "undecided"),
    ]
    assert "deny → allow" in tidegate("policy", "what-if", "lax.toml", *WS).out


def test_a_fact_that_was_never_recorded_is_not_guessed(site: Site) -> None:
    site.admit("a.csv")
    workspace = site.open()
    text = 'extends = "default"\nname = "new"\nversion = "1"\n'
    for compiled in compile_policy(workspace.policy, gate="ingest/admit").rules:
        text += f'[[rule]]\nid = "{compiled.rule.id}"\nmode = "shadow"\n'
    text += (
        '[[rule]]\nid = "two"\ncontrol = "TG-ING-01"\ngate = "ingest"\n'
        'require = "request.distinct_principals >= 2"\nmessage = "m"\nfix = "f"\n'
    )
    bundle = load(text, origin="new.toml")
    assert "request.distinct_principals" in unrecorded(decision_at(workspace, 2), bundle)
    found = what_if_for(workspace, bundle)
    assert (found.flips, found.unsure) == (
        (),
        ((2, "ingest/admit", ("request.distinct_principals",)),),
    )
    denies = load(text.replace(">= 2", ">= 2 && request.drill"), origin="new.toml")
    replayed = what_if_for(workspace, denies)
    assert (replayed.flips, replayed.unsure) == ((), ()), "false, whatever the missing fact is"


def test_an_allowed_decision_stays_allowed_under_its_own_policy(site: Site) -> None:
    """Rules that did not apply then have left no facts, and are not asked."""
    text = 'extends = "default"\nname = "lax"\nversion = "1"\n'
    for compiled in compile_policy(site.open().policy, gate="ingest/admit").rules:
        if compiled.rule.id.startswith("ingest") and compiled.rule.when == "true":
            text += f'[[rule]]\nid = "{compiled.rule.id}"\nmode = "shadow"\n'
    (site.root / "lax.toml").write_text(text)
    site.use("lax.toml")
    site.admit()
    workspace = site.open()
    assert decision_at(workspace, 3).predicate.outcome is Outcome.ALLOW
    found = what_if_for(workspace, workspace.policy)
    assert (found.examined, found.flips, found.unsure) == (1, (), ())


def test_drills_are_no_past_decisions(site: Site, tidegate: Tidegate) -> None:
    assert tidegate("policy", "what-if", "strict", *WS).code == 3, "nothing was decided yet"


VALUES = (
    True,
    False,
    0,
    -5,
    2**53 - 1,
    0.5,
    1e-9,
    3.0,
    "",
    "a\n\x1b\u202e\x9b\U000e0041\\x41",
    ("a", "b"),
    (),
)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_recorded_values_read_back_as_they_were(value: object) -> None:
    assert not isinstance(value, list)
    fact = Fact.of("a.b", value, source="x")  # type: ignore[arg-type]  # each is a fact's value
    back = parse_value(cel_text(value))  # type: ignore[arg-type]  # same
    assert (back, type(back)) == (fact.value, type(fact.value))


@pytest.mark.parametrize("text", ["", "{}", "null", "[1]", "NaN", "tru", '"', "\\U99999999"])
def test_what_is_no_value_is_none(text: str) -> None:
    assert parse_value(text) is None


def test_outcomes_are_those_of_the_log(site: Site) -> None:
    site.admit()
    assert decision_at(site.open(), 2).predicate.outcome is Outcome.DENY
