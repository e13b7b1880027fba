"""A client that remembers notices what one look can't show."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.errors import ForkError, RemoteError, RollbackError, StoreError
from tidegate.core.ledger.checkpoint import VerifiedCheckpoint, open_checkpoint
from tidegate.core.ledger.log import Log
from tidegate.logbook.memory import MemoryLogStorage
from tidegate.logbook.monitor import Memory

Bench = Any


def now(log: Log) -> VerifiedCheckpoint:
    return open_checkpoint(log.checkpoint(), log.keys)


def history(make_bench: type[Bench], size: int, *, first: int = 0) -> Log:
    bench = make_bench(storage=MemoryLogStorage("acme"), count=first)
    log: Log = bench.log()
    bench.fill(log, size)
    return log


def test_a_growing_log_is_remembered(bench: Bench, tmp_path: Path) -> None:
    log, memory = bench.log(), Memory(tmp_path / "heads")
    for count in (0, 3, 4, 0, 300):
        bench.fill(log, count)
        memory.check(now(log), log.prove_consistency)
        assert Memory(tmp_path / "heads").last(log.origin) == log.checkpoint()
    assert memory.forks() == []


def test_a_log_restored_from_a_backup_is_a_rollback(
    make_bench: type[Bench], tmp_path: Path
) -> None:
    long, short = history(make_bench, 10), history(make_bench, 7)
    memory = Memory(tmp_path)
    memory.check(now(long), long.prove_consistency)
    with pytest.raises(RollbackError) as caught:
        memory.check(now(short), short.prove_consistency)
    assert long.head.root.hex() in str(caught.value)
    assert short.head.root.hex() in str(caught.value)
    assert memory.last(long.origin) == long.checkpoint()


@pytest.mark.parametrize("size", [10, 25])
def test_a_fork_is_noticed_and_its_proof_kept(
    make_bench: type[Bench], tmp_path: Path, size: int
) -> None:
    """At the same size the two signed heads alone convict the log."""
    mine, other = history(make_bench, 10), history(make_bench, size, first=99)
    memory = Memory(tmp_path)
    memory.check(now(mine), mine.prove_consistency)
    for _ in range(2):
        with pytest.raises(ForkError):
            memory.check(now(other), other.prove_consistency)
    assert memory.last(mine.origin) == mine.checkpoint()
    (kept,) = memory.forks()
    first, second = kept.read_bytes().split(b"=\n\n" + mine.origin.encode())
    assert open_checkpoint(first + b"=\n", mine.keys).checkpoint == mine.head
    rest = mine.origin.encode() + second
    assert open_checkpoint(rest, mine.keys).checkpoint == other.head


def test_a_log_that_cannot_prove_itself_is_not_believed(
    make_bench: type[Bench], tmp_path: Path
) -> None:
    log, memory = history(make_bench, 10), Memory(tmp_path)
    memory.check(now(history(make_bench, 4)), log.prove_consistency)

    def nonsense(old: int, new: int) -> Sequence[bytes]:
        return [bytes(32)] * (new - old)

    with pytest.raises(ForkError):
        memory.check(now(log), nonsense)


def test_without_an_answer_nothing_is_remembered(make_bench: type[Bench], tmp_path: Path) -> None:
    log, memory = history(make_bench, 10), Memory(tmp_path)
    memory.check(now(history(make_bench, 4)), log.prove_consistency)
    before = memory.last(log.origin)

    def down(old: int, new: int) -> Sequence[bytes]:
        raise RemoteError("no answer", cause=f"{old} {new}")

    with pytest.raises(RemoteError):
        memory.check(now(log), down)
    assert memory.last(log.origin) == before


def test_a_damaged_memory_is_no_empty_one(make_bench: type[Bench], tmp_path: Path) -> None:
    log, memory = history(make_bench, 10), Memory(tmp_path)
    memory.check(now(log), log.prove_consistency)
    (file,) = tmp_path.glob("*.checkpoint")
    file.write_bytes(b"")
    with pytest.raises(StoreError):
        memory.check(now(log), log.prove_consistency)


def test_logs_are_remembered_apart(bench: Bench, tmp_path: Path) -> None:
    log = bench.log()
    bench.fill(log, 3)
    memory = Memory(tmp_path)
    memory.check(now(log), log.prove_consistency)
    assert memory.last("other.example/log") is None
