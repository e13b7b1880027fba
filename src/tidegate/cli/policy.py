"""``tidegate policy``: check, test, sign and try out policy."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app import signed_policy, why
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Acting, Reading, Showing
from tidegate.core.canonical import Json
from tidegate.core.clock import iso
from tidegate.core.errors import EmptySubject
from tidegate.core.policy.compiled import compile_policy
from tidegate.core.policy.load import BUNDLED, bundled, load_path
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.stage import Outcome
from tidegate.govern.policy.selftest import TestResult, run_tests
from tidegate.govern.policy.why_not import WhyNot

app = App(name="policy", help="Check, test, sign and try out policy.")

_DENIED = 1
_Reading = Annotated[Reading, FLAT]


@app.command
def show(*, reading: _Reading = Reading()) -> int:
    """Show the policy in force, rule by rule, and who signed it.

    JSON: `digest`, `mode`; `signedBy` (`principal`, `index`, `time`); `bundle`, all of it.

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    bundle = workspace.policy
    signed = signed_policy.signatures(workspace, bundle)
    mode = workspace.settings.policy.mode.value
    facts = {
        "digest": str(bundle.digest),
        "mode": mode,
        "signedBy": [s.to_json() for s in signed],
        "bundle": bundle.to_json(),
    }
    by = "; ".join(f"{one.principal} at log {one.index}" for one in signed)
    comes = "it comes with Tidegate" if bundle.name in BUNDLED else "nobody: `tidegate policy sign`"
    rows = [
        ("policy", bundle.label),
        ("mode", mode),
        ("signed by", by or comes),
        ("limits", ", ".join(f"{name} {value}" for name, value in bundle.limits.items())),
    ]
    table = output.Table(
        ("rule", "gate", "control", "severity", "mode", "requires"),
        [
            (rule.id, rule.gate, rule.control, rule.severity.label, rule.mode.value, rule.require)
            for rule in bundle.rules
        ],
    )
    output.emit(reading, facts, rows, table)
    return 0


@app.command
def check(file: Path, /, *, showing: Annotated[Showing, FLAT] = Showing()) -> int:
    """Check that a policy file is well-formed, and that every rule compiles.

    JSON: `ok`, `policy`; `rules`, `tests`, how many; `families`, their rules.

    Args:
        file: The TOML file.
        showing: How the answer is shown.
    """
    bundle = load_path(file)
    compile_policy(bundle)
    facts = {
        "ok": True,
        "policy": bundle.label,
        "rules": len(bundle.rules),
        "tests": len(bundle.tests),
        "families": {name: list(rules) for name, rules in bundle.families.items()},
    }
    rows = [
        ("ok", bundle.label),
        ("rules", str(len(bundle.rules))),
        ("tests", f"{len(bundle.tests)}: run them with `tidegate policy test {file}`"),
    ]
    output.emit(showing, facts, rows)
    return 0


@app.command(name="test")
def run_bundle_tests(file: Path | None = None, /, *, reading: _Reading = Reading()) -> int:
    """Run the tests inside a policy; exit 1 where one fails, 3 where there is none.

    JSON: `policy`; `tests` (`name`, `passed`, `expected`, `got`, `expectedRules`, `gotRules`).

    Args:
        file: The TOML file; the policy in force without it.
        reading: Where the workspace is, which is not needed with a file; how the answer is shown.
    """
    bundle = session.reading(reading).policy if file is None else load_path(file)
    results = run_tests(bundle)
    facts = {"policy": bundle.label, "tests": [_result_json(one) for one in results]}
    output.emit(reading, facts, *_shown_results(bundle, results))
    return _tests_code(results)


@app.command
def sign(file: Path, /, *, acting: Annotated[Acting, FLAT] = Acting()) -> int:
    """Sign a policy whose tests pass, and put the signature into the log.

    JSON: `policy`; `tests` (`name`, `passed`, `expected`, `got`, `expectedRules`, `gotRules`);
    `index`, `envelope`, null where it was not signed; `inForce`, `dryRun`.

    Args:
        file: The TOML file.
        acting: Who signs, and how the answer is shown.
    """
    bundle = load_path(file)
    results = run_tests(bundle)
    facts = {
        "policy": bundle.label,
        "tests": [_result_json(one) for one in results],
        "index": None,
        "envelope": None,
        "inForce": False,
        "dryRun": acting.dry_run,
    }
    if code := _tests_code(results):
        output.emit(acting, facts, *_shown_results(bundle, results))
        output.notice("not signed: a policy is signed with tests that pass")
        return code
    workspace = session.acting(acting)
    in_force = workspace.policy.digest == bundle.digest
    if acting.dry_run:
        rows = [("policy", bundle.label), ("tests", f"{len(results)} pass")]
        output.emit(acting, {**facts, "inForce": in_force}, rows)
        output.notice("dry run: nothing was signed or appended")
        return 0
    receipt = signed_policy.sign(workspace, bundle, [one.name for one in results])
    stands = {"index": receipt.index, "envelope": receipt.envelope, "inForce": in_force}
    output.emit(
        acting,
        {**facts, **stands},
        [
            ("signed", bundle.label),
            ("log", f"{receipt.index}, envelope {receipt.envelope}"),
            ("in force", "yes" if in_force else f'no: set policy.bundle = "{file}"'),
        ],
    )
    return 0


