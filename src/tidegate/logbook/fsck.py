"""Read all of a log again, and name every damage instead of stopping at the first.

>>> from tidegate.logbook.memory import MemoryLogStorage
>>> fsck(MemoryLogStorage("acme")).ok
True
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.core.errors import VerificationError
from tidegate.core.ledger.checkpoint import Checkpoint, open_checkpoint
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.merkle import HASH_SIZE, CompactRange, fold
from tidegate.core.ledger.note import Note, NoteKey
from tidegate.core.ledger.storage import Head, LogStorage
from tidegate.core.ledger.tiles import TILE_HEIGHT, WIDTH, Tile, tile_path, tile_width
from tidegate.core.merkle import EMPTY_ROOT, leaf_hash


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was written."""

    slug: str
    """``entry-changed``, ``entry-missing``, ``entry-unreadable``, ``time``, ``workspace``,
    ``tile-changed``, ``tile-missing``, ``edge``, ``root``, ``checkpoint``, ``rollback``,
    ``fork``, ``surplus``."""
    where: str
    """Entry, tile path, head or checkpoint."""
    what: str


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What was read, and what is wrong with it."""

    entries: int
    """Entries of the head, all of which were looked for."""
    tiles: int
    """Tiles of the head, all of which were looked for."""
    checkpoint: int | None
    """Size of the newest signed head; ``None``: nothing signed vouches for any of it."""
    unknown: int
    """Entries that this version does not understand."""
    damages: tuple[Damage, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was there and right."""
        return not self.damages


def fsck(storage: LogStorage, keys: Sequence[NoteKey] = ()) -> FsckReport:
    """Check leaves against entries, tiles against leaves, head and signed head against tiles.

    Constant in memory: a bundle and a tile at a time.

    Args:
        storage: The log.
        keys: The log's keys; without them the checkpoint's signature is not checked.
    """
    # The checkpoint first: a writer may go on meanwhile, and the head can only be newer.
    note = storage.checkpoint()
    check = _Check(storage, storage.head() or Head(0, EMPTY_ROOT, (), 0))
    damages = [*check.entries(), *check.tiles(), *check.head_damages()]
    signed, bad = _signed(note, keys)
    damages += bad if signed is None else check.checkpoint(signed)
    return FsckReport(
        entries=check.head.size,
        tiles=sum(count for _, count in check.levels()),
        checkpoint=None if signed is None else signed.size,
        unknown=check.unknown,
        damages=tuple(damages),
    )


class _Check:
    def __init__(self, storage: LogStorage, head: Head) -> None:
        self.head = head
        self.unknown = 0
        self._storage = storage
        self._time = 0
        self._tree = CompactRange()

    def levels(self) -> Iterator[tuple[int, int]]:
        """Each level with its number of tiles."""
        for level in range(-(-self.head.size.bit_length() // TILE_HEIGHT)):
            yield level, -(-(self.head.size >> TILE_HEIGHT * level) // WIDTH)

    def entries(self) -> Iterator[Damage]:
        for number in range(-(-self.head.size // WIDTH)):
            start, width = number * WIDTH, tile_width(self.head.size, 0, number)
            rows: list[bytes | None] = list(self._storage.entries(start, start + width))
            if len(rows) != width:
                # Some are missing, and the rest may have moved up: ask for each by its index.
                rows = [self._storage.entry(start + offset) for offset in range(width)]
            leaves = self._storage.tile(0, number) or b""
            for offset, row in enumerate(rows):
                leaf = leaves[HASH_SIZE * offset : HASH_SIZE * (offset + 1)]
                self._tree.append(leaf.ljust(HASH_SIZE) if row is None else leaf_hash(row))
                yield from self._entry(start + offset, row, leaf)
        if self._storage.entry(self.head.size) is not None:
            yield Damage("surplus", f"entry {self.head.size}", "it is beyond the head")

    def tiles(self) -> Iterator[Damage]:
        for level, count in self.levels():
            above: Tile | None = None
            for index in range(count):
                if index % WIDTH == 0:
                    above = self._tile(level + 1, index // WIDTH)
                width = tile_width(self.head.size, level, index)
                tile = self._tile(level, index)
                path = tile_path(level, index, width)
                if tile is None:
                    yield Damage("tile-missing", path, f"fewer than {width} hashes are stored")
                elif above is None or width < WIDTH:
                    continue  # reported above it, or checked as the right edge
                elif tile.hash(TILE_HEIGHT, 0) != above.hash(0, index % WIDTH):
                    yield Damage("tile-changed", path, "its root is not in the tile above it")

    def head_damages(self) -> Iterator[Damage]:
        head = self.head
        if len(head.edge) != head.size.bit_count() or self._edge(head.size) != head.edge:
            yield Damage("edge", f"head {head.size}", "the right edge is not the one of the tiles")
        if fold(head.edge) != head.root:
            yield Damage("root", f"head {head.size}", "the root is not the one of the right edge")
        if self._tree.root != head.root:
            yield Damage("root", f"head {head.size}", "the entries give another root")

    def checkpoint(self, signed: Checkpoint) -> Iterator[Damage]:
        where = f"checkpoint {signed.size}"
        if signed.size > self.head.size:
            yield Damage("rollback", where, f"only {self.head.size} entries are stored")
        elif fold(self._edge(signed.size)) != signed.root:
            yield Damage("fork", where, "the stored tiles give another root at that size")

    def _entry(self, index: int, row: bytes | None, leaf: bytes) -> Iterator[Damage]:
        where = f"entry {index}"
        if row is None:
            yield Damage("entry-missing", where, "it is not stored")
            return
        if leaf_hash(row) != leaf:
            yield Damage("entry-changed", where, "its hash is not the one in its tile")
        try:
            entry = Entry.parse(row)
        except VerificationError as error:
            yield Damage("entry-unreadable", where, error.problem)
            return
        self.unknown += not entry.known
        if entry.known and entry.workspace != self._storage.workspace:
            yield Damage("workspace", where, f"it belongs to {entry.workspace[:100]!r}")
        if entry.known and entry.time < self._time:
            yield Damage("time", where, "it is older than an entry before it")
        self._time = max(self._time, entry.time if entry.known else 0)

    def _edge(self, size: int) -> tuple[bytes, ...]:
        edge: list[bytes] = []
        for level in reversed(range(-(-size.bit_length() // TILE_HEIGHT))):
            index = size >> TILE_HEIGHT * (level + 1)
            width = tile_width(size, level, index)
            data = self._storage.tile(level, index) if width else None
            if width:
                edge += Tile(
                    (data or b"").ljust(HASH_SIZE * width, b"\0")[: HASH_SIZE * width]
                ).edge
        return tuple(edge)

    def _tile(self, level: int, index: int) -> Tile | None:
        width = tile_width(self.head.size, level, index)
        data = self._storage.tile(level, index)
        if not width or data is None or len(data) < HASH_SIZE * width or len(data) % HASH_SIZE:
            return None
        return Tile(data[: HASH_SIZE * width])


def _signed(note: bytes | None, keys: Sequence[NoteKey]) -> tuple[Checkpoint | None, list[Damage]]:
    if note is None:
        return None, []
    try:
        if keys:
            return open_checkpoint(note, keys).checkpoint, []
        return Checkpoint.parse(Note.parse(note).text), []
    except VerificationError as error:
        return None, [Damage("checkpoint", "newest checkpoint", error.problem)]
