"""Group commit: everyone gets a receipt of their own commit, or the reason why not."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, active_count
from typing import Any

import pytest

from tidegate.core.errors import BusyError, LedgerError, StoreError, UsageError
from tidegate.core.ledger.log import PendingEntry
from tidegate.core.merkle import leaf_hash
from tidegate.logbook.memory import MemoryLogStorage
from tidegate.logbook.sequencer import Sequencer

Pending = Callable[..., PendingEntry]
Bench = Any


class Slow(MemoryLogStorage):
    """Counts transactions, and holds them while the gate is shut."""

    def __init__(self, workspace: str) -> None:
        super().__init__(workspace)
        self.gate = Event()
        self.gate.set()
        self.commits = 0
        self.fail: Exception | None = None

    @contextmanager
    def write(self) -> Iterator[Any]:
        assert self.gate.wait(5)
        if self.fail is not None:
            raise self.fail
        with super().write() as transaction:
            yield transaction
        self.commits += 1


@pytest.fixture
def slow(make_bench: type[Bench]) -> Bench:
    return make_bench(storage=Slow("acme"))


def test_many_threads_share_commits(slow: Bench, make_pending: Pending) -> None:
    log = slow.log()
    slow.storage.gate.clear()
    with Sequencer(log) as sequencer, ThreadPoolExecutor(8) as pool:
        futures = [sequencer.submit(make_pending(n)) for n in range(600)]
        waiting = pool.submit(sequencer.append_one, make_pending(600))
        assert not futures[0].done()
        slow.storage.gate.set()
        receipts = [future.result(5) for future in futures]
        assert waiting.result(5).index == 600
    assert [receipt.index for receipt in receipts] == list(range(600))
    assert slow.storage.commits <= 6
    for receipt in receipts[::50]:
        assert leaf_hash(log.entry(receipt.index)) == receipt.leaf_hash


def test_a_lone_append_waits_for_nobody(slow: Bench, make_pending: Pending) -> None:
    with Sequencer(slow.log(), linger=60) as sequencer:
        for number in range(3):
            assert sequencer.append_one(make_pending(number)).size == number + 1
    assert slow.storage.commits == 3


def test_an_error_reaches_every_waiter_and_the_next_batch_goes_on(
    slow: Bench, make_pending: Pending
) -> None:
    with Sequencer(slow.log()) as sequencer:
        slow.storage.fail = StoreError("disk full")
        futures = [sequencer.submit(make_pending(n)) for n in range(20)]
        for future in futures:
            with pytest.raises(StoreError, match="disk full"):
                future.result(5)
        slow.storage.fail = None
        assert sequencer.append_one(make_pending(99)).index == 0


def test_a_bug_reaches_the_waiter_too(slow: Bench, make_pending: Pending) -> None:
    with Sequencer(slow.log()) as sequencer:
        slow.storage.fail = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            sequencer.append_one(make_pending(1))


def test_a_bad_entry_hurts_nobody_else(slow: Bench, make_pending: Pending) -> None:
    slow.storage.gate.clear()
    with Sequencer(slow.log()) as sequencer:
        good = sequencer.submit(make_pending(1))
        with pytest.raises(UsageError):
            sequencer.submit(make_pending(2, workspace="umbrella"))
        slow.storage.gate.set()
        assert good.result(5).index == 0


def test_a_cancelled_entry_is_not_written(slow: Bench, make_pending: Pending) -> None:
    slow.storage.gate.clear()
    with Sequencer(slow.log(), max_batch=1) as sequencer:
        first, second = (sequencer.submit(make_pending(n)) for n in range(2))
        assert second.cancel()
        slow.storage.gate.set()
        assert first.result(5).size == 1
    assert slow.storage.commits == 1


def test_what_waits_is_bounded(slow: Bench, make_pending: Pending) -> None:
    slow.storage.gate.clear()
    with Sequencer(slow.log(), max_batch=1, max_pending=2) as sequencer:
        with pytest.raises(BusyError):
            _ = [sequencer.submit(make_pending(n)) for n in range(5)]
        slow.storage.gate.set()


def test_closing_writes_what_waits_and_ends_the_thread(slow: Bench, make_pending: Pending) -> None:
    before = active_count()
    sequencer = Sequencer(slow.log())
    futures = [sequencer.submit(make_pending(n)) for n in range(300)]
    sequencer.close()
    assert all(future.done() for future in futures)
    assert active_count() == before
    with pytest.raises(LedgerError):
        sequencer.submit(make_pending(1))
