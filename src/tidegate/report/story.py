"""One page that tells what happened and how to prove it: self-contained, no script, strict CSP.

Everything on it that came from artifacts is untrusted and escaped by the template engine; the
lineage picture alone is markup, and :mod:`tidegate.report.lineage` escapes what it draws.

>>> html = render(Story("A title", "What it is about <b>"))
>>> "&lt;b&gt;" in html and "default-src 'none'" in html
True
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tidegate.report.lineage import Node, draw
from tidegate.report.template import render_page


@dataclass(frozen=True, slots=True)
class Card:
    """A figure at the top."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    """``allow`` or ``deny`` colours the border."""


@dataclass(frozen=True, slots=True)
class Table:
    """A section with a table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    mono: frozenset[int] = frozenset()
    """Columns that hold digests and code."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something that the reader can run."""

    what: str
    line: str


@dataclass(frozen=True, slots=True)
class Story:
    """The content of the page."""

    title: str
    lead: str
    cards: Sequence[Card] = ()
    nodes: Sequence[Node] = ()
    edges: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    commands: Sequence[Command] = ()
    footer: str = ""

    @property
    def picture(self) -> bool:
        """Whether there is a graph to draw."""
        return bool(self.nodes)


def render(story: Story) -> str:
    """Return the page as HTML."""
    picture = draw(story.nodes, story.edges, title=f"Lineage: {story.title}")
    return render_page(
        "story.html.j2",
        ["story.css"],
        story=story,
        picture=Markup(picture),  # noqa: S704 - drawn by us, its texts are escaped there
    )
