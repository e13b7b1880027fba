"""Whether a third-party model is the one that it claims to be: publisher, revision, bytes.

What a hub's cache says is a claim, and it is signed as one. Three things are judged: that the
publisher is one of those who are allowed, that no tag means another commit than when it was
admitted before, and that the bytes are those that the cache's own names promise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.core.canonical import Json
from tidegate.core.finding import Coverage, Detector, Finding, Location, Rule, Severity
from tidegate.gates.contract import Check, CheckResult

RULES = (
    Rule(
        "TG-REG-07/unlisted-publisher",
        "A third-party model of a publisher that is not on the list",
        Severity.HIGH,
        "Anybody can publish a model under a name that sounds right.",
        "Have the publisher looked at, and add it to huggingface.publishers.",
        atlas=("AML.T0010.003", "AML.T0058"),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
    Rule(
        "TG-REG-07/moved-ref",
        "A tag that means another commit than before",
        Severity.HIGH,
        "Who can move a tag replaces a model under everybody who names it by the tag.",
        "Find out who moved it; admit the commit under a new tag, or list it as a branch.",
        atlas=("AML.T0010.003", "AML.T0058"),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
    Rule(
        "TG-REG-07/altered-blob",
        "A file in the cache that is not what its name promises",
        Severity.CRITICAL,
        "It was changed after it was fetched, or fetched wrongly.",
        "Delete it from the cache, fetch it again, and find out who writes there.",
        atlas=("AML.T0010.003",),
        owasp=("LLM03:2025", "ML06:2023"),
    ),
)
_DETECTOR = Detector("model-origin", "1")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Moved:
    """A tag, and what it meant when it was admitted before."""

    ref: str
    before: str
    version: str
    """``NAME@VERSION`` of that admission."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a model says that it comes from, and what is known of that."""

    repository: str
    revision: str
    refs: tuple[str, ...]
    listed: bool
    """Whether its publisher is allowed."""
    moved: tuple[Moved, ...] = ()
    altered: tuple[str, ...] = ()
    files: int = 1

    def to_json(self) -> dict[str, Json]:
        """Return the claim that is signed with the admission."""
        return {
            "hub": "huggingface",
            "repository": self.repository,
            "revision": self.revision,
            "refs": list(self.refs),
        }


def origin_check(origin: Origin | None) -> Check:
    """Check a claim of origin; without one there is nothing third-party to doubt."""
    return Check("origin", "TG-REG-07", _DETECTOR, lambda: _result(origin))


def claimed_origin(parameters: Mapping[str, Json]) -> tuple[str, str, tuple[str, ...]] | None:
    """Read repository, revision and refs from an admission's parameters."""
    told = parameters.get("origin")
    if not isinstance(told, dict):
        return None
    refs = told.get("refs")
    listed = tuple(str(ref) for ref in refs) if isinstance(refs, list) else ()
    return str(told.get("repository", "")), str(told.get("revision", "")), listed


def _result(origin: Origin | None) -> CheckResult:
    if origin is None:
        facts = {"third_party": False, "listed": True, "moved": 0, "altered": 0}
        return CheckResult(Coverage(1, 1, unit="claim"), (), facts)
    where = Location(origin.repository)
    findings: list[Finding] = []
    if not origin.listed:
        text = f"{origin.repository} is of no publisher on the list"
        findings.append(Finding("TG-REG-07/unlisted-publisher", Severity.HIGH, text, where))
    for moved in origin.moved[:_SHOWN]:
        text = (
            f"{moved.ref} means {origin.revision[:12]}, and meant {moved.before[:12]} when"
            f" {moved.version} was admitted"
        )
        findings.append(Finding("TG-REG-07/moved-ref", Severity.HIGH, text, where))
    for name in origin.altered[:_SHOWN]:
        text = "its bytes are not those that the name of its blob promises"
        rule = "TG-REG-07/altered-blob"
        findings.append(Finding(rule, Severity.CRITICAL, text, Location(name)))
    facts = {
        "third_party": True,
        "listed": origin.listed,
        "moved": len(origin.moved),
        "altered": len(origin.altered),
    }
    return CheckResult(Coverage(origin.files, origin.files, unit="file"), tuple(findings), facts)
