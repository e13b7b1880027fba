"""Self-contained pages from the templates that ship: no script, one style, pinned by its hash.

Values come from artifacts and are untrusted: the engine escapes them, and refuses an unknown name.

>>> style_hash("p {}")
'SNJDlN1Iy2mnt7DOjQIyDb2LQE6O5PQiSZomcdzawQ4='
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup


def render_page(template: str, styles: Sequence[str], **values: object) -> str:
    """Return a page as HTML.

    Args:
        template: Name of the template's file. It has ``style`` and ``style_hash`` beside the
            values, and states the hash in its content security policy.
        styles: Names of the style sheets' files, joined in this order.
        values: What the template shows; escaped unless it is a ``Markup`` of our own making.
    """
    style = "\n".join(map(_text, styles))
    return (
        _environment()
        .from_string(_text(template))
        .render(
            style=Markup(style),  # noqa: S704 - our own files, whose hash the policy names
            style_hash=style_hash(style),
            **values,
        )
    )


def style_hash(style: str) -> str:
    """Return the hash of a style sheet as a content security policy states it (CSP 3, SHA-256)."""
    return b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(autoescape=True, undefined=StrictUndefined)


@lru_cache(maxsize=8)
def _text(name: str) -> str:
    return (files("tidegate.report") / "templates" / name).read_text("utf-8").strip()
