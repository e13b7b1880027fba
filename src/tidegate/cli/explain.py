"""``tidegate explain``: what a control promises, what a rule finds, what an error means."""

from typing import Annotated

from cyclopts import App

from tidegate.cli import output
from tidegate.cli.options import FLAT, Showing
from tidegate.govern.controls import controls
from tidegate.govern.pages import Page, families, page

app = App(name="explain", help="Tell about a control, a rule or an error code.")


@app.default
def explain(
    reference: str | None = None,
    /,
    *,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Tell about a control, a rule or an error code; without one, list the controls.

    JSON: `schema`, `id`, `heading`, `facts`, `sections`; without a reference `controls` (`id`,
    `title`, `stage`, `kind`, `severity`, `appliesTo`, `ttlDays`, `phaseDay`, `promise`, `risk`,
    `evidence`, `fix`, `frameworks`) and `errors`, the families.

    Args:
        reference: Such as TG-REG-03, TG-REG-03/pickle-call or TG-CFG/unknown-key.
        showing: How the answer is shown.
    """
    if reference is None:
        return _list(showing)
    found = page(reference)
    facts = ", ".join(f"{name} {value}" for name, value in found.facts.items())
    output.emit(showing, found.to_json(), found.heading, facts, _rows(found))
    return 0


def _list(showing: Showing) -> int:
    known = controls().values()
    table = output.Table(
        ("control", "severity", "promise in short"),
        [(control.id, control.severity.label, control.title) for control in known],
    )
    errors = sorted(families())
    facts = {"controls": [control.to_json() for control in known], "errors": errors}
    output.emit(showing, facts, table, f"Families of errors: {', '.join(errors)}")
    return 0


def _rows(found: Page) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for label, text in found.sections.items():
        pieces = (text,) if isinstance(text, str) else text
        rows += [(label if place == 0 else "", piece) for place, piece in enumerate(pieces)]
    return rows
