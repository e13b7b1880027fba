"""A finding: something wrong, with its rule, severity, place and evidence.

>>> finding = Finding("TG-ING-06/card-number", Severity.HIGH, "412 card numbers in `notes`",
...                   Location("drop.csv", column="notes"))
>>> finding.to_json()["severity"]
'high'
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from tidegate.core.canonical import Json
from tidegate.core.errors import VerificationError


class Severity(IntEnum):
    """How bad it is; ordered."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The lower-case name, as it is written everywhere."""
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the lower-case name.

        Raises:
            VerificationError: No such severity.
        """
        try:
            return cls[text.upper()]
        except KeyError:
            raise VerificationError(f"no such severity {text!r}", slug="bad-severity") from None


@dataclass(frozen=True, slots=True)
class Location:
    """Where in an artifact a finding sits; only what is known is set."""

    path: str
    """Path inside the subject, or the subject's own name; ``!`` separates archive members."""
    offset: int | None = None
    """Byte offset."""
    line: int | None = None
    """Line, from 1."""
    row: int | None = None
    """Table row, from 0."""
    column: str | None = None
    """Table column or field."""
    page: int | None = None
    """Document page, from 1."""

    def to_json(self) -> dict[str, Json]:
        """Return only the fields that are set."""
        fields = ("path", "offset", "line", "row", "column", "page")
        return {name: getattr(self, name) for name in fields if getattr(self, name) is not None}

    def __str__(self) -> str:
        parts = [self.path]
        if self.line is not None:
            parts.append(f"line {self.line}")
        if self.offset is not None:
            parts.append(f"offset {self.offset}")
        if self.column is not None:
            parts.append(f"column {self.column}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.page is not None:
            parts.append(f"page {self.page}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a detector was measured to do, shown with each of its findings."""

    recall: str
    """Share of attacks found, as a decimal string with its interval: ``0.97 [0.94, 0.99]``."""
    false_positive_rate: str
    """At this share of clean inputs flagged: ``0.01``."""
    data: str
    """On what it was measured."""
    date: str
    """When, as YYYY-MM-DD."""

    def to_json(self) -> dict[str, Json]:
        """Return the four fields."""
        return {
            "recall": self.recall,
            "falsePositiveRate": self.false_positive_rate,
            "data": self.data,
            "date": self.date,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong."""

    rule: str
    """Rule id: ``<control>/<slug>``."""
    severity: Severity
    message: str
    """One sentence for a person. Evidence in it is masked."""
    location: Location
    evidence: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Measured facts, canonical-JSON safe (no floats: write decimal strings). Masked."""
    fix: str | None = None
    """One next step, where the rule's own is too general."""

    @property
    def control(self) -> str:
        """The control that the rule serves, such as ``TG-ING-06``."""
        return self.rule.partition("/")[0]

    def to_json(self) -> dict[str, Json]:
        """Return the form that is signed inside a gate predicate."""
        out: dict[str, Json] = {
            "rule": self.rule,
            "severity": self.severity.label,
            "message": self.message,
            "location": self.location.to_json(),
        }
        if self.evidence:
            out["evidence"] = dict(self.evidence)
        if self.fix:
            out["fix"] = self.fix
        return out

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: A field is missing or has another type.
        """
        try:
            return cls(
                rule=str(value["rule"]),
                severity=Severity.parse(str(value["severity"])),
                message=str(value["message"]),
                location=Location(**value["location"]),
                evidence=dict(value.get("evidence", {})),
                fix=value.get("fix"),
            )
        except (KeyError, TypeError) as error:
            raise VerificationError(
                "not a finding", cause=str(error)[:200], slug="bad-finding"
            ) from None
