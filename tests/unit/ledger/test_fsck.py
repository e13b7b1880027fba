"""The full check names each damage: which entry, which tile, which head."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tidegate.core.ledger.entry import Entry
from tidegate.logbook.fsck import fsck
from tidegate.logbook.memory import MemoryLogStorage

Bench = Any
SIZE = 1_300


@pytest.fixture
def store(bench: Bench) -> MemoryLogStorage:
    """Five full leaf tiles, a partial one, and the tile above them, all signed."""
    bench.fill(bench.log(), SIZE)
    storage: MemoryLogStorage = bench.storage
    return storage


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def edit(store: MemoryLogStorage, index: int, old: bytes, new: bytes) -> None:
    assert old in store._entries[index]
    store._entries[index] = store._entries[index].replace(old, new)


def swap(store: MemoryLogStorage) -> None:
    store._entries[5], store._entries[6] = store._entries[6], store._entries[5]


def edit_tile(store: MemoryLogStorage, level: int, index: int, at: int) -> None:
    store._tiles[level, index] = flip(store._tiles[level, index], at)


def edit_head(store: MemoryLogStorage, **fields: Any) -> None:
    assert store._head is not None
    store._head = replace(store._head, **fields)


def truncate(store: MemoryLogStorage) -> None:
    del store._entries[1_270:]


def nonsense_entry(store: MemoryLogStorage) -> None:
    store._entries[9] = b"hello"


def drop_tile(store: MemoryLogStorage) -> None:
    del store._tiles[0, 3]


def surplus(store: MemoryLogStorage) -> None:
    store._entries.append(b"{}")


def forge_checkpoint(store: MemoryLogStorage) -> None:
    store._notes[SIZE] = store._notes[SIZE].replace(b"\n1300\n", b"\n1301\n")


DAMAGE: dict[str, tuple[Callable[[MemoryLogStorage], None], set[tuple[str, str]]]] = {
    "an entry edited": (
        lambda store: edit(store, 7, b"ci@acme", b"xi@acme"),
        {("entry-changed", "entry 7"), ("root", f"head {SIZE}")},
    ),
    "two entries swapped": (
        swap,
        {
            ("entry-changed", "entry 5"),
            ("entry-changed", "entry 6"),
            ("root", f"head {SIZE}"),
        },
    ),
    "an entry of another workspace": (
        lambda store: edit(store, 7, b'"workspace":"acme"', b'"workspace":"evil"'),
        {
            ("entry-changed", "entry 7"),
            ("workspace", "entry 7"),
            ("root", f"head {SIZE}"),
        },
    ),
    "an entry from the past": (
        lambda store: edit(store, 7, b'"time":18', b'"time":17'),
        {("entry-changed", "entry 7"), ("time", "entry 7"), ("root", f"head {SIZE}")},
    ),
    "an entry is nonsense": (
        nonsense_entry,
        {
            ("entry-changed", "entry 9"),
            ("entry-unreadable", "entry 9"),
            ("root", f"head {SIZE}"),
        },
    ),
    "the end cut off": (
        truncate,
        {("entry-missing", f"entry {index}") for index in range(1_270, SIZE)},
    ),
    "a leaf tile edited": (
        lambda store: edit_tile(store, 0, 3, 64),
        {("entry-changed", "entry 770"), ("tile-changed", "tile/0/003")},
    ),
    "the top tile edited": (
        lambda store: edit_tile(store, 1, 0, 0),
        {
            ("tile-changed", "tile/0/000"),
            ("edge", f"head {SIZE}"),
            ("fork", f"checkpoint {SIZE}"),
        },
    ),
    "a tile dropped": (
        drop_tile,
        {("tile-missing", "tile/0/003")}
        | {("entry-changed", f"entry {index}") for index in range(768, 1024)},
    ),
    "the root edited": (
        lambda store: edit_head(store, root=bytes(32)),
        {("root", f"head {SIZE}")},
    ),
    "the edge cut": (
        lambda store: edit_head(store, edge=()),
        {("edge", f"head {SIZE}"), ("root", f"head {SIZE}")},
    ),
    "an entry beyond the head": (surplus, {("surplus", f"entry {SIZE}")}),
    "the checkpoint forged": (forge_checkpoint, {("checkpoint", "newest checkpoint")}),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_named(bench: Bench, store: MemoryLogStorage, name: str) -> None:
    damage, expected = DAMAGE[name]
    damage(store)
    report = fsck(store, [bench.signer.key])
    assert {(one.slug, one.where) for one in report.damages} == expected
    assert not report.ok


def test_several_damages_are_all_found(bench: Bench, store: MemoryLogStorage) -> None:
    for name in ("an entry edited", "a tile dropped", "the top tile edited"):
        DAMAGE[name][0](store)
    found = {one.slug for one in fsck(store, [bench.signer.key]).damages}
    assert found >= {"entry-changed", "tile-missing", "tile-changed", "edge", "root"}


def test_a_sound_log_is_read_whole(bench: Bench, store: MemoryLogStorage) -> None:
    report = fsck(store, [bench.signer.key])
    assert report.ok
    assert (report.entries, report.checkpoint, report.unknown) == (SIZE, SIZE, 0)
    assert report.tiles == 6 + 1


@pytest.mark.slow
def test_a_tile_in_the_middle_is_named(bench: Bench) -> None:
    """Of three levels, the full one that is neither leaf nor top."""
    bench.fill(bench.log(), 65_600, batch=4096)
    assert fsck(bench.storage, [bench.signer.key]).ok
    edit_tile(bench.storage, 1, 0, 32 * 9)
    report = fsck(bench.storage, [bench.signer.key])
    assert {(one.slug, one.where) for one in report.damages} == {
        ("tile-changed", "tile/0/009"),
        ("tile-changed", "tile/1/000"),
    }


def test_without_a_checkpoint_the_report_says_so(store: MemoryLogStorage) -> None:
    store._notes.clear()
    assert fsck(store).checkpoint is None


def test_a_whole_older_store_under_a_newer_head_is_a_rollback(
    make_bench: type[Bench], bench: Bench
) -> None:
    long = make_bench(storage=MemoryLogStorage("acme"))
    long.fill(long.log(), 10)
    bench.fill(bench.log(), 4)
    bench.storage._notes = dict(long.storage._notes)
    report = fsck(bench.storage, [bench.signer.key])
    assert [one.slug for one in report.damages] == ["rollback"]


def test_entries_that_are_not_understood_are_counted(bench: Bench) -> None:
    """They are no damage, and nothing rests on them."""
    log = bench.log()
    bench.fill(log, 2)
    newer = log.entry(0).replace(b'"v":1', b'"v":2')
    assert not Entry.parse(newer).known
    bench.storage._entries[0] = newer
    report = fsck(bench.storage)
    assert report.unknown == 1
    assert ("entry-changed", "entry 0") in {(one.slug, one.where) for one in report.damages}


def test_an_empty_store_is_sound() -> None:
    report = fsck(MemoryLogStorage("acme"))
    assert report.ok
    assert (report.entries, report.tiles) == (0, 0)
