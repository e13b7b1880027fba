"""Write the reference pages from the code, or check that they are current.

::

    python tools/reference.py           # write docs/reference/*.md
    python tools/reference.py --check   # exit 1 and name the pages that are not current
"""

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cyclopts import App

from tidegate.cli import GROUPS, build_app, describe
from tidegate.config import schema
from tidegate.config.environment import variables
from tidegate.core.errors import EXIT_PRECEDENCE
from tidegate.govern.controls import FRAMEWORKS, controls
from tidegate.govern.pages import families
from tidegate.govern.rules import rules, rules_of
from tidegate.report.schemas import NAMES

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
NOTE = "<!-- Written by tools/reference.py; change the code, then run it again. -->\n\n"

EXIT_MEANING: Mapping[int, str] = {
    0: "allow: everything that was to be examined was examined, and policy allows",
    1: "deny: findings at or above `--fail-on`, a rule that denies, missing evidence or permission",
    2: "the request, the configuration or a policy bundle is wrong",
    3: "nothing was examined",
    4: "undecided: a check failed or was skipped, or evidence can't be read or checked",
    5: "a signature, proof, digest or log does not match",
    6: "the store or another system is not available",
    70: "our bug",
    130: "interrupted by Ctrl-C",
}


def cli_page() -> str:
    """Every command with its options, as ``--help`` has them."""
    present = [group for group in GROUPS if find_spec(group.target.partition(":")[0])]
    app = build_app(present)
    for words in _commands(app):
        describe(app, words)
    pages = app.generate_docs(output_format="markdown", recursive=True)
    return "# Command line\n\n" + pages.partition("\n")[2].lstrip() + "\n"


def config_page() -> str:
    """Every key of ``tidegate.toml`` with its variable, default and meaning."""
    document = schema()
    names = {place: f"`{name}`" for name, place in variables().items()}
    lines = [
        "# Configuration",
        "",
        "One file, `tidegate.toml`, in the workspace folder; every key has a default. An",
        "environment variable wins over the file. Unknown keys and unknown `TIDEGATE_` variables",
        "are refused with their place. Durations are written with `us`, `ms`, `s`, `m`, `h` or",
        "`d`; sizes with `B`, `kB`, `KiB`, `MB`, `MiB`, `GB`, `GiB`, `TB` or `TiB`.",
        "`tidegate config check` checks it, `tidegate config show --origin` shows where each value",
        "comes from, and `tidegate config schema` writes the JSON Schema.",
        "",
    ]
    for section, reference in document["properties"].items():
        definition = document["$defs"][_target(reference)]
        lines += [f"## [{section}]", "", str(definition["description"]), ""]
        lines += ["| Key | Default | Meaning | Variable |", "|---|---|---|---|"]
        for key, field in definition["properties"].items():
            variable = names.get((section, key), "none")
            meaning = _meaning(field, document)
            lines.append(f"| `{key}` | {_default(field)} | {meaning} | {variable} |")
        lines.append("")
    return "\n".join(lines)


def exit_code_page() -> str:
    """Exit codes, their order, and the errors that lead to them."""
    order = " > ".join(str(code) for code in EXIT_PRECEDENCE)
    lines = [
        "# Exit codes and errors",
        "",
        "| Code | Meaning |",
        "|---|---|",
        *[f"| {code} | {meaning} |" for code, meaning in EXIT_MEANING.items()],
        "",
        f"Where several apply, the first of {order} wins. In SARIF, JUnit and verification",
        "summaries, undecided is a failure or an error, never a pass.",
        "",
        "An error, other than a denial, has a code made of its family and a case, such as",
        "`TG-CFG/unknown-key`, and says what, where, why and what to do next in at most 12 lines.",
        f"With `--format json` it is one object. Schemas: {', '.join(f'`{n}`' for n in NAMES)}.",
        "",
        "| Family | Error | Exit code | Meaning |",
        "|---|---|---|---|",
    ]
    for family, kinds in sorted(families().items()):
        for kind in sorted(kinds, key=lambda kind: (len(kind.__mro__), kind.__name__)):
            text = " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
            text = text.replace("``", "`")
            lines.append(f"| {family} | {kind.__name__} | {kind.exit_code} | {text} |")
    return "\n".join([*lines, ""])


def control_page() -> str:
    """Every control with its rules."""
    lines = [
        "# Controls and rules",
        "",
        f"{len(controls())} controls, {len(rules())} rules. `tidegate explain ID` shows the same.",
        "",
    ]
    stage = ""
    for control in controls().values():
        if control.stage != stage:
            stage = control.stage
            lines += [f"## {stage}", ""]
        lines += [f"### {control.id} {control.title}", ""]
        facts = (control.kind, control.severity.label, f"for each {control.applies_to}")
        lines += [", ".join(facts) + f"; evidence ages after {control.ttl_days} days.", ""]
        lines += [f"**Promise.** {control.promise} **Risk.** {control.risk}", ""]
        lines += [f"**Evidence.** {control.evidence} **Fix.** {control.fix}", ""]
        ids = [
            f"{name}: {', '.join(control.frameworks[key])}"
            for key, name in FRAMEWORKS.items()
            if key in control.frameworks
        ]
        lines += [f"*{'; '.join(ids)}*", ""] if ids else []
        for rule in rules_of(control.id):
            lines.append(f"- `{rule.id}` ({rule.severity.label}): {rule.title}. {rule.fix}")
        lines += [""] if rules_of(control.id) else []
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "config.md": config_page,
    "exit-codes.md": exit_code_page,
    "controls.md": control_page,
}


def stale(folder: Path, pages: Mapping[str, Callable[[], str]] = PAGES) -> Iterator[str]:
    """Yield the names of pages that differ from what the code gives."""
    for name, page in pages.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != NOTE + page():
            yield name


def main() -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when stale")
    if parser.parse_args().check:
        names = list(stale(FOLDER))
        for name in names:
            print(f"docs/reference/{name} is not current: run python tools/reference.py")
        return 1 if names else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(NOTE + page(), encoding="utf-8")
    return 0


def _commands(app: App, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in app:
        if not name.startswith("-"):
            yield (*before, name)
            yield from _commands(app[name], (*before, name))


def _target(field: Mapping[str, Any]) -> str:
    reference = field.get("$ref") or field["allOf"][0]["$ref"]
    return str(reference).rpartition("/")[2]


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    return "none" if value in (None, [], ()) else f"`{value}`"


def _meaning(field: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    text = str(field.get("description", "")).replace("``", "`").replace("\n", " ")
    items = field.get("items", {})
    if "$ref" in items:
        keys = document["$defs"][_target(items)]["properties"]
        text += f" Tables with the keys {', '.join(f'`{key}`' for key in keys)}."
    return text


if __name__ == "__main__":
    sys.exit(main())
