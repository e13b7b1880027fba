"""``tidegate demo``: one small pipeline through all seven gates, attacks included."""

import sys
from pathlib import Path
from textwrap import wrap

from cyclopts import App

from tidegate.cli import output
from tidegate.demo.narrator import Line, Mark
from tidegate.demo.run import Told, run

app = App(name="demo", help="Run a pipeline through all seven gates, attacks included.")

_MARKS = {Mark.PASSED: ("✓", "32"), Mark.STOPPED: ("■", "33"), Mark.WRONG: ("✗", "31")}


@app.default
def demo(folder: Path = Path("tidegate-demo"), /) -> int:
    """Run the demonstration in a new folder: offline, on real data, in under a minute.

    Args:
        folder: A folder that does not exist yet; a number is added if it does.
    """
    told = run(_free(folder), _show)
    _summary(told)
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


def _summary(told: Told) -> None:
    output.write(f"\n{_paint('Summary', '1')}\n")
    failed = told.narrator.failed
    rows = [
        ("gates", f"{told.gates} of 7 let the honest pipeline through"),
        ("attacks", f"{len(told.narrator.stopped)} stopped, {len(failed)} things went wrong"),
        ("ledger", f"{told.entries} signed entries, head {told.head}"),
        ("time", f"{told.seconds:.0f} s"),
        ("report", str(told.page)),
        ("verify", told.command),
        ("next", "tidegate init MY-WORKSPACE"),
    ]
    output.emit_text(rows)
