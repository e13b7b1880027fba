"""A served folder is whole at every moment, and never rewrites what it published."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.errors import ForkError, RollbackError, StoreError
from tidegate.core.ledger.checkpoint import Checkpoint, open_checkpoint
from tidegate.core.ledger.log import Log
from tidegate.core.ledger.note import NoteKey
from tidegate.core.ledger.tiles import right_edge
from tidegate.logbook.export import export, folder_fetch, open_folder
from tidegate.logbook.memory import MemoryLogStorage

Bench = Any
TESSERA = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def read(folder: Path, log: Log) -> tuple[Checkpoint, list[bytes]]:
    head = open_checkpoint((folder / "checkpoint").read_bytes(), log.keys).checkpoint
    return head, list(open_folder(folder, head).entries())


def test_an_exported_folder_reads_back(bench: Bench, tmp_path: Path) -> None:
    log = bench.log()
    for count in (0, 3, 253, 1, 300):
        bench.fill(log, count)
        assert export(log, tmp_path) == log.head
        assert read(tmp_path, log) == (log.head, list(log.entries()))
    files = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert {"checkpoint", "tile/0/000", "tile/1/000.p/2", "tile/entries/002.p/45"} <= files


def test_exporting_again_writes_no_tile_anew(bench: Bench, tmp_path: Path) -> None:
    log = bench.log()
    bench.fill(log, 600)
    export(log, tmp_path)
    before = {file: file.stat().st_ino for file in (tmp_path / "tile").rglob("*")}
    export(log, tmp_path)
    assert {file: file.stat().st_ino for file in (tmp_path / "tile").rglob("*")} == before


def test_partial_tiles_of_published_heads_stay(bench: Bench, tmp_path: Path) -> None:
    """Whoever holds an older head can still verify it."""
    log, heads = bench.log(), []
    for count in (10, 300, 5):
        bench.fill(log, count)
        heads.append(export(log, tmp_path))
    for head in heads:
        reader = open_folder(tmp_path, head)
        assert len(list(reader.entries())) == head.size
        for level, index, width in right_edge(head.size):
            assert reader.tile(level, index, width)


def full_after(calls: int) -> Callable[[int], None]:
    """An fsync that fails the given time it is called: the disk is full."""
    real, left = os.fsync, calls

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(28, "No space left on device")
        real(descriptor)

    return fsync


def _try(log: Log, folder: Path) -> StoreError | None:
    try:
        export(log, folder)
    except StoreError as error:
        return error
    return None


def test_a_crash_at_any_file_leaves_the_former_head(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = bench.log()
    bench.fill(log, 100)
    export(log, tmp_path)
    before = read(tmp_path, log)
    bench.fill(log, 700)
    steps = 0
    for step in range(1, 40):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_after(step))
            failed = _try(log, tmp_path)
        if failed is None:
            break
        steps += 1
        assert failed.exit_code == 6
        assert read(tmp_path, log) in (before, (log.head, list(log.entries())))
    assert steps > 3
    assert read(tmp_path, log)[0] == log.head
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_log_behind_its_folder_is_refused(
    bench: Bench, make_bench: type[Bench], tmp_path: Path
) -> None:
    bench.fill(log := bench.log(), 10)
    export(log, tmp_path)
    other = make_bench(storage=MemoryLogStorage("acme"))
    other.fill(short := other.log(), 5)
    with pytest.raises(RollbackError):
        export(short, tmp_path)


@pytest.mark.parametrize("size", [10, 400])
def test_another_history_is_refused(
    bench: Bench, make_bench: type[Bench], tmp_path: Path, size: int
) -> None:
    bench.fill(log := bench.log(), 10)
    export(log, tmp_path)
    other = make_bench(storage=MemoryLogStorage("acme"), count=77)
    other.fill(fork := other.log(), size)
    with pytest.raises(ForkError):
        export(fork, tmp_path)
    assert read(tmp_path, log)[0] == log.head


def test_a_changed_file_is_not_overwritten(bench: Bench, tmp_path: Path) -> None:
    bench.fill(log := bench.log(), 10)
    export(log, tmp_path)
    (tmp_path / "checkpoint").unlink()
    (tmp_path / "tile/0/000.p/10").write_bytes(bytes(320))
    with pytest.raises(ForkError, match="another history"):
        export(log, tmp_path)


def test_a_folder_serves_tiles_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    fetch = folder_fetch(tmp_path)
    assert fetch("secret") is None
    assert fetch("../secret") is None
    assert fetch("tile/0/000") is None


def test_the_foreign_log_reads_and_every_head_continues_the_one_before(shared: Path) -> None:
    """A log that another implementation wrote, with all its stored heads."""
    folder = shared / "data/supply/tlog/tessera-testdata"
    key = NoteKey.from_vkey(TESSERA)
    heads = [
        open_checkpoint((folder / f"checkpoint.{size}").read_bytes(), [key]).checkpoint
        for size in range(1, 16)
    ]
    last = open_folder(folder, heads[-1])
    assert len(list(last.entries())) == 15
    for head in heads:
        assert last.root_of(head.size) == head.root
        entries = list(open_folder(folder, head).entries())
        assert entries == list(last.entries(0, head.size))
