"""The lineage picture of a workspace, from its projections."""

from collections.abc import Iterable

from tidegate.app.workspace import Workspace
from tidegate.core.stage import Outcome, Stage
from tidegate.graph.lineage import taint, trace
from tidegate.graph.rows import ArtifactRow, AttestationRow
from tidegate.report.lineage import Node, draw


def picture(workspace: Workspace, digest: str | None = None) -> str:
    """Return the SVG of everything, or of what is under and derives from one artifact."""
    nodes, edges = graph(workspace, digest)
    return draw(nodes, edges)


def graph(
    workspace: Workspace, digest: str | None = None
) -> tuple[list[Node], list[tuple[str, str]]]:
    """Return the nodes with their verdicts, and the edges."""
    store = workspace.projections
    if digest is None:
        edges = [(edge.src, edge.dst) for edge in store.edges()]
        rows: Iterable[ArtifactRow] = store.artifacts()
    else:
        walks = (trace(store, digest), taint(store, digest))
        edges = [(edge.src, edge.dst) for walk in walks for edge in walk.edges]
        found = dict.fromkeys([digest, *(d for walk in walks for d in walk.digests)])
        rows = [row for one in found if (row := store.artifact(one)) is not None]
    held = workspace.directives()
    nodes = [
        node(row, store.attestations_about(row.digest), held=held.is_quarantined(row.digest))
        for row in rows
        if row.kind not in {"order", "environment"}
    ]
    return nodes, edges


def node(row: ArtifactRow, statements: list[AttestationRow], *, held: bool) -> Node:
    """Return an artifact as a box: its newest verdict and who spoke it."""
    spoken = [item for item in statements if item.stage and not item.drill]
    if not spoken:
        return Node(row.digest, row.name, row.kind, "none", title=row.digest)
    # The monitor speaks of live traffic: it marks a model, and does not take its verdict back.
    watched = [item for item in spoken if item.stage == Stage.MONITOR]
    newest = next((item for item in reversed(spoken) if item.stage != Stage.MONITOR), spoken[-1])
    outcome = "deny" if held else newest.outcome
    detail = f"{newest.stage} · {newest.principal} · log {newest.index}"
    if watched and watched[-1].outcome != Outcome.ALLOW:
        detail = f"{newest.stage} · log {newest.index} · drift alert"
    told = "; ".join(f"{item.stage}/{item.action}: {item.outcome}" for item in spoken)
    return Node(row.digest, row.name, row.kind, outcome, detail, f"{row.name} {row.digest}: {told}")
