"""Resume by content address: a check that ran to its end over the same bytes is not run again.

The key is a digest over the check, its instrument's version and Tidegate's own, the subjects and
materials with their names (many readers go by a file's suffix), and what else it says that it
depends on. Only complete results are kept; byproducts are never recalled, so a check that writes
files states no ``resume_key``.
"""

from typing import Protocol

from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import sha256
from tidegate.core.errors import VerificationError
from tidegate.core.finding import Coverage, Finding
from tidegate.gates.contract import Artifact, Check, CheckResult, GateRequest
from tidegate.gates.inspect import signed
from tidegate.version import __version__

_SCHEMA = "check-result/v1"
_FLOAT = "float:"


class CheckCache(Protocol):
    """Keeps results by key, for one workspace."""

    def get(self, key: str) -> bytes | None:
        """Return what was kept."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Keep a result."""
        ...


class NoCache:
    """Keeps nothing."""

    def get(self, key: str) -> bytes | None:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return None

    def put(self, key: str, value: bytes) -> None:
        """Drop it."""


def resume_key(check: Check, request: GateRequest) -> str | None:
    """Return the content address of a check's result, or ``None`` when it always runs anew."""
    if check.resume_key is None:
        return None
    depends: Json = {
        "schema": _SCHEMA,
        "check": check.id,
        "detector": check.detector.to_json(),
        "tool": __version__,
        "subjects": list(map(_called, request.subjects)),
        "materials": list(map(_called, request.materials)),
        "also": dict(check.resume_key),
    }
    return sha256(dumps(depends)).hex


def _called(artifact: Artifact) -> list[Json]:
    place = None if artifact.path is None else artifact.path.name
    return [str(artifact.digest), artifact.name, artifact.kind, place]


def remember(cache: CheckCache, key: str | None, result: CheckResult) -> None:
    """Keep a complete result that wrote nothing."""
    if key is None or result.byproducts:
        return
    facts = {
        name: f"{_FLOAT}{value!r}" if isinstance(value, float) else signed(value)
        for name, value in result.facts.items()
    }
    body: Json = {
        "coverage": [result.coverage.planned, result.coverage.examined, result.coverage.unit],
        "findings": [finding.to_json() for finding in result.findings],
        "facts": facts,
    }
    cache.put(key, dumps(body))


def recall(cache: CheckCache, key: str | None, check: Check) -> CheckResult | None:
    """Return the kept result; a damaged one is as good as none."""
    kept = None if key is None else cache.get(key)
    if kept is None:
        return None
    try:
        body = loads(kept, what=f"kept result of {check.id}")
        planned, examined, unit = body["coverage"]
        facts = {
            name: float(value.removeprefix(_FLOAT))
            if isinstance(value, str) and value.startswith(_FLOAT)
            else value
            for name, value in body["facts"].items()
        }
        findings = tuple(Finding.from_json(item) for item in body["findings"])
    except (VerificationError, KeyError, TypeError, ValueError):
        return None
    return CheckResult(Coverage(planned, examined, unit=unit), findings, facts)
