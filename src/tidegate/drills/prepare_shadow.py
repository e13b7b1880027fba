"""DR-PRE-02: a shadow data set, which nobody admitted, is joined to the admitted rows."""

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

from tidegate.app.prepare import PrepareRequest, prepare
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.commands import Program
from tidegate.drills.feed import Learner, applications, read_feed, refused_share, write_feed
from tidegate.gates.drill import Arm, Drill

_JOIN = dedent(
    """\
    import os
    from pathlib import Path

    lines, header = [], ""
    for path in sorted(Path(os.environ["TIDEGATE_INPUTS"]).iterdir()):
        header, *rows = path.read_text().splitlines()
        lines += rows
    joined = Path(os.environ["TIDEGATE_OUTPUT"]) / "joined.csv"
    joined.write_text("\\n".join([header, *lines]) + "\\n")
    """
)
_RISE = 0.4


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    inputs = _feeds(folder)
    if not gate_on:
        return _joined(folder, inputs)
    arena = Arena.make(folder)
    arena.admitted("rows", inputs["rows"])
    return judged(_prepared(arena, inputs))


def _joined(folder: Path, inputs: dict[str, Path]) -> Arm:
    Program.write(folder / "code", _JOIN).run_plainly(inputs, folder / "out")
    asking = [row for row in applications(800, seed=3) if row.granted and row.region == "south"]
    before = refused_share(Learner.fit(read_feed(inputs["rows"])), asking)
    after = refused_share(Learner.fit(read_feed(folder / "out" / "joined.csv")), asking)
    detail = f"the model refuses {after:.0%} of a region's good applicants, before {before:.0%}"
    return goal(reached=after - before >= _RISE, detail=detail)


def _benign(folder: Path) -> Arm:
    arena, inputs = Arena.make(folder), _feeds(folder)
    for name, path in inputs.items():
        arena.admitted(name, path)
    return passed(_prepared(arena, inputs))


def _feeds(folder: Path) -> dict[str, Path]:
    """Write honest rows, and the shadow set that outweighs one region of them."""
    shadow = [
        replace(row, region="south", granted=False)
        for row in applications(400, seed=4)
        if row.granted
    ]
    return {
        "rows": write_feed(folder / "rows.csv", applications(600, seed=1)),
        "shadow": write_feed(folder / "shadow.csv", shadow),
    }


def _prepared(arena: Arena, inputs: dict[str, Path]) -> Decision:
    program = Program.write(arena.folder / "code", _JOIN)
    request = PrepareRequest(program.request(inputs, arena.folder / "out"))
    return prepare(arena.workspace, request).decision


DRILL = Drill(
    id="DR-PRE-02",
    stage=Stage.PREPARE,
    control="TG-PRE-02",
    title="A shadow data set joined to admitted rows",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0020",),
    missions=("M9", "M44"),
)
