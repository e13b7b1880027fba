"""``tidegate policy``: check, test, sign and try out policy."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app import signed_policy, why
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place, Signing
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
_Here = Annotated[Place, FLAT]
_Shape = output.Shape


@app.command
def show(*, place: _Here = Place(), format: _Shape = _Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """Show the policy in force, rule by rule, and who signed it.

    Args:
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    workspace = session.reading(place)
    bundle = workspace.policy
    signed = signed_policy.signatures(workspace, bundle)
    mode = workspace.settings.policy.mode.value
    if format is output.Shape.JSON:
        facts = {
            "digest": str(bundle.digest),
            "mode": mode,
            "signedBy": [s.to_json() for s in signed],
        }
        output.emit_json({**facts, "bundle": bundle.to_json()})
        return 0
    by = "; ".join(f"{one.principal} at log {one.index}" for one in signed)
    comes = "it comes with Tidegate" if bundle.name in BUNDLED else "nobody: `tidegate policy sign`"
    output.emit_text(
        [
            ("policy", bundle.label),
            ("mode", mode),
            ("signed by", by or comes),
            ("limits", ", ".join(f"{name} {value}" for name, value in bundle.limits.items())),
        ]
    )
    output.emit_table(
        ("rule", "gate", "control", "severity", "mode", "requires"),
        [
            (rule.id, rule.gate, rule.control, rule.severity.label, rule.mode.value, rule.require)
            for rule in bundle.rules
        ],
    )
    return 0


@app.command
def check(file: Path, /, *, format: _Shape = _Shape.TEXT) -> int:  # noqa: A002 - the flag's name
    """Check that a policy file is well-formed, and that every rule compiles.

    Args:
        file: The TOML file.
        format: Text or one JSON document.
    """
    bundle = load_path(file)
    compile_policy(bundle)
    facts = {
        "policy": bundle.label,
        "rules": len(bundle.rules),
        "tests": len(bundle.tests),
        "families": {name: list(rules) for name, rules in bundle.families.items()},
    }
    if format is output.Shape.JSON:
        output.emit_json({"ok": True, **facts})
    else:
        output.emit_text(
            [
                ("ok", bundle.label),
                ("rules", str(len(bundle.rules))),
                ("tests", f"{len(bundle.tests)}: run them with `tidegate policy test {file}`"),
            ]
        )
    return 0


@app.command(name="test")
def run_bundle_tests(
    file: Path | None = None,
    /,
    *,
    place: _Here = Place(),
    format: _Shape = _Shape.TEXT,  # noqa: A002 - the flag's name
) -> int:
    """Run the tests inside a policy; exit 1 where one fails, 3 where there is none.

    Args:
        file: The TOML file; the policy in force without it.
        place: Where the workspace is; not needed with a file.
        format: Text or one JSON document.
    """
    bundle = session.reading(place).policy if file is None else load_path(file)
    results = run_tests(bundle)
    if format is output.Shape.JSON:
        tests = [_result_json(one) for one in results]
        output.emit_json({"policy": bundle.label, "tests": tests})
    else:
        _show_results(bundle, results)
    if not results:
        return EmptySubject.exit_code
    return 0 if all(one.passed for one in results) else _DENIED


@app.command
def sign(file: Path, /, *, signing: Annotated[Signing, FLAT] = Signing()) -> int:
    """Sign a policy whose tests pass, and put the signature into the log.

    Args:
        file: The TOML file.
        signing: Who signs.
    """
    bundle = load_path(file)
    results = run_tests(bundle)
    if not results or not all(one.passed for one in results):
        _show_results(bundle, results)
        output.notice("not signed: a policy is signed with tests that pass")
        return _DENIED if results else EmptySubject.exit_code
    workspace = session.acting(signing)
    if signing.dry_run:
        output.emit_text([("policy", bundle.label), ("tests", f"{len(results)} pass")])
        output.notice("dry run: nothing was signed or appended")
        return 0
    receipt = signed_policy.sign(workspace, bundle, [one.name for one in results])
    in_force = workspace.policy.digest == bundle.digest
    output.emit_text(
        [
            ("signed", bundle.label),
            ("log", f"{receipt.index}, envelope {receipt.envelope}"),
            ("in force", "yes" if in_force else f'no: set policy.bundle = "{file}"'),
        ]
    )
    return 0


@app.command
def what_if(
    file: str,
    /,
    *,
    limit: int = 1_000,
    place: _Here = Place(),
    format: _Shape = _Shape.TEXT,  # noqa: A002 - the flag's name
) -> int:
    """Say which decisions of the log would have come out otherwise under another policy.

    Args:
        file: The TOML file, or the name of a bundled policy: default, strict.
        limit: How many decisions to replay, the newest first.
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    bundle = bundled(file) if file in BUNDLED else load_path(Path(file))
    found = why.what_if_for(session.reading(place), bundle, limit=limit)
    if format is output.Shape.JSON:
        output.emit_json(found.to_json())
        return 0
    rows = [
        (flip.index, flip.gate, f"{flip.before.value} → {flip.after.value}", ", ".join(flip.rules))
        for flip in found.flips
    ]
    rows += [
        (index, gate, "can't be told", "not recorded: " + ", ".join(facts))
        for index, gate, facts in found.unsure
    ]
    output.emit_table(("log", "gate", "change", "why"), sorted(rows))
    same = found.examined - len(rows)
    output.write(
        f"{found.examined} decisions replayed: {same} the same, {len(found.flips)} otherwise, "
        f"{len(found.unsure)} can't be told\n"
    )
    return 0 if found.examined else EmptySubject.exit_code


@app.command
def explain(
    index: int,
    /,
    *,
    place: _Here = Place(),
    format: _Shape = _Shape.TEXT,  # noqa: A002 - the flag's name
) -> int:
    """Explain a decision of the log: each rule with its facts, and the least change to allow it.

    Args:
        index: The log index of the decision.
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    asked = why.why_not_for(session.reading(place), index)
    if format is output.Shape.JSON:
        output.emit_json(_asked_json(asked))
        return 0
    decision = asked.decision
    ref = decision.predicate.policy
    output.emit_text(
        [
            ("decision", f"{decision.gate} {decision.predicate.outcome.value}, log {index}"),
            ("when", iso(decision.time)),
            ("by", decision.predicate.actor.principal),
            ("policy", f"{ref.name}@{ref.version} {ref.digest}"),
        ]
    )
    output.emit_table(
        ("rule", "says", "fact", "value", "from"),
        [row for rule in decision.predicate.rules for row in _rule_rows(rule)],
    )
    if decision.predicate.outcome is not Outcome.ALLOW:
        output.emit_text(_answer_rows(asked.answer, asked.note))
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


def _show_results(bundle: PolicyBundle, results: list[TestResult]) -> None:
    failed = [one for one in results if not one.passed]
    if failed:
        output.emit_table(
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
    output.write(f"{len(results) - len(failed)} of {len(results)} tests of {bundle.label} pass\n")
