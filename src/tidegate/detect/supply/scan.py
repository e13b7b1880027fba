"""The state of one file's examination: where we are, what was found, what is missing."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tidegate.core.canonical import Json
from tidegate.core.finding import Finding, Location, Severity
from tidegate.detect.supply.allow.packs import Allowlist
from tidegate.detect.supply.archives.windows import Window
from tidegate.detect.supply.budget import Meter
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.report import MAX_NAME, MAX_NAMES
from tidegate.detect.supply.rules import severity_of

Descend = Callable[["Scan", "bytes | Window"], str]


@dataclass(slots=True)
class Notes:
    """Findings and gaps of one file; shared by all levels of nesting in it."""

    findings: list[Finding] = field(default_factory=list[Finding])
    gaps: list[str] = field(default_factory=list[str])
    failed: bool = False
    seen: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])
    names: dict[str, None] = field(default_factory=dict[str, None])
    """Code that loading the file would look up: ``module:name``."""
    names_cut: bool = False
    """Whether there were more names than are kept."""


@dataclass(slots=True)
class Scan:
    """Handed to every examiner."""

    path: str
    """``model.zip!data.pkl``: ``!`` separates archive members."""
    meter: Meter
    allowlist: Allowlist
    descend: Descend
    """Examines nested content by its own type, and names the type."""
    notes: Notes = field(default_factory=Notes)
    depth: int = 0

    def find(
        self,
        slug: str,
        message: str,
        offset: int | None = None,
        *,
        severity: Severity | None = None,
        about: str = "",
        evidence: Mapping[str, Json] | None = None,
    ) -> None:
        """Record a finding; the same rule about the same thing is told once a member.

        Args:
            slug: The rule's last part: ``pickle-call``.
            message: One sentence.
            offset: Byte offset in this level's content.
            severity: Where it differs from the rule's own.
            about: What tells two findings of one rule apart; the message where it is empty.
            evidence: Facts.
        """
        key = (self.path, slug, about or message)
        full = len(self.notes.findings) >= self.meter.budget.findings
        if full or key in self.notes.seen:
            return
        self.notes.seen.add(key)
        self.notes.findings.append(
            Finding(
                f"TG-REG-03/{slug}",
                severity_of(slug) if severity is None else severity,
                message,
                Location(self.path, offset=offset),
                dict(evidence or {}),
            )
        )

    def gap(self, why: str, *, failed: bool = False) -> None:
        """Record that something could not be examined."""
        text = why if self.depth == 0 else f"{self.path.partition('!')[2]}: {why}"
        if text not in self.notes.gaps and len(self.notes.gaps) < self.meter.budget.findings:
            self.notes.gaps.append(text)
        self.notes.failed |= failed

    def refer(self, module: str, name: str) -> None:
        """Keep the name of code that loading would look up, allowed or not.

        After an advisory about it somebody asks which models refer to it, and the file may be gone.
        """
        names = self.notes.names
        key = f"{module}:{name}"
        if key in names:
            return
        key = printable(key, 8 * MAX_NAME)
        if key not in names and (len(names) >= MAX_NAMES or len(key) > MAX_NAME):
            self.notes.names_cut = True
        else:
            names[key] = None

    @contextmanager
    def inside(self, name: str) -> "Generator[Scan]":
        """Enter a member, a compressed body or an embedded stream.

        Raises:
            BudgetSpentError: Too deep.
        """
        self.meter.nest(self.depth + 1)
        yield Scan(
            f"{self.path}!{printable(name)}",
            self.meter,
            self.allowlist,
            self.descend,
            self.notes,
            self.depth + 1,
        )

    def silent(self) -> "Scan":
        """Return a scan with notes of its own, for looking ahead."""
        return Scan(self.path, self.meter, self.allowlist, self.descend, Notes(), self.depth)
