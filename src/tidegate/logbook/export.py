"""A log as a folder that any web server can serve and any tlog-tiles client can verify.

>>> from tidegate.core.ledger.tiles import parse_path
>>> parse_path("tile/entries/000.p/3")
TilePath(level=None, index=0, width=3)
"""

from collections.abc import Iterator
from pathlib import Path

from tidegate.core.errors import ForkError, RollbackError, VerificationError
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.log import Log
from tidegate.core.ledger.note import MAX_NOTE, Note
from tidegate.core.ledger.reader import Fetch, FetchedTiles, TileReader
from tidegate.core.ledger.tiles import (
    MAX_BUNDLE,
    TILE_HEIGHT,
    WIDTH,
    bundle_path,
    encode_bundle,
    parse_path,
    tile_path,
    tile_width,
)
from tidegate.logbook.durable import read_file, replace_file


def folder_fetch(folder: Path) -> Fetch:
    """Read tiles and checkpoint from a folder, and nothing else."""

    def fetch(path: str) -> bytes | None:
        if path != "checkpoint" and parse_path(path) is None:
            return None
        return read_file(folder / path, limit=MAX_BUNDLE)

    return fetch


def export(log: Log, folder: Path) -> Checkpoint:
    """Write the log into a folder, or bring the folder up to date.

    Files are whole or absent, and the checkpoint is last: after a crash the folder still
    serves its former head, and the next export goes on. What is published never changes.

    Raises:
        RollbackError: The folder's head is larger than the log.
        ForkError: The folder holds another history.
        StoreError: The folder can't be written.
    """
    note = log.checkpoint()
    checkpoint = Checkpoint.parse(Note.parse(note).text)
    published = _published(folder)
    if published.size > checkpoint.size:
        raise RollbackError(
            f"the folder has {published.size} entries, the log {checkpoint.size}",
            where=str(folder),
            next_step="export into a new folder, and find out which one is right",
            slug="folder-ahead",
        )
    reader = log.reader()
    if published.size and reader.root_of(published.size) != published.root:
        raise _other_history(folder)
    for path, data in _files(reader, checkpoint.size, published.size):
        target = folder / path
        held = read_file(target, limit=MAX_BUNDLE)
        if held is None:
            replace_file(target, data)
        elif held != data:
            raise _other_history(target)
    replace_file(folder / "checkpoint", note)
    return checkpoint


def open_folder(folder: Path, checkpoint: Checkpoint) -> TileReader:
    """Read a log's folder against a head that was verified."""
    return TileReader(FetchedTiles(folder_fetch(folder)), checkpoint.size, checkpoint.root)


def _published(folder: Path) -> Checkpoint:
    note = read_file(folder / "checkpoint", limit=MAX_NOTE)
    if note is None:
        return Checkpoint("", 0, b"")
    try:
        return Checkpoint.parse(Note.parse(note).text)
    except VerificationError as error:
        raise _other_history(folder / "checkpoint") from error


def _files(reader: TileReader, size: int, done: int) -> Iterator[tuple[str, bytes]]:
    """Paths and contents that the head of ``size`` has beyond the head of ``done`` entries."""
    for number in range(done // WIDTH, -(-size // WIDTH)):
        width = tile_width(size, 0, number)
        entries = list(reader.entries(number * WIDTH, number * WIDTH + width))
        yield bundle_path(number, width), encode_bundle(entries)
    for level in range(-(-size.bit_length() // TILE_HEIGHT)):
        count = size >> TILE_HEIGHT * level
        for index in range((done >> TILE_HEIGHT * level) // WIDTH, -(-count // WIDTH)):
            width = tile_width(size, level, index)
            yield tile_path(level, index, width), reader.tile(level, index, width)


def _other_history(path: Path) -> ForkError:
    return ForkError(
        "the folder holds another history than the log",
        where=str(path),
        next_step="keep the folder as evidence, and export into a new one",
        slug="folder-differs",
    )
