"""One page that tells what happened and how to prove it: self-contained, no script, strict CSP.

Everything on it that came from artifacts is untrusted and escaped by the template engine; the
lineage picture alone is markup, and :mod:`tidegate.report.lineage` escapes what it draws.

>>> html = render(Story("A title", "What it is about <b>"))
>>> "&lt;b&gt;" in html and "default-src 'none'" in html
True
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tidegate.report.lineage import Node, draw


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
    style = _template_text("story.css")
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    picture = draw(story.nodes, story.edges, title=f"Lineage: {story.title}")
    return (
        _environment()
        .from_string(_template_text("story.html.j2"))
        .render(
            story=story,
            style=Markup(style),  # noqa: S704 - our own file, whose hash the policy names
            style_hash=digest,
            picture=Markup(picture),  # noqa: S704 - drawn by us, its texts are escaped there
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(autoescape=True, undefined=StrictUndefined)


@lru_cache(maxsize=4)
def _template_text(name: str) -> str:
    return (files("tidegate.report") / "templates" / name).read_text("utf-8").strip()
