"""``tidegate explain``: what a control promises, what a rule finds, what an error means."""

from cyclopts import App

from tidegate.cli import output
from tidegate.govern.controls import controls
from tidegate.govern.pages import Page, families, page

app = App(name="explain", help="Tell about a control, a rule or an error code.")


@app.default
def explain(
    reference: str | None = None,
    /,
    *,
    format: output.Shape = output.Shape.TEXT,  # noqa: A002 - it is the flag's name
) -> int:
    """Tell about a control, a rule or an error code; without one, list the controls.

    Args:
        reference: Such as TG-REG-03, TG-REG-03/pickle-call or TG-CFG/unknown-key.
        format: Text or one JSON document.
    """
    if reference is None:
        return _list(format)
    found = page(reference)
    if format is output.Shape.JSON:
        output.emit_json(found.to_json())
    else:
        facts = ", ".join(f"{name} {value}" for name, value in found.facts.items())
        output.write(f"{found.heading}\n{facts}\n")
        output.emit_text(_rows(found))
    return 0


def _list(shape: output.Shape) -> int:
    if shape is output.Shape.JSON:
        output.emit_json([control.to_json() for control in controls().values()])
        return 0
    output.emit_table(
        ("control", "severity", "promise in short"),
        [(control.id, control.severity.label, control.title) for control in controls().values()],
    )
    output.write(f"Families of errors: {', '.join(sorted(families()))}\n")
    return 0


def _rows(found: Page) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for label, text in found.sections.items():
        pieces = (text,) if isinstance(text, str) else text
        rows += [(label if place == 0 else "", piece) for place, piece in enumerate(pieces)]
    return rows
