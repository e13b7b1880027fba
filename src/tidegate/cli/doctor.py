"""``tidegate doctor``: is everything in place, and what would be skipped."""

import os
from typing import Annotated

from cyclopts import App

from tidegate.app.doctor import Health, examine
from tidegate.app.site import Site
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Reading
from tidegate.core.clock import SystemClock

app = App(name="doctor", help="Check keys, clock, store, log and optional engines.")

_PROBLEM = 1


@app.default
def doctor(*, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """Check keys, clock, store, log, witnesses, isolation and extras; exit 1 on a problem.

    JSON: `ok`; `checks` (`name`, `health`, `says`, `remedy`).

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    site = Site.of(reading.workspace, os.environ)
    found = examine(site, lambda: session.reading(reading), SystemClock())
    problems = [one for one in found if one.health is Health.PROBLEM]
    warnings = sum(one.health is Health.WARNING for one in found)
    table = output.Table(
        ("check", "health", "what was found", "what helps"),
        [(one.name, one.health.value, one.says, one.remedy) for one in found],
    )
    facts = {"ok": not problems, "checks": [one.to_json() for one in found]}
    output.emit(reading, facts, table, f"{len(problems)} problems, {warnings} warnings")
    return _PROBLEM if problems else 0
