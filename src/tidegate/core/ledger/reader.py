r"""Reading a log out of tiles that anyone may serve: every hash and entry is proved by the head.

>>> from tidegate.core.merkle import leaf_hash
>>> folder = {"tile/0/000.p/1": leaf_hash(b"hello"), "tile/entries/000.p/1": b"\0\5hello"}
>>> reader = TileReader(FetchedTiles(folder.get), 1, leaf_hash(b"hello"))
>>> list(reader.entries())
[b'hello']
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from tidegate.core.errors import ProofError
from tidegate.core.ledger.merkle import (
    HASH_SIZE,
    consistency_path,
    fold,
    inclusion_path,
    range_root,
)
from tidegate.core.ledger.tiles import (
    TILE_HEIGHT,
    WIDTH,
    Tile,
    bundle_path,
    decode_bundle,
    right_edge,
    tile_path,
    tile_width,
)
from tidegate.core.merkle import leaf_hash


class TileCache:
    """The most recently used full tiles: a bound on memory whatever the log's size.

    Args:
        capacity: How many tiles to keep; each takes about 17 kB.
    """

    def __init__(self, capacity: int = 512) -> None:
        self._capacity = capacity
        self._tiles: OrderedDict[tuple[int, int], Tile] = OrderedDict()
        self._lock = Lock()

    def get(self, level: int, index: int) -> Tile | None:
        """Return a tile that was put in, if it is still kept."""
        with self._lock:
            tile = self._tiles.get((level, index))
            if tile is not None:
                self._tiles.move_to_end((level, index))
            return tile

    def clear(self) -> None:
        """Forget all tiles."""
        with self._lock:
            self._tiles.clear()

    def put(self, level: int, index: int, tile: Tile) -> None:
        """Keep a verified full tile."""
        with self._lock:
            self._tiles[level, index] = tile
            if len(self._tiles) > self._capacity:
                self._tiles.popitem(last=False)


class TileSource(Protocol):
    """Where tiles come from; nothing that it says is believed."""

    def tile(self, level: int, index: int, width: int) -> bytes | None:
        """Return a tile's first ``width`` hashes, or ``None`` if it is not there."""
        ...

    def bundle(self, index: int, width: int) -> Sequence[bytes] | None:
        """Return the first ``width`` entries of a bundle, or ``None`` if it is not there."""
        ...


Fetch = Callable[[str], bytes | None]
"""Gives the bytes at a path relative to the log's prefix, ``None`` if nothing is there."""


@dataclass(frozen=True, slots=True)
class FetchedTiles:
    """Tiles by path, from a folder or over HTTP; full tiles stand in for deleted partial ones."""

    fetch: Fetch

    def tile(self, level: int, index: int, width: int) -> bytes | None:
        """Return a tile's first ``width`` hashes, or ``None`` if it is not there."""
        data = self.fetch(tile_path(level, index, width))
        if data is None and width < WIDTH:
            data = self.fetch(tile_path(level, index))
            return None if data is None else data[: width * HASH_SIZE]
        return data

    def bundle(self, index: int, width: int) -> Sequence[bytes] | None:
        """Return the first ``width`` entries of a bundle, or ``None`` if it is not there."""
        data, held = self.fetch(bundle_path(index, width)), width
        if data is None and width < WIDTH:
            data, held = self.fetch(bundle_path(index)), WIDTH
        return None if data is None else decode_bundle(data, held)[:width]


