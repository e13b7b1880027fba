"""``tidegate graph``: what is under an artifact, and what derives from it."""

from typing import Annotated

from cyclopts import App

from tidegate.app.names import find_artifact
from tidegate.app.picture import picture
from tidegate.app.workspace import Workspace
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Reading, Target
from tidegate.graph.lineage import Walk, taint, trace

app = App(name="graph", help="Lineage: trace what is under, taint what is derived.")


@app.command(name="trace")
def trace_(artifact: str, /, *, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """List everything that an artifact was made from.

    JSON: `start`; `artifacts` (`digest`, `name`, `kind`, `firstIndex`); `edges` (`from`, `to`,
    `index`).

    Args:
        artifact: A path, a digest or a name.
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    digest = find_artifact(workspace, artifact)
    walk = trace(workspace.projections, digest)
    return _show(workspace, walk, reading, "the log has nothing that it was made from")


@app.command(name="taint")
def taint_(artifact: str, /, *, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """List everything that derives from an artifact.

    JSON: `start`; `artifacts` (`digest`, `name`, `kind`, `firstIndex`); `edges` (`from`, `to`,
    `index`).

    Args:
        artifact: A path, a digest or a name.
        reading: Where the workspace is, and how the answer is shown.
    """
    workspace = session.reading(reading)
    digest = find_artifact(workspace, artifact)
    walk = taint(workspace.projections, digest)
    return _show(workspace, walk, reading, "the log has nothing that derives from it")


@app.command
def draw(
    target: Target,
    artifact: str | None = None,
    /,
    *,
    reading: Annotated[Reading, FLAT] = Reading(),
) -> int:
    """Draw the lineage graph as SVG, of one artifact or of all.

    JSON: `file`; `start`, the artifact's digest, null for all.

    Args:
        target: The SVG file to write; - is standard output.
        artifact: A path, a digest or a name; everything where absent.
        reading: Where the workspace is, and how the answer is shown.
    """
    output.check_target(reading, target)
    workspace = session.reading(reading)
    digest = find_artifact(workspace, artifact) if artifact else None
    workspace.catch_up()
    drawn = picture(workspace, digest)
    output.emit_document(reading, drawn, target, {"start": digest}, [("drawn", str(target))])
    return 0


def _show(workspace: Workspace, walk: Walk, reading: Reading, nothing: str) -> int:
    rows = [workspace.projections.artifact(digest) for digest in walk.digests]
    known = [row for row in rows if row is not None]
    facts = {
        "start": walk.start,
        "artifacts": [
            {
                "digest": row.digest,
                "name": row.name,
                "kind": row.kind,
                "firstIndex": row.first_index,
            }
            for row in known
        ],
        "edges": [{"from": e.src, "to": e.dst, "index": e.index} for e in walk.edges],
    }
    table = output.Table(
        ("artifact", "kind", "digest", "first in log"),
        [(row.name, row.kind, row.digest[:19], row.first_index) for row in known],
        nothing,
    )
    output.emit(reading, facts, table)
    return 0
