"""Tiles: paths and bundles have one spelling, and readers believe the head alone."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tidegate.core.errors import ProofError, VerificationError
from tidegate.core.ledger.log import PendingEntry
from tidegate.core.ledger.merkle import CompactRange, verify_consistency
from tidegate.core.ledger.reader import FetchedTiles, TileCache, TileReader
from tidegate.core.ledger.tiles import (
    Tile,
    TileBuilder,
    TilePath,
    bundle_path,
    decode_bundle,
    encode_bundle,
    parse_path,
    right_edge,
    tile_path,
    tile_width,
)
from tidegate.core.merkle import leaf_hash

PATHS = {
    "tile/0/000": TilePath(0, 0, 256),
    "tile/0/x001/067": TilePath(0, 1067, 256),
    "tile/63/x001/x234/067.p/255": TilePath(63, 1_234_067, 255),
    "tile/entries/999.p/1": TilePath(None, 999, 1),
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_reads_back(path: str) -> None:
    name = PATHS[path]
    assert parse_path(path) == name
    written = (
        bundle_path(name.index, name.width)
        if name.level is None
        else tile_path(name.level, name.index, name.width)
    )
    assert written == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0",
        "tile/64/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/999",
        "tile/0/../../etc/passwd",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/\u0660\u0660\u0660",
        "tile/entries/" + "x001/" * 9 + "001",
    ],
)
def test_no_other_path_is_a_tile(path: str) -> None:
    assert parse_path(path) is None


def test_the_example_of_the_specification() -> None:
    """A tree of 70,000: 273 full tiles and one of 112; one full and one of 17; one of 1."""
    assert right_edge(70_000) == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert right_edge(256) == [(1, 0, 1)]
    assert right_edge(0) == []
    assert [tile_width(70_000, 0, index) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]


def test_bundles_round_trip_and_are_exact() -> None:
    entries = [b"", b"x", bytes(65_535)]
    data = encode_bundle(entries)
    assert decode_bundle(data, 3) == entries
    for damaged, width in [(data + b"\0", 3), (data[:-1], 3), (data, 2), (data, 4), (b"\0", 1)]:
        with pytest.raises(VerificationError):
            decode_bundle(damaged, width)


@pytest.mark.parametrize("size", [0, 31, 33, 257 * 32])
def test_a_tile_is_1_to_256_whole_hashes(size: int) -> None:
    with pytest.raises(VerificationError):
        Tile(bytes(size))


def test_a_tile_holds_its_subtrees() -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(200)]
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    assert tuple(Tile(b"".join(leaves)).edge) == tree.edge


@dataclass
class Files:
    """A served log, built by nothing but the builder."""

    entries: list[bytes]
    files: dict[str, bytes]
    tree: CompactRange

    def reader(self, cache: TileCache | None = None) -> TileReader:
        source = FetchedTiles(self.files.get)
        return TileReader(source, self.tree.size, self.tree.root, cache)


def build(size: int, *, batch: int = 256) -> Files:
    builder, files = TileBuilder(), {}
    entries = [b"entry %d" % n for n in range(size)]
    for start in range(0, size, batch):
        for entry in entries[start : start + batch]:
            builder.append(leaf_hash(entry))
        for tile in builder.take():
            width = len(tile.hashes) // 32
            files[tile_path(tile.level, tile.index, width)] = tile.hashes
    for number in range(-(-size // 256)):
        rows = entries[number * 256 : number * 256 + 256]
        files[bundle_path(number, len(rows))] = encode_bundle(rows)
    return Files(entries, files, builder.tree)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600, 1024])
@pytest.mark.parametrize("batch", [7, 256, 700])
def test_what_was_built_can_be_read_and_proved(size: int, batch: int) -> None:
    files = build(size, batch=batch)
    reader = files.reader()
    assert list(reader.entries()) == files.entries
    assert reader.edge == files.tree.edge
    for old in {1, size // 2, size - 1, size} & set(range(1, size + 1)):
        path = reader.consistency(old)
        verify_consistency(old, size, reader.root_of(old), files.tree.root, path)


@pytest.fixture(scope="module")
def three_levels() -> Files:
    return build(66_000, batch=4096)


def test_three_levels_of_tiles_are_authenticated(three_levels: Files) -> None:
    reader = three_levels.reader()
    for index in (0, 255, 256, 65_535, 65_536, 65_999):
        assert reader.entry(index) == three_levels.entries[index]
    assert list(reader.entries(65_500, 65_600)) == three_levels.entries[65_500:65_600]


@pytest.mark.parametrize(
    "path", ["tile/0/003", "tile/1/000", "tile/0/257.p/208", "tile/1/001.p/1", "tile/2/000.p/1"]
)
def test_a_forged_tile_is_refused(three_levels: Files, path: str) -> None:
    """Whatever level it is on, one changed bit is refused before anything is read by it."""
    forged = dict(three_levels.files)
    data = bytearray(forged[path])
    data[0] ^= 1
    forged[path] = bytes(data)
    files = Files(three_levels.entries, forged, three_levels.tree)
    with pytest.raises(ProofError):
        _ = [files.reader().entry(index) for index in (800, 65_999)]


def test_a_changed_entry_is_refused(three_levels: Files) -> None:
    forged = dict(three_levels.files)
    forged["tile/entries/003"] = forged["tile/entries/003"].replace(b"entry 800", b"entry 8OO")
    files = Files(three_levels.entries, forged, three_levels.tree)
    assert files.reader().entry(300) == b"entry 300"
    with pytest.raises(ProofError, match="entry 800"):
        list(files.reader().entries(768, 1024))


@pytest.mark.parametrize("path", ["tile/0/003", "tile/entries/003"])
def test_a_missing_file_is_no_empty_file(three_levels: Files, path: str) -> None:
    files = Files(three_levels.entries, dict(three_levels.files), three_levels.tree)
    del files.files[path]
    with pytest.raises(ProofError):
        files.reader().entry(800)


def test_a_full_tile_stands_in_for_a_deleted_partial_one() -> None:
    """Logs may delete partial tiles once the full ones are there."""
    small, large = build(100), build(300)
    source = FetchedTiles({k: v for k, v in large.files.items() if ".p/" not in k}.get)
    reader = TileReader(source, 100, small.tree.root)
    assert list(reader.entries()) == small.entries


def test_the_cache_is_bounded(three_levels: Files) -> None:
    cache = TileCache(capacity=4)
    reader = three_levels.reader(cache)
    for index in range(0, 66_000, 256):
        reader.inclusion(index)
    assert len(cache._tiles) == 4


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 3), (0, 11), (11, None)])
def test_a_range_outside_the_log_is_refused(start: int, stop: int | None) -> None:
    with pytest.raises(ProofError):
        list(build(10).reader().entries(start, stop))


def test_there_is_no_entry_past_the_end(make_pending: Callable[..., PendingEntry]) -> None:
    with pytest.raises(ProofError):
        build(10).reader().entry(10)
    with pytest.raises(ProofError):
        build(10).reader().tile(0, 0, 11)