@app.command
def what_if(file: str, /, *, limit: int = 1_000, reading: _Reading = Reading()) -> int:
    """Say which decisions of the log would have come out otherwise under another policy.

    JSON: `policy`; `examined`, how many; `flips` (`index`, `gate`, `before`, `after`, `rules`);
    `notReplayable` (`index`, `gate`, `facts`).

    Args:
        file: The TOML file, or the name of a bundled policy: default, strict.
        limit: How many decisions to replay, the newest first.
        reading: Where the workspace is, and how the answer is shown.
    """
    bundle = bundled(file) if file in BUNDLED else load_path(Path(file))
    found = why.what_if_for(session.reading(reading), bundle, limit=limit)
    rows = [
        (flip.index, flip.gate, f"{flip.before.value} → {flip.after.value}", ", ".join(flip.rules))
        for flip in found.flips
    ]
    rows += [
        (index, gate, "can't be told", "not recorded: " + ", ".join(facts))
        for index, gate, facts in found.unsure
    ]
    same = found.examined - len(rows)
    summary = (
        f"{found.examined} decisions replayed: {same} the same, {len(found.flips)} otherwise, "
        f"{len(found.unsure)} can't be told"
    )
    table = output.Table(("log", "gate", "change", "why"), sorted(rows))
    output.emit(reading, found.to_json(), table, summary)
    return 0 if found.examined else EmptySubject.exit_code


@app.command
def explain(index: int, /, *, reading: _Reading = Reading()) -> int:
    """Explain a decision of the log: each rule with its facts, and the least change to allow it.

    JSON: `index`, `gate`, `outcome`, `policy`; `rules` as they were signed; `whyNot`, with its
    changes, or null; `note`.

    Args:
        index: The log index of the decision.
        reading: Where the workspace is, and how the answer is shown.
    """
    asked = why.why_not_for(session.reading(reading), index)
    decision = asked.decision
    ref = decision.predicate.policy
    rows = [
        ("decision", f"{decision.gate} {decision.predicate.outcome.value}, log {index}"),
        ("when", iso(decision.time)),
        ("by", decision.predicate.actor.principal),
        ("policy", f"{ref.name}@{ref.version} {ref.digest}"),
    ]
    table = output.Table(
        ("rule", "says", "fact", "value", "from"),
        [row for rule in decision.predicate.rules for row in _rule_rows(rule)],
    )
    refused = decision.predicate.outcome is not Outcome.ALLOW
    answer = [_answer_rows(asked.answer, asked.note)] if refused else []
    output.emit(reading, _asked_json(asked), rows, table, *answer)
    return 0


def _rule_rows(rule: Json) -> list[tuple[str, str, str, str, str]]:
    says = str(rule["outcome"]) + (f" ({rule['waivedBy']})" if rule.get("waivedBy") else "")
    facts = [
        (str(use["name"]), str(use["value"]) or str(use["state"]), str(use["source"]))
        for use in rule.get("facts", ())
    ] or [("", "", "")]
    return [
        (str(rule["rule"]) if place == 0 else "", says if place == 0 else "", *fact)
        for place, fact in enumerate(facts)
    ]


def _answer_rows(answer: WhyNot | None, note: str) -> list[tuple[str, str]]:
    if answer is None:
        return [("why not", f"can't be asked again: {note}")]
    if not answer.changes:
        return [("why not", f"no change of facts was found: {answer.reason}"), ("note", note)]
    rows = [
        ("allowed if", f"{one.name} were {one.after}, not {one.before or one.state.value}")
        for one in answer.changes
    ]
    return [*rows, ("proved", "the policy was asked again with this change"), ("note", note)]


def _asked_json(asked: why.Asked) -> dict[str, Json]:
    decision, answer = asked.decision, asked.answer
    out: dict[str, Json] = {
        "index": decision.index,
        "gate": decision.gate,
        "outcome": decision.predicate.outcome.value,
        "policy": decision.predicate.policy.to_json(),
        "rules": [dict(rule) for rule in decision.predicate.rules],
        "note": asked.note,
        "whyNot": None,
    }
    if answer is not None:
        changes = [
            {"fact": one.name, "before": one.before, "state": one.state.value, "after": one.after}
            for one in answer.changes
        ]
        out["whyNot"] = {"changes": changes, "proved": answer.proved, "reason": answer.reason}
    return out


def _result_json(one: TestResult) -> dict[str, Json]:
    return {
        "name": one.name,
        "passed": one.passed,
        "expected": one.expected.value,
        "got": one.got.value,
        "expectedRules": list(one.expected_rules),
        "gotRules": list(one.got_rules),
    }


def _tests_code(results: list[TestResult]) -> int:
    if not results:
        return EmptySubject.exit_code
    return 0 if all(one.passed for one in results) else _DENIED


def _shown_results(bundle: PolicyBundle, results: list[TestResult]) -> tuple[output.Part, ...]:
    failed = [one for one in results if not one.passed]
    table = output.Table(
        ("test", "expected", "got", "rules expected", "rules that refuse"),
        [
            (
                one.name,
                one.expected.value,
                one.got.value,
                ", ".join(one.expected_rules),
                ", ".join(one.got_rules),
            )
            for one in failed
        ],
    )
    passed = f"{len(results) - len(failed)} of {len(results)} tests of {bundle.label} pass"
    return table, passed
