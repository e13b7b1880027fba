"""``tidegate doctor``: is everything in place, and what would be skipped."""

import os
from typing import Annotated

from cyclopts import App

from tidegate.app.doctor import Health, examine
from tidegate.app.site import Site
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place
from tidegate.core.clock import SystemClock

app = App(name="doctor", help="Check keys, clock, store, log and optional engines.")

_PROBLEM = 1


@app.default
def doctor(
    *,
    place: Annotated[Place, FLAT] = Place(),
    format: output.Shape = output.Shape.TEXT,  # noqa: A002 - the flag's name
) -> int:
    """Check keys, clock, store, log, witnesses, isolation and extras; exit 1 on a problem.

    Args:
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    site = Site.of(place.workspace, os.environ)
    found = examine(site, lambda: session.reading(place), SystemClock())
    problems = [one for one in found if one.health is Health.PROBLEM]
    if format is output.Shape.JSON:
        output.emit_json({"ok": not problems, "checks": [one.to_json() for one in found]})
        return _PROBLEM if problems else 0
    output.emit_table(
        ("check", "health", "what was found", "what helps"),
        [(one.name, one.health.value, one.says, one.remedy) for one in found],
    )
    warnings = sum(one.health is Health.WARNING for one in found)
    output.write(f"{len(problems)} problems, {warnings} warnings\n")
    return _PROBLEM if problems else 0
