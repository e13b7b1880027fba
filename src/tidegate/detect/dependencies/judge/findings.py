"""How judges make a finding: rule, severity, place and facts in one form."""

from collections.abc import Mapping

from tidegate.core.canonical import Json
from tidegate.core.finding import Finding, Location, Severity
from tidegate.detect.dependencies.model import Dependency, shown_url
from tidegate.detect.dependencies.rules import rule


def finding(
    slug: str,
    message: str,
    place: Location,
    *,
    severity: Severity | None = None,
    evidence: Mapping[str, Json] | None = None,
    fix: str | None = None,
) -> Finding:
    """Return a finding of a rule."""
    found = rule(slug)
    level = found.severity if severity is None else severity
    return Finding(found.id, level, message[:400], place, dict(evidence or {}), fix)


def about(one: Dependency) -> dict[str, Json]:
    """Return the facts that name a dependency."""
    facts: dict[str, Json] = {"name": one.name, "ecosystem": one.ecosystem.value}
    if one.version:
        facts["version"] = one.version
    if one.address:
        facts["from"] = shown_url(one.address)
    return facts


def called(one: Dependency) -> str:
    """Return how a dependency is called in a message."""
    return f"{one.name} {one.version}" if one.version else one.name
