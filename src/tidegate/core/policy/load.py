"""Reading a policy bundle from TOML or JSON: bounded, strict, and with the place of each mistake.

A bundle may extend a bundled one: its limits and rules then replace those of the same name, and
what it does not mention stays.

>>> bundled("default").name
'default'
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from tidegate.core.canonical import Json
from tidegate.core.errors import PolicyError, VerificationError
from tidegate.core.finding import Severity
from tidegate.core.policy.document import Parser, flag, listed, mapping, one_of, read, text
from tidegate.core.policy.facts import NAME, Fact, FactSet, FactType, value_from_json
from tidegate.core.policy.language import MAX_EXPRESSION
from tidegate.core.policy.model import FAMILIES, SCHEMA, PolicyBundle, PolicyTest, Rule
from tidegate.core.policy.result import Mode
from tidegate.core.policy.vocabulary import VOCABULARY, check_variables
from tidegate.core.stage import Outcome, Stage

MAX_BYTES = 256 * 1024
BUNDLED = ("default", "strict")


def _severity(value: Json) -> Severity:
    try:
        return Severity.parse(text()(value))
    except VerificationError as error:
        raise ValueError(error.problem) from None


_FACT = text(120, NAME.pattern)
_ID = text(80, r"[a-z0-9][a-z0-9._-]*")
_WORD = text(60, r"[a-z][a-z0-9_]*")
_SAID = text(600, r"(?s:.+)")
_CEL = text(MAX_EXPRESSION)

_RULE: Mapping[str, Parser] = {
    "id": _ID,
    "control": text(9, r"TG-[A-Z]{3}-\d\d"),
    "gate": text(80, rf"\*|({'|'.join(Stage)})(/[a-z][a-z-]*)?"),
    "require": _CEL,
    "when": _CEL,
    "undecided_if": _CEL,
    "message": _SAID,
    "fix": _SAID,
    "severity": _severity,
    "mode": one_of(Mode),
    "family": text(80),
    "waivable": flag,
}
_TEST: Mapping[str, Parser] = {
    "name": _SAID,
    "gate": text(80),
    "like": text(),
    "facts": mapping(value_from_json, _FACT),
    "without": listed(_FACT),
    "unreadable": listed(_FACT),
    "expect": one_of(Outcome),
    "rules": listed(_ID),
}
_TOP: Mapping[str, Parser] = {
    "schema": text(80, SCHEMA),
    "name": _ID,
    "version": _ID,
    "extends": text(80),
    "limits": mapping(value_from_json, _WORD),
    "facts": mapping(one_of(FactType), _FACT),
    "checks": listed(_WORD),
    "rule": listed(mapping(lambda value: value)),
    "test": listed(mapping(lambda value: value)),
}


def load(document: str, *, origin: str) -> PolicyBundle:
    """Read a bundle from TOML.

    Args:
        document: At most 256 KiB.
        origin: Its file, for error messages.

    Raises:
        PolicyError: It is too big, no TOML, has an unknown key or a wrong value, or lacks one of
            the four families; ``where`` names the file and the rule or test.
    """
    return from_json(_toml(document, origin), origin=origin)


def load_path(path: Path) -> PolicyBundle:
    """Read a bundle from a TOML file (see :func:`load`).

    Raises:
        PolicyError: The file can't be read, or is no bundle.
    """
    try:
        with path.open("rb") as stream:
            document = stream.read(MAX_BYTES + 1).decode("utf-8")
    except OSError as error:
        raise PolicyError(
            "the policy can't be read",
            where=str(path),
            cause=error.strerror,
            next_step=f"name a TOML file, or one of {', '.join(BUNDLED)} in policy.bundle",
            slug="unreadable",
        ) from None
    except UnicodeDecodeError as error:
        raise PolicyError(
            "the policy is not UTF-8",
            where=f"{path}, byte {error.start}",
            next_step="save it as UTF-8",
            slug="not-utf-8",
        ) from None
    return load(document, origin=str(path))


def bundled(name: str) -> PolicyBundle:
    """Return a bundle that comes with Tidegate: ``default`` or ``strict``.

    Raises:
        PolicyError: There is none of that name.
    """
    return from_json(_bundled_document(name), origin=f"{name}.toml")


def from_json(value: Json, *, origin: str) -> PolicyBundle:
    """Read a bundle from its JSON form, such as ``PolicyBundle.to_json`` writes.

    Raises:
        PolicyError: As :func:`load`.
    """
    top = read(value, origin, _TOP, required=("name", "version"))
    templates: dict[str, PolicyTest] = {}
    if base_name := top.pop("extends", ""):
        base = _bundled_document(base_name)
        templates = {test.name: test for test in from_json(base, origin=base_name).tests}
        top = _merged(read(base, base_name, _TOP), top)
    top.pop("schema", None)
    rules = tuple(_rule(raw, origin) for raw in top.pop("rule", ()))
    tests = _tests(top.pop("test", ()), origin, templates)
    bundle = PolicyBundle(**top, rules=rules, tests=tests, origin=origin)
    _check_whole(bundle)
    return bundle


def _toml(document: str, origin: str) -> Json:
    if len(document) > MAX_BYTES:
        raise PolicyError(f"larger than {MAX_BYTES} bytes", where=origin, slug="too-large")
    try:
        return tomllib.loads(document)
    except (RecursionError, ValueError) as error:
        cause = str(error)[:200]
        raise PolicyError(
            "not well-formed TOML", where=origin, cause=cause, slug="bad-toml"
        ) from None


def _bundled_document(name: str) -> Json:
    if name not in BUNDLED:
        hint = f"use one of {', '.join(BUNDLED)}, or give a file"
        raise PolicyError(
            f"there is no bundled policy {name!r}", next_step=hint, slug="unknown-bundle"
        )
    source = files("tidegate.core.policy") / "bundled" / f"{name}.toml"
    return _toml(source.read_text(encoding="utf-8"), f"{name}.toml")


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Lay a document over the bundled one that it extends; tests are its own only."""
    rules = {rule["id"]: rule for rule in base["rule"]}
    for rule in own.get("rule", ()):
        rules[rule.get("id")] = {**rules.get(rule.get("id"), {}), **rule}
    return {
        **own,
        "limits": {**base["limits"], **own.get("limits", {})},
        "facts": {**base["facts"], **own.get("facts", {})},
        "checks": tuple(dict.fromkeys((*base["checks"], *own.get("checks", ())))),
        "rule": tuple(rules.values()),
    }


