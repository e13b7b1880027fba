"""A validation scorecard: canonical JSON, and one page with the intervals drawn to scale.

The page is self-contained, without script, under a strict content security policy. What came from
artifacts is untrusted: the template engine escapes it.

>>> bar = Bar("a", 400, 0.91, 0.88, 0.935)
>>> card = Scorecard("<model>", "sha256:00", "y", "1", sections=(Section("Accuracy", (bar,)),))
>>> "&lt;model&gt;" in card.to_html() and "default-src 'none'" in card.to_html()
True
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.core.canonical import Json, dumps
from tidegate.report.template import render_page

SCHEMA = "scorecard/v1"
JSON_NAME, HTML_NAME = "scorecard.json", "scorecard.html"
_MAX_BARS = 400


@dataclass(frozen=True, slots=True)
class SetRow:
    """A validation set."""

    name: str
    digest: str
    rows: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A rate with its interval, all between 0 and 1."""

    label: str
    rows: int
    value: float
    low: float
    high: float
    judged: bool = True
    """Whether there are enough rows to decide by it."""

    @property
    def text(self) -> str:
        """The figures as they are shown."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_json(self) -> dict[str, Json]:
        """Return decimal strings, as canonical JSON wants them."""
        return {
            "label": self.label,
            "rows": self.rows,
            "value": f"{self.value:.6f}",
            "low": f"{self.low:.6f}",
            "high": f"{self.high:.6f}",
            "judged": self.judged,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement over sets or groups."""

    title: str
    bars: Sequence[Bar]

    @property
    def shown(self) -> Sequence[Bar]:
        """The bars that the page draws; the JSON holds all."""
        return self.bars[:_MAX_BARS]


@dataclass(frozen=True, slots=True)
class Note:
    """A finding in one line."""

    severity: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What a validation measured; the verdict itself stands in the ledger."""

    model: str
    digest: str
    label: str
    positive: str
    sets: Sequence[SetRow] = ()
    sections: Sequence[Section] = ()
    facts: Mapping[str, bool | int | float | str] = field(
        default_factory=dict[str, bool | int | float | str]
    )
    notes: Sequence[Note] = ()
    failure: str = ""
    """Why the model was not asked, where it was not."""

    def to_json(self) -> dict[str, Json]:
        """Return the machine-readable form (schema: scorecard/v1)."""
        return {
            "schema": SCHEMA,
            "model": {"name": self.model, "digest": self.digest},
            "label": self.label,
            "positive": self.positive,
            "sets": [
                {"name": item.name, "digest": item.digest, "rows": item.rows} for item in self.sets
            ],
            "measurements": [
                {"title": part.title, "values": [bar.to_json() for bar in part.bars]}
                for part in self.sections
            ],
            "facts": {
                name: repr(value) if isinstance(value, float) else value
                for name, value in self.facts.items()
            },
            "findings": [
                {"severity": note.severity, "rule": note.rule, "message": note.message}
                for note in self.notes
            ],
            "failure": self.failure,
        }

    def to_html(self) -> str:
        """Return the page."""
        return render_page("scorecard.html.j2", ["story.css", "scorecard.css"], card=self)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both forms into a folder that exists, and return their paths.

        Raises:
            OSError: It can't be written.
        """
        data, page = folder / JSON_NAME, folder / HTML_NAME
        data.write_bytes(dumps(self.to_json()))
        page.write_text(self.to_html(), "utf-8")
        return data, page
