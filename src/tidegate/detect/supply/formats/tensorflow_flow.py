"""Follows, through a TensorFlow graph and its functions, where a file name comes from.

Saved models save and restore their variables at a place that the caller names. A place that the
graph itself fixes, or that comes with a request, is another matter.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tidegate.detect.supply.budget import Meter
from tidegate.detect.supply.formats.outside import leads_out
from tidegate.detect.supply.formats.tensorflow_ops import CHECKPOINT, TABLES

PLACEHOLDERS: Final = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
_PLAIN_CALLS: Final = ("PartitionedCall", "StatefulPartitionedCall")


@dataclass(slots=True)
class Node:
    """One operation: what is kept of it."""

    operator: str
    inputs: tuple[str, ...]
    """Names of the nodes and arguments that its data comes from."""
    calls: tuple[str, ...] = ()
    """Functions that it names."""
    constants: tuple[str, ...] = ()
    """Texts, where it is a constant."""
    at: int = 0
    """Byte offset."""


@dataclass(slots=True)
class Body:
    """A graph, or one function."""

    name: str
    """Empty for the graph."""
    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    arguments: tuple[str, ...] = ()
    """Of a function, in order; of the graph, the placeholders for the checkpoint's place."""
    assets: frozenset[str] = frozenset()
    """Constants that the loader sets to the place of an asset."""


@dataclass(frozen=True, slots=True)
class _Sources:
    """What a file name is made from."""

    arguments: frozenset[str]
    asset: bool
    texts: tuple[str, ...]
    requested: tuple[str, ...]


def misplaced(bodies: Mapping[str, Body], meter: Meter) -> Iterator[tuple[Node, str, str]]:
    """Yield each use of a file whose place is not the caller's: the node, why, and the place.

    Raises:
        BudgetSpentError: The graph is too large.
    """
    paths = _path_arguments(bodies, meter)
    for body in bodies.values():
        for node, roots in _uses(body, paths):
            found = _sources(body, roots, meter)
            for text in found.texts:
                if leads_out(text):
                    yield node, "at a place outside of the model", text
            for name in found.requested:
                yield node, "at a place that comes with a request", name
            fixed = not (found.arguments or found.asset or found.requested)
            if node.operator in CHECKPOINT and fixed:
                yield node, "at a place that the graph fixes", " ".join(found.texts)


def _path_arguments(bodies: Mapping[str, Body], meter: Meter) -> dict[str, set[int]]:
    """Return, for each function that uses files, the positions of arguments that name them."""
    paths: dict[str, set[int]] = {}
    callers: dict[str, set[str]] = {}
    for body in bodies.values():
        for node in body.nodes.values():
            for callee in node.calls:
                callers.setdefault(callee, set()).add(body.name)
    todo = list(bodies)
    while todo:
        name = todo.pop()
        body = bodies[name]
        meter.opcode(len(body.nodes) + len(body.arguments))
        uses = list(_uses(body, paths))
        if not name or not uses:
            continue
        found: set[int] = set()
        for _, roots in uses:
            reached = _sources(body, roots, meter).arguments
            found |= {at for at, given in enumerate(body.arguments) if given in reached}
        if name not in paths or found - paths[name]:
            paths[name] = paths.get(name, set()) | found
            todo.extend(callers.get(name, ()))
    return paths


def _uses(body: Body, paths: Mapping[str, set[int]]) -> Iterator[tuple[Node, tuple[str, ...]]]:
    """Yield the nodes that use files, with the inputs that name them."""
    for node in body.nodes.values():
        if node.operator in CHECKPOINT:
            yield node, node.inputs if node.operator == "MergeV2Checkpoints" else node.inputs[:1]
        elif node.operator in TABLES:
            yield node, node.inputs[1:2]
        else:
            called = [paths[callee] for callee in node.calls if callee in paths]
            if called and (node.operator in _PLAIN_CALLS or node.operator in paths):
                wanted = set[int]().union(*called)
                yield node, tuple(name for at, name in enumerate(node.inputs) if at in wanted)
            elif called:
                yield node, node.inputs


def _sources(body: Body, roots: Iterable[str], meter: Meter) -> _Sources:
    """Walk up from inputs to arguments, constants and placeholders."""
    todo, seen = list(roots), set[str]()
    given = frozenset(body.arguments)
    arguments: set[str] = set()
    texts: list[str] = []
    requested: list[str] = []
    asset = False
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        node = body.nodes.get(name)
        if name in body.assets:
            asset = True
        elif name in given:
            arguments.add(name)
        elif node is None:
            continue
        elif node.operator in PLACEHOLDERS and not node.inputs:
            requested.append(name)
        else:
            texts.extend(node.constants)
            todo.extend(node.inputs)
    meter.opcode(len(seen) + len(given))
    return _Sources(frozenset(arguments), asset, tuple(texts), tuple(requested))
