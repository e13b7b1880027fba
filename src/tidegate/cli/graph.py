"""``tidegate graph``: what is under an artifact, and what derives from it."""

from pathlib import Path
from typing import Annotated

from cyclopts import App

from tidegate.app.names import find_artifact
from tidegate.app.picture import picture
from tidegate.app.workspace import Workspace
from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Place
from tidegate.graph.lineage import Walk, taint, trace

app = App(name="graph", help="Lineage: trace what is under, taint what is derived.")


@app.command(name="trace")
def trace_(
    artifact: str,
    /,
    *,
    place: Annotated[Place, FLAT] = Place(),
    format: output.Shape = output.Shape.TEXT,  # noqa: A002 - it is the flag's name
) -> int:
    """List everything that an artifact was made from.

    Args:
        artifact: A path, a digest or a name.
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    workspace = session.reading(place)
    digest = find_artifact(workspace, artifact)
    return _show(workspace, trace(workspace.projections, digest), format)


@app.command(name="taint")
def taint_(
    artifact: str,
    /,
    *,
    place: Annotated[Place, FLAT] = Place(),
    format: output.Shape = output.Shape.TEXT,  # noqa: A002 - it is the flag's name
) -> int:
    """List everything that derives from an artifact.

    Args:
        artifact: A path, a digest or a name.
        place: Where the workspace is.
        format: Text or one JSON document.
    """
    workspace = session.reading(place)
    digest = find_artifact(workspace, artifact)
    return _show(workspace, taint(workspace.projections, digest), format)


@app.command
def draw(
    target: Path, artifact: str | None = None, /, *, place: Annotated[Place, FLAT] = Place()
) -> int:
    """Draw the lineage graph as SVG, of one artifact or of all.

    Args:
        target: The SVG file to write.
        artifact: A path, a digest or a name; everything where absent.
        place: Where the workspace is.
    """
    workspace = session.reading(place)
    digest = find_artifact(workspace, artifact) if artifact else None
    workspace.catch_up()
    output.save(target, picture(workspace, digest))
    return 0


def _show(workspace: Workspace, walk: Walk, shape: output.Shape) -> int:
    rows = [workspace.projections.artifact(digest) for digest in walk.digests]
    known = [row for row in rows if row is not None]
    if shape is output.Shape.JSON:
        edges = [{"from": e.src, "to": e.dst, "index": e.index} for e in walk.edges]
        nodes = [{"digest": row.digest, "name": row.name, "kind": row.kind} for row in known]
        output.emit_json({"start": walk.start, "artifacts": nodes, "edges": edges})
        return 0
    output.emit_table(
        ("artifact", "kind", "digest", "first in log"),
        [(row.name, row.kind, row.digest[:19], str(row.first_index)) for row in known],
    )
    return 0