class TileReader:
    """Entries and proofs out of tiles, each authenticated against one head.

    The partial tiles at the right edge must fold to the root; every other tile must hash to
    its place in the tile above it.

    Args:
        source: Where tiles come from.
        size: Number of entries of the head.
        root: The head's root.
        cache: Keeps full tiles; share it only between heads known to be consistent.

    Raises:
        ProofError: The right edge does not give the root.
    """

    def __init__(
        self, source: TileSource, size: int, root: bytes, cache: TileCache | None = None
    ) -> None:
        self.size = size
        self.root = root
        self._source = source
        self._cache = cache or TileCache()
        self._edge = {
            (level, index): self._load(level, index, width)
            for level, index, width in right_edge(size)
        }
        if fold(self.edge) != root:
            raise ProofError(
                f"the tiles at the right edge do not give the root of {size} entries",
                next_step="fetch the checkpoint and the tiles again, or run a full check",
                slug="edge",
            )

    @property
    def edge(self) -> tuple[bytes, ...]:
        """Roots of the tree's perfect subtrees, left to right."""
        tiles = [self._edge[key] for key in sorted(self._edge, reverse=True)]
        return tuple(node for tile in tiles for node in tile.edge)

    def node(self, height: int, index: int) -> bytes:
        """Root of a perfect subtree.

        Raises:
            ProofError: A tile is missing, or does not belong to this head.
        """
        level, within = divmod(height, TILE_HEIGHT)
        row = TILE_HEIGHT - within
        return self._tile(level, index >> row).hash(within, index & ((1 << row) - 1))

    def tile(self, level: int, index: int, width: int) -> bytes:
        """Return a tile's first ``width`` hashes, proved.

        Raises:
            ProofError: There is no such tile, or it is missing or forged.
        """
        if not 0 < width <= tile_width(self.size, level, index):
            raise ProofError("no such tile", where=tile_path(level, index), slug="no-such-tile")
        return self._tile(level, index).rows[0][: width * HASH_SIZE]

    def root_of(self, size: int) -> bytes:
        """Root of the tree when it had ``size`` entries.

        Raises:
            ProofError: It never had, or a tile is missing or forged.
        """
        if not 0 <= size <= self.size:
            raise ProofError(f"{size} is not within {self.size} entries", slug="no-such-size")
        return range_root(self.node, 0, size)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Prove an entry in this head, or in an older one.

        Raises:
            ProofError: There is no such entry, or a tile is missing or forged.
        """
        size = self._within(size)
        return inclusion_path(self.node, index, size)

    def consistency(self, old: int, new: int | None = None) -> tuple[bytes, ...]:
        """Prove that this head, or an older one, continues the one of ``old`` entries.

        Raises:
            ProofError: The sizes make no sense, or a tile is missing or forged.
        """
        return consistency_path(self.node, old, self._within(new))

    def entry(self, index: int) -> bytes:
        """Return one entry, proved.

        Raises:
            ProofError: There is no such entry, or what the source has is not it.
        """
        return next(self.entries(index, index + 1))

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield entries in order, each proved; one bundle is in memory at a time.

        Raises:
            ProofError: The range is outside the log, or what the source has is not in it.
        """
        stop = self._within(stop)
        if not 0 <= start <= stop:
            raise ProofError(f"entries {start} to {stop} of {self.size}", slug="no-such-entry")
        for number in range(start // WIDTH, -(-stop // WIDTH)):
            first = number * WIDTH
            rows = self._bundle(number)
            yield from rows[max(0, start - first) : stop - first]

    def _bundle(self, number: int) -> Sequence[bytes]:
        width = tile_width(self.size, 0, number)
        entries = self._source.bundle(number, width)
        if entries is None or len(entries) != width:
            raise ProofError("an entry bundle is missing", where=bundle_path(number, width))
        leaves = self._tile(0, number)
        for offset, entry in enumerate(entries):
            if leaf_hash(entry) != leaves.hash(0, offset):
                raise ProofError(
                    "an entry is not the one that the log's head commits to",
                    where=f"entry {number * WIDTH + offset}",
                    slug="entry-changed",
                )
        return entries

    def _tile(self, level: int, index: int) -> Tile:
        tile = self._edge.get((level, index)) or self._cache.get(level, index)
        if tile is not None:
            return tile
        tile = self._load(level, index, WIDTH)
        above = self._tile(level + 1, index // WIDTH)
        if tile.hash(TILE_HEIGHT, 0) != above.hash(0, index % WIDTH):
            raise ProofError(
                "a tile does not belong to this head",
                where=tile_path(level, index),
                slug="tile-changed",
            )
        self._cache.put(level, index, tile)
        return tile

    def _load(self, level: int, index: int, width: int) -> Tile:
        if width != tile_width(self.size, level, index):
            raise ProofError("no such tile", where=tile_path(level, index), slug="no-such-tile")
        data = self._source.tile(level, index, width)
        if data is None or len(data) != width * HASH_SIZE:
            raise ProofError(
                "a tile is missing", where=tile_path(level, index, width), slug="tile-missing"
            )
        return Tile(data)

    def _within(self, size: int | None) -> int:
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise ProofError(f"{size} is not within {self.size} entries", slug="no-such-size")
        return size