def _rule(raw: Json, origin: str) -> Rule:
    where = f"{origin}, rule {str(raw.get('id', '?'))[:80]}"
    required = ("id", "control", "gate", "require", "message", "fix")
    return Rule(**read(raw, where, _RULE, required=required))


def _tests(
    raws: tuple[Json, ...], origin: str, templates: Mapping[str, PolicyTest]
) -> tuple[PolicyTest, ...]:
    known = dict(templates)
    tests: list[PolicyTest] = []
    for raw in raws:
        where = f"{origin}, test {str(raw.get('name', '?'))[:80]}"
        table = read(raw, where, _TEST, required=("name", "expect"))
        if table.get("like", table["name"]) not in {*known, table["name"]}:
            raise PolicyError("no earlier test has this name", where=f"{where}, like", slug="like")
        tests.append(_test(table, known.get(table.get("like", ""))))
        known[tests[-1].name] = tests[-1]
    return tuple(tests)


def _test(table: Mapping[str, Any], like: PolicyTest | None) -> PolicyTest:
    stated = table.get("facts", {}).items()
    facts = [Fact.of(name, value, source="test") for name, value in stated]
    # The state is what matters of an unreadable fact; its type plays no part in a verdict.
    dark = (
        Fact.unreadable(name, FactType.STRING, source="test")
        for name in table.get("unreadable", ())
    )
    inherited = like.facts if like else FactSet()
    return PolicyTest(
        name=table["name"],
        gate=table.get("gate", like.gate if like else "*"),
        facts=inherited.with_facts(*facts, *dark).without(*table.get("without", ())),
        expect=table["expect"],
        rules=table.get("rules", ()),
    )


def _check_whole(bundle: PolicyBundle) -> None:
    """Refuse what is right key by key and wrong as a whole."""
    ids = [rule.id for rule in bundle.rules]
    names = [test.name for test in bundle.tests]
    taken = {each.name for check in bundle.checks for each in check_variables(check)}
    reserved = [name for name in bundle.facts if name.startswith(("limit.", "severity."))]
    faults = (
        ("two rules have one id", [each for each in ids if ids.count(each) > 1]),
        ("two tests have one name", [each for each in names if names.count(each) > 1]),
        ("has a meaning already", [*({*VOCABULARY, *taken} & bundle.facts.keys()), *reserved]),
        ("is no rule", {rule for test in bundle.tests for rule in test.rules} - {*ids}),
        ("is a family without a rule", [each for each in FAMILIES if each not in bundle.families]),
    )
    for fault, found in faults:
        if found:
            hint = 'begin with extends = "default"' if "family" in fault else None
            problem = f"{fault}: {min(found)!r}"
            raise PolicyError(problem, where=bundle.origin, next_step=hint, slug="inconsistent")
