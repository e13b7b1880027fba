"""What ``tidegate explain`` tells: a page for a control, a rule, or a family of errors.

>>> page("TG-REG-03").heading
'TG-REG-03 Model files are scanned before anyone loads them'
>>> page("TG-CFG/unknown-key").facts["exit code"]
'2'
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from tidegate.core import errors
from tidegate.core.canonical import Json
from tidegate.core.errors import TidegateError, UsageError
from tidegate.core.finding import Rule
from tidegate.govern.controls import FRAMEWORKS, Control, controls
from tidegate.govern.rules import rules_of

_FAMILY_ADVICE: Mapping[str, str] = {
    "TG-BUG": "Report it. TIDEGATE_DEBUG=1 shows the traceback; read it before you send it.",
    "TG-USE": "Look at the command's --help.",
    "TG-CFG": "Run `tidegate config check`; `tidegate config show --origin` tells where each "
    "value comes from.",
    "TG-POL": "Run `tidegate policy --help`; a bundle carries its own tests.",
    "TG-ACC": "Act as another principal with --as, or have the role granted by `tidegate trust`.",
    "TG-SUB": "Check the path, and that nothing writes to it meanwhile.",
    "TG-CHK": "The gate is undecided until the check can run; `tidegate doctor` shows what is "
    "missing.",
    "TG-VER": "Do not use the artifact. Compare it with the one that was signed; `tidegate verify` "
    "names the first thing that does not match.",
    "TG-LOG": "Stop writing and keep the store as it is; run `tidegate log --help` for its checks.",
    "TG-STO": "Look at disk, database and other processes, then run the command again; nothing "
    "was half written.",
    "TG-NET": "Check that the other system is up, then run the command again.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A heading, short facts, and sections of one paragraph or list."""

    id: str
    heading: str
    facts: Mapping[str, str]
    sections: Mapping[str, str | tuple[str, ...]]

    def to_json(self) -> dict[str, Json]:
        """Return the page for programs (schema: page/v1)."""
        return {
            "schema": "page/v1",
            "id": self.id,
            "heading": self.heading,
            "facts": dict(self.facts),
            "sections": {
                key: value if isinstance(value, str) else list(value)
                for key, value in self.sections.items()
            },
        }


def page(reference: str) -> Page:
    """Return the page of a control, rule or error code, in any letter case.

    Raises:
        UsageError: There is no such thing; the nearest id is suggested.
    """
    head, _, slug = reference.partition("/")
    head, slug = head.upper(), slug.lower()
    known = f"{head}/{slug}" if slug else head
    if known in controls():
        return _control(controls()[known])
    if head in families():
        return _family(head, known)
    if head not in controls():
        raise _unknown(reference)
    for rule in rules_of(head):
        if rule.id == known:
            return _rule(rule)
    raise _unknown_rule(head, slug)


def families() -> Mapping[str, tuple[type[TidegateError], ...]]:
    """Return the error classes by the family of their codes."""
    found: dict[str, list[type[TidegateError]]] = {}
    for kind in _error_classes():
        found.setdefault(kind.family, []).append(kind)
    return {family: tuple(kinds) for family, kinds in found.items()}


def _error_classes() -> Iterator[type[TidegateError]]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, TidegateError):
            yield kind


def _control(control: Control) -> Page:
    sections: dict[str, str | tuple[str, ...]] = {
        "promise": control.promise,
        "risk": control.risk,
        "evidence": control.evidence,
        "fix": control.fix,
        "rules": _rules(control.id),
        "frameworks": tuple(
            f"{name}: {', '.join(control.frameworks[key])}"
            for key, name in FRAMEWORKS.items()
            if key in control.frameworks
        ),
        "waive": _waive(control.id),
    }
    facts = {
        "stage": control.stage,
        "kind": control.kind,
        "severity": control.severity.label,
        "applies to": control.applies_to,
        "evidence ages after": f"{control.ttl_days} days",
    }
    return Page(control.id, f"{control.id} {control.title}", facts, sections)


def _rules(control: str) -> tuple[str, ...]:
    lines = [f"{rule.id} ({rule.severity.label}): {rule.title}" for rule in rules_of(control)]
    return tuple(lines) or ("none; policy decides over facts alone",)


def _rule(rule: Rule) -> Page:
    facts = {"severity": rule.severity.label, "control": rule.control}
    sections: dict[str, str | tuple[str, ...]] = {"risk": rule.risk, "fix": rule.fix}
    if rule.control in controls():
        sections["promise"] = controls()[rule.control].promise
    ids = (*rule.atlas, *rule.owasp)
    if ids:
        sections["frameworks"] = ", ".join(ids)
    sections["waive"] = _waive(rule.control)
    return Page(rule.id, f"{rule.id} {rule.title}", facts, sections)


def _family(family: str, code: str) -> Page:
    kinds = sorted(families()[family], key=lambda kind: len(kind.__mro__))
    exits = sorted({kind.exit_code for kind in kinds})
    sections: dict[str, str | tuple[str, ...]] = {
        "what": _summary(kinds[0]),
        "next step": _FAMILY_ADVICE[family],
    }
    if len(kinds) > 1:
        sections["kinds"] = tuple(
            f"{kind.__name__} (exit code {kind.exit_code}): {_summary(kind)}" for kind in kinds[1:]
        )
    facts = {"exit code": ", ".join(str(code) for code in exits)}
    return Page(code, f"{code} an error, not a verdict", facts, sections)


def _summary(kind: type[TidegateError]) -> str:
    paragraph = (inspect.getdoc(kind) or "").partition("\n\n")[0]
    return " ".join(paragraph.replace("``", "").split())


def _waive(control: str) -> str:
    return (
        f"An exception to {control} is a signed log entry with owner, reason and an end at most "
        "30 days away, approved by two others; see `tidegate waive --help`. After its end the "
        "control denies again."
    )


def _unknown_rule(control: str, slug: str) -> UsageError:
    slugs = [rule.id.partition("/")[2] for rule in rules_of(control)]
    close = [name for name in slugs if name.startswith(slug)]
    close = close or get_close_matches(slug, slugs, n=1)
    step = f"did you mean {control}/{close[0]}?" if close else f"see `tidegate explain {control}`"
    return UsageError(f"{control} has no rule {slug!r}", next_step=step, slug="unknown-id")


def _unknown(reference: str) -> UsageError:
    close = get_close_matches(reference.upper(), [*controls(), *families()], n=1)
    step = f"did you mean {close[0]}?" if close else "`tidegate explain` lists what there is"
    problem = f"there is no control, rule or error {reference!r}"
    return UsageError(problem, next_step=step, slug="unknown-id")
