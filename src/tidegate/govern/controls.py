"""The control catalogue: 76 promises, as data.

>>> controls()["TG-REG-03"].stage
'registry'
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from tidegate.core.canonical import Json
from tidegate.core.finding import Severity

FRAMEWORKS: Mapping[str, str] = MappingProxyType(
    {
        "atlas": "MITRE ATLAS techniques",
        "atlas-mitigations": "MITRE ATLAS mitigations",
        "owasp-llm": "OWASP Top 10 for LLM applications",
        "owasp-agentic": "OWASP Top 10 for agentic applications",
        "owasp-ml": "OWASP Machine Learning Security Top 10",
        "owasp-aisvs": "OWASP AISVS sections",
        "nist-ai-rmf": "NIST AI RMF",
        "nist-800-218a": "NIST SP 800-218A",
        "iso-42001": "ISO/IEC 42001 Annex A",
        "eu-ai-act": "EU AI Act",
    }
)
"""Public frameworks that controls are mapped to, by the key used in the data."""


@dataclass(frozen=True, slots=True)
class Control:
    """A promise that evidence in the log can keep or break."""

    id: str
    """``TG-REG-03``."""
    title: str
    stage: str
    """A pipeline stage, or ``govern``, ``platform`` or ``respond``."""
    kind: str
    """``preventive``, ``detective`` or ``responsive``."""
    severity: Severity
    """How bad it is when it fails."""
    applies_to: str
    """What it is judged for: system, dataset, job, model, endpoint or instance."""
    ttl_days: int
    """Age at which its evidence counts as stale."""
    phase_day: int
    """By which day of the introduction plan it should hold: 30, 60 or 90."""
    promise: str
    risk: str
    evidence: str
    fix: str
    frameworks: Mapping[str, tuple[str, ...]]
    """Ids in public frameworks, by key of :data:`FRAMEWORKS`."""

    def to_json(self) -> dict[str, Json]:
        """Return the entry as the data file has it."""
        return {
            "id": self.id,
            "title": self.title,
            "stage": self.stage,
            "kind": self.kind,
            "severity": self.severity.label,
            "appliesTo": self.applies_to,
            "ttlDays": self.ttl_days,
            "phaseDay": self.phase_day,
            "promise": self.promise,
            "risk": self.risk,
            "evidence": self.evidence,
            "fix": self.fix,
            "frameworks": {key: list(ids) for key, ids in self.frameworks.items()},
        }


@cache
def controls() -> Mapping[str, Control]:
    """Return the catalogue by control id, in its order."""
    text = files("tidegate.govern").joinpath("data/controls.json").read_text(encoding="utf-8")
    return MappingProxyType({item["id"]: _control(item) for item in json.loads(text)["controls"]})


def _control(item: Mapping[str, Json]) -> Control:
    return Control(
        id=item["id"],
        title=item["title"],
        stage=item["stage"],
        kind=item["kind"],
        severity=Severity.parse(item["severity"]),
        applies_to=item["appliesTo"],
        ttl_days=item["ttlDays"],
        phase_day=item["phaseDay"],
        promise=item["promise"],
        risk=item["risk"],
        evidence=item["evidence"],
        fix=item["fix"],
        frameworks=MappingProxyType({key: tuple(ids) for key, ids in item["frameworks"].items()}),
    )
