"""Draw a lineage graph as SVG: layers from left to right, crossings reduced, no script, no style.

The layout follows Sugiyama, Tagawa and Toda (1981): longest-path layers, barycentre ordering by
sweeps, then even placement. It is meant for pictures of up to a few hundred nodes.

>>> nodes = [Node("a", "drop.csv", "dataset", "allow"), Node("b", "model", "model", "allow")]
>>> svg = draw(nodes, [("a", "b")])
>>> svg.startswith("<svg"), svg.count("<rect")
(True, 3)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

NODE_WIDTH, NODE_HEIGHT = 190, 64
GAP_X, GAP_Y, MARGIN = 62, 22, 18
MAX_LABEL = 24
MAX_NODES = 300
_SWEEPS = 8

_COLOURS: Mapping[str, tuple[str, str, str]] = {
    "allow": ("#e9f6ee", "#2e7d4f", "#1c5c38"),
    "deny": ("#fdecea", "#b3261e", "#8c1d18"),
    "undecided": ("#fff5e0", "#b7791f", "#7a4f0c"),
    "none": ("#f2f4f7", "#8895a7", "#45556b"),
}
"""Outcome → fill, stroke, text."""


@dataclass(frozen=True, slots=True)
class Node:
    """An artifact in the picture."""

    id: str
    """Unique in the picture: its digest."""
    label: str
    kind: str
    outcome: str
    """allow, deny, undecided, or none where no gate spoke."""
    detail: str = ""
    """A second line: ``ingest · dana · log 3``."""
    title: str = ""
    """Shown on hovering, and read to people who can't see."""


def draw(nodes: Sequence[Node], edges: Iterable[tuple[str, str]], *, title: str = "Lineage") -> str:
    """Return the picture as an SVG element with a fixed pixel size.

    Nodes beyond ``MAX_NODES`` are left out, and a note says how many.
    """
    shown = nodes[:MAX_NODES]
    known = {node.id for node in shown}
    kept = sorted({(a, b) for a, b in edges if a in known and b in known and a != b})
    layers = _layers([node.id for node in shown], kept)
    routes = _routes(layers, kept)
    steps = [step for route in routes for step in pairwise(route)]
    places = _place(_order(layers, steps))
    width = MARGIN * 2 + len(layers) * (NODE_WIDTH + GAP_X) - GAP_X
    height = MARGIN * 2 + max(map(len, layers), default=1) * (NODE_HEIGHT + GAP_Y) - GAP_Y
    hidden = len(nodes) - len(shown)
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + 20}" '
        f'viewBox="0 0 {width} {height + 20}" role="img" '
        f'font-family="system-ui, sans-serif"><title>{escape(title)}</title>'
    )
    parts = [
        frame,
        f'<rect width="{width}" height="{height + 20}" fill="#ffffff"/>',
        *(_edge([places[name] for name in route]) for route in routes),
        *(_node(node, places[node.id]) for node in shown),
    ]
    if hidden:
        parts.append(_text(MARGIN, height + 12, f"{hidden} more are not drawn", "#45556b", 12))
    return "".join([*parts, "</svg>"])


def _layers(ids: Sequence[str], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    parents: dict[str, list[str]] = {name: [] for name in ids}
    for source, target in edges:
        parents[target].append(source)
    rank: dict[str, int] = dict.fromkeys(ids, 0)
    for _ in ids:  # longest paths; a cycle, which lineage can't have, ends the loop all the same
        moved = False
        for name in ids:
            wanted = 1 + max((rank[parent] for parent in parents[name]), default=-1)
            if wanted != rank[name] and wanted < len(ids):
                rank[name], moved = wanted, True
        if not moved:
            break
    layers: list[list[str]] = [[] for _ in range(1 + max(rank.values(), default=0))]
    for name in ids:
        layers[rank[name]].append(name)
    return layers


def _routes(layers: list[list[str]], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Give each edge a free place in every layer that it crosses; the places join the layers."""
    rank = {name: column for column, layer in enumerate(layers) for name in layer}
    routes: list[list[str]] = []
    for number, (source, target) in enumerate(edges):
        route = [source]
        for column in range(rank[source] + 1, rank[target]):
            place = f"\0{number}/{column}"
            layers[column].append(place)
            route.append(place)
        routes.append([*route, target])
    return routes


def _order(layers: list[list[str]], edges: Sequence[tuple[str, str]]) -> list[list[str]]:
    neighbours: dict[str, list[str]] = {name: [] for layer in layers for name in layer}
    for source, target in edges:
        neighbours[source].append(target)
        neighbours[target].append(source)
    position = {name: index for layer in layers for index, name in enumerate(layer)}

    def barycentre(name: str) -> float:
        near = neighbours[name]
        return sum(position[other] for other in near) / len(near) if near else position[name]

    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            layer.sort(key=barycentre)
            position.update({name: index for index, name in enumerate(layer)})
    return layers


def _place(layers: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    tallest = max(map(len, layers), default=1)
    places: dict[str, tuple[float, float]] = {}
    for column, layer in enumerate(layers):
        top = MARGIN + (tallest - len(layer)) * (NODE_HEIGHT + GAP_Y) / 2
        for row, name in enumerate(layer):
            x = MARGIN + column * (NODE_WIDTH + GAP_X)
            places[name] = (x, top + row * (NODE_HEIGHT + GAP_Y))
    return places


def _edge(route: Sequence[tuple[float, float]]) -> str:
    middle = NODE_HEIGHT / 2
    x, y = route[0][0] + NODE_WIDTH, route[0][1] + middle
    path = [f"M{x:g} {y:g}"]
    for next_x, top in route[1:]:
        next_y, bend = top + middle, max(24, (next_x - x) / 2)
        path.append(f"C{x + bend:g} {y:g} {next_x - bend:g} {next_y:g} {next_x:g} {next_y:g}")
        x, y = next_x, next_y
        if (next_x, top) != route[-1]:
            x += NODE_WIDTH
            path.append(f"H{x:g}")
    return (
        f'<path d="{" ".join(path)}" fill="none" stroke="#9aa8b8" stroke-width="1.6"/>'
        f'<path d="M{x - 7:g} {y - 4:g} L{x:g} {y:g} L{x - 7:g} {y + 4:g} Z" fill="#9aa8b8"/>'
    )


def _node(node: Node, place: tuple[float, float]) -> str:
    fill, stroke, ink = _COLOURS.get(node.outcome, _COLOURS["none"])
    x, y = place
    return (
        f"<g><title>{escape(node.title or node.label)}</title>"
        f'<rect x="{x:g}" y="{y:g}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="8" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="1.4"/>'
        + _text(x + 12, y + 19, node.kind.upper(), ink, 10, weight=700)
        + _text(x + 12, y + 37, _short(node.label), "#1b2733", 13, weight=600)
        + _text(x + 12, y + 53, _short(node.detail, 30), ink, 11)
        + "</g>"
    )


def _text(x: float, y: float, text: str, colour: str, size: int, *, weight: int = 400) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )


def _short(text: str, limit: int = MAX_LABEL) -> str:
    printable = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text
    )
    return printable if len(printable) <= limit else f"{printable[: limit - 1]}…"
