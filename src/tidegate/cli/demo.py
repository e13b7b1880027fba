"""``tidegate demo``: one small pipeline through all seven gates, attacks included."""

import sys
from pathlib import Path
from textwrap import wrap
from typing import Annotated

from cyclopts import App

from tidegate.cli import output
from tidegate.cli.options import FLAT, Showing
from tidegate.core.canonical import Json
from tidegate.demo.narrator import Line, Mark
from tidegate.demo.run import Told, run

app = App(name="demo", help="Run a pipeline through all seven gates, attacks included.")

_MARKS = {Mark.PASSED: ("✓", "32"), Mark.STOPPED: ("■", "33"), Mark.WRONG: ("✗", "31")}


@app.default
def demo(
    folder: Path = Path("tidegate-demo"),
    /,
    *,
    showing: Annotated[Showing, FLAT] = Showing(),
) -> int:
    """Run the demonstration in a new folder: offline, on real data, in under a minute.

    JSON: `ok`; `gates`, `stopped`, `wrong`, how many; `entries`, `head`, of the ledger; `seconds`,
    `report`, `verify`, the command; `lines` (`scene`, `mark`, `what`, `why`, `seconds`).

    Args:
        folder: A folder that does not exist yet; a number is added if it does.
        showing: How it is shown; a program gets all of it at the end.
    """
    told = run(_free(folder), _silent if showing.as_json else _show)
    if not showing.as_json:
        output.write(f"\n{_paint('Summary', '1')}\n")
    output.emit(showing, _facts(told), _summary(told))
    return 0 if not told.narrator.failed else 1


def _free(folder: Path) -> Path:
    number, place = 1, folder
    while place.exists():
        number += 1
        place = folder.with_name(f"{folder.name}-{number}")
    return place


def _show(line: str | Line) -> None:
    if isinstance(line, str):
        output.write(f"\n{_paint(line, '1')}\n")
        return
    mark, colour = _MARKS[line.mark]
    head = f"  {_paint(mark, colour)} {line.what}"
    told = wrap(line.why, output.width() - 6, max_lines=2, placeholder=" …")
    output.write("".join([head, "\n", *(f"      {_paint(row, '2')}\n" for row in told)]))


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if output.colour(sys.stdout) else text


def _silent(_line: str | Line) -> None:
    """Leave the output to the one answer at the end."""


def _facts(told: Told) -> dict[str, Json]:
    return {
        "ok": not told.narrator.failed,
        "gates": told.gates,
        "stopped": len(told.narrator.stopped),
        "wrong": len(told.narrator.failed),
        "entries": told.entries,
        "head": told.head,
        "seconds": round(told.seconds, 1),
        "report": str(told.page),
        "verify": told.command,
        "lines": [
            {"scene": line.scene, "mark": line.mark.value, "what": line.what, "why": line.why,
             "seconds": round(line.seconds, 3)}
            for line in told.narrator.lines
        ],
    }  # fmt: skip


def _summary(told: Told) -> list[tuple[str, str]]:
    failed = told.narrator.failed
    return [
        ("gates", f"{told.gates} of 7 let the honest pipeline through"),
        ("attacks", f"{len(told.narrator.stopped)} stopped, {len(failed)} things went wrong"),
        ("ledger", f"{told.entries} signed entries, head {told.head}"),
        ("time", f"{told.seconds:.0f} s"),
        ("report", str(told.page)),
        ("verify", output.Whole(told.command)),
        ("next", "tidegate init MY-WORKSPACE"),
    ]
