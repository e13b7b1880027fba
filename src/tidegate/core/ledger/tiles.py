"""Tiles: the log as static files that need not be trusted (C2SP tlog-tiles).

A tile holds up to 256 hashes of one level; an entry bundle holds the entries under a level-0
tile. The reader is in ``reader.py``; here is what both sides know about the format.

>>> tile_path(0, 1_234_067), tile_path(1, 0, 17), bundle_path(5)
('tile/0/x001/x234/067', 'tile/1/000.p/17', 'tile/entries/005')
>>> parse_path("tile/1/000.p/17")
TilePath(level=1, index=0, width=17)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.core.errors import VerificationError
from tidegate.core.ledger.merkle import HASH_SIZE, CompactRange
from tidegate.core.ledger.storage import NewTile
from tidegate.core.merkle import node_hash

WIDTH = 256
"""Hashes in a full tile."""
TILE_HEIGHT = 8
MAX_ENTRY = 0xFFFF
MAX_BUNDLE = WIDTH * (MAX_ENTRY + 2)
FULL_TILE = WIDTH * HASH_SIZE

_PATH = re.compile(
    r"tile/(entries|0|[1-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class TilePath:
    """What a tlog-tiles path names."""

    level: int | None
    """Level of a tile of hashes; ``None`` for an entry bundle."""
    index: int
    width: int
    """256, or less for a partial one."""


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Path of a tile of hashes, relative to the log's prefix."""
    return f"tile/{level}/{_index_path(index)}{_suffix(width)}"


def bundle_path(index: int, width: int = WIDTH) -> str:
    """Path of an entry bundle, relative to the log's prefix."""
    return f"tile/entries/{_index_path(index)}{_suffix(width)}"


def parse_path(path: str) -> TilePath | None:
    """Read a path back; ``None`` if it is not the one spelling of a tile's path."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level = None if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3]) if match[3] else WIDTH
    plain = bundle_path(index, width) if level is None else tile_path(level, index, width)
    return TilePath(level, index, width) if plain == path and width <= WIDTH else None


def tile_width(size: int, level: int, index: int) -> int:
    """How many hashes a tile has in the tree of ``size`` leaves: 0 to 256."""
    return max(0, min(WIDTH, (size >> TILE_HEIGHT * level) - WIDTH * index))


def right_edge(size: int) -> list[tuple[int, int, int]]:
    """Level, index and width of each partial tile of a tree, lowest level first."""
    levels = range(-(-size.bit_length() // TILE_HEIGHT))
    tiles = [(level, size >> TILE_HEIGHT * (level + 1)) for level in levels]
    widths = [(level, index, tile_width(size, level, index)) for level, index in tiles]
    return [tile for tile in widths if tile[2]]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Join entries, each after its length as two big-endian bytes."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Split a bundle into exactly ``width`` entries.

    Raises:
        VerificationError: It is short, or has bytes left over.
    """
    entries: list[bytes] = []
    offset = 0
    for _ in range(width):
        start = offset + 2
        offset = start + int.from_bytes(data[start - 2 : start], "big")
        entries.append(data[start:offset])
    if offset != len(data):
        raise VerificationError(f"not a bundle of {width} entries", slug="bad-bundle")
    return entries


class Tile:
    """A tile with all perfect subtrees in it: row k holds the hashes of height k.

    Args:
        hashes: 1 to 256 hashes.
    """

    __slots__ = ("rows", "width")

    def __init__(self, hashes: bytes) -> None:
        self.width, rest = divmod(len(hashes), HASH_SIZE)
        if rest or not 0 < self.width <= WIDTH:
            raise VerificationError(f"{len(hashes)} bytes are no tile", slug="bad-tile")
        rows = [hashes]
        while len(rows[-1]) >= 2 * HASH_SIZE:
            row, step = rows[-1], 2 * HASH_SIZE
            pairs = range(0, len(row) - step + 1, step)
            rows.append(b"".join(node_hash(row[i : i + step], b"") for i in pairs))
        self.rows = tuple(rows)

    def hash(self, height: int, index: int) -> bytes:
        """Root of the perfect subtree of that height within the tile."""
        return self.rows[height][HASH_SIZE * index : HASH_SIZE * (index + 1)]

    @property
    def edge(self) -> list[bytes]:
        """Roots of the tile's largest perfect subtrees, left to right."""
        heights = [k for k in reversed(range(len(self.rows))) if self.width >> k & 1]
        return [self.hash(height, (self.width >> height) - 1) for height in heights]


class TileBuilder:
    """The writer's side: a growing tree and the tiles that each append changes.

    Args:
        size: Number of leaves so far.
        edge: The right edge of the tree.
        partial: Hashes of the partial tile at each level, where there are any.
    """

    def __init__(
        self, size: int = 0, edge: Sequence[bytes] = (), partial: dict[int, bytes] | None = None
    ) -> None:
        self.tree = CompactRange(size, edge, self._on_node)
        self._open = {level: bytearray(hashes) for level, hashes in (partial or {}).items()}
        self._touched: dict[tuple[int, int], bytes | None] = {}

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self.tree.append(leaf)

    def take(self) -> list[NewTile]:
        """Return the tiles that changed since the last call, each once, at its new width."""
        tiles = [
            NewTile(level, index, bytes(self._open[level]) if full is None else full)
            for (level, index), full in self._touched.items()
        ]
        self._touched.clear()
        return tiles

    def _on_node(self, height: int, node: bytes) -> None:
        level, within = divmod(height, TILE_HEIGHT)
        if within:
            return
        # The tree counts the leaf only when all its nodes are made.
        index = self.tree.size >> TILE_HEIGHT * (level + 1)
        row = self._open.setdefault(level, bytearray())
        row += node
        self._touched[level, index] = None
        if len(row) == FULL_TILE:
            self._touched[level, index] = bytes(row)
            row.clear()


def _index_path(index: int) -> str:
    path = f"{index % 1000:03d}"
    while index >= 1000:  # noqa: PLR2004 - the format's three digits
        index //= 1000
        path = f"x{index % 1000:03d}/{path}"
    return path


def _suffix(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
