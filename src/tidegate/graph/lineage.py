"""Questions to the lineage graph: what went into X, and what everything derived from X is.

Both are breadth-first walks over edges by digest, bounded in nodes. Whether a digest is tainted
(made from something that is quarantined or revoked) follows from the walk, never from a flag.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tidegate.core.errors import UsageError
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.graph.rows import EdgeRow, ProjectionStore

MAX_NODES = 1_000_000


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk met."""

    start: str
    digests: tuple[str, ...]
    """Everything reached, nearest first, without the start."""
    edges: tuple[EdgeRow, ...]


def trace(store: ProjectionStore, digest: str) -> Walk:
    """Return everything under a digest: what it was made from, to the raw sources."""
    return _walk(digest, store.edges_to, lambda edge: edge.src)


def taint(store: ProjectionStore, digest: str) -> Walk:
    """Return everything derived from a digest."""
    return _walk(digest, store.edges_from, lambda edge: edge.dst)


def tainted_by(store: ProjectionStore, digest: str, state: DirectiveState) -> tuple[str, ...]:
    """Return the quarantined and revoked artifacts that a digest was made from."""
    return tuple(
        found
        for found in trace(store, digest).digests
        if state.is_quarantined(found) or state.is_revoked(found)
    )


def _walk(
    start: str,
    neighbours: Callable[[str], Iterable[EdgeRow]],
    far: Callable[[EdgeRow], str],
) -> Walk:
    seen: dict[str, None] = {start: None}
    edges: list[EdgeRow] = []
    queue = deque([start])
    while queue:
        for edge in neighbours(queue.popleft()):
            edges.append(edge)
            other = far(edge)
            if other in seen:
                continue
            if len(seen) > MAX_NODES:
                raise UsageError(
                    f"the graph around it has more than {MAX_NODES} artifacts",
                    where=start,
                    next_step="ask about an artifact that is nearer",
                    slug="graph-too-large",
                )
            seen[other] = None
            queue.append(other)
    del seen[start]
    return Walk(start, tuple(seen), tuple(edges))
