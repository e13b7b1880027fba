"""Group commit: many threads append, one writes, and each hears of its own commit only.

>>> from tidegate.core.clock import FixedClock
>>> from tidegate.core.ledger.entry import Entry
>>> from tidegate.core.ledger.log import Log, PendingEntry
>>> from tidegate.logbook.memory import MemoryLogStorage
>>> log = Log(MemoryLogStorage("acme"), origin="acme.example/log", clock=FixedClock(1))
>>> with Sequencer(log) as sequencer:
...     sequencer.append_one(PendingEntry(Entry("attestation", "acme"))).size
1
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from time import sleep
from types import TracebackType
from typing import Self

from tidegate.core.errors import BusyError, LedgerError
from tidegate.core.ledger.log import Log, PendingEntry, Receipt, check_pending


class Sequencer:
    """Joins concurrent appends into batches.

    A lone append is written at once. While a batch commits, the next one gathers; under load
    the writer also lingers a little, as waiting for neighbours is cheaper than another commit.

    Args:
        log: The log to append to.
        max_batch: Entries a transaction.
        linger: Seconds to wait for more after a batch of several.
        max_pending: Entries that may wait; beyond that, appends are refused.
    """

    def __init__(
        self, log: Log, *, max_batch: int = 256, linger: float = 0.002, max_pending: int = 65_536
    ) -> None:
        self._log = log
        self._max_batch = max_batch
        self._linger = linger
        self._max_pending = max_pending
        self._waiting: deque[tuple[PendingEntry, Future[Receipt]]] = deque()
        self._lock = Lock()
        self._crowded = False
        self._closed = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="tidegate-sequencer")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, item: PendingEntry) -> Future[Receipt]:
        """Hand in an entry; the future holds its receipt once it is committed and signed.

        Raises:
            UsageError: It can't be appended; nobody else's batch suffers from it.
            BusyError: Too much is waiting already.
            LedgerError: The sequencer is closed.
        """
        check_pending(item, self._log.storage.workspace)
        receipt: Future[Receipt] = Future()
        with self._lock:
            if self._closed:
                raise LedgerError("the sequencer is closed", slug="sequencer-closed")
            if len(self._waiting) >= self._max_pending:
                raise BusyError(
                    f"{self._max_pending} entries are waiting",
                    next_step="try again later; if it stays so, the store is too slow",
                    slug="sequencer-full",
                )
            self._waiting.append((item, receipt))
            self._writer.submit(self._flush)
        return receipt

    def append_one(self, item: PendingEntry) -> Receipt:
        """Append an entry and wait until it is committed.

        Raises:
            TidegateError: As ``submit`` and ``Log.append`` do.
        """
        return self.submit(item).result()

    def close(self) -> None:
        """Write what is waiting, then end the writer; further appends are refused."""
        with self._lock:
            self._closed = True
        self._writer.shutdown(wait=True)

    def _flush(self) -> None:
        # One call is due for each entry; those whose entry went with an earlier batch find less
        # or nothing, so nothing is ever left behind and nothing polls.
        if self._crowded and 0 < len(self._waiting) < self._max_batch and not self._closed:
            sleep(self._linger)
        with self._lock:
            count = min(len(self._waiting), self._max_batch)
            taken = [self._waiting.popleft() for _ in range(count)]
        batch = [pair for pair in taken if pair[1].set_running_or_notify_cancel()]
        if not batch:
            return
        self._crowded = len(batch) > 1
        try:
            receipts = self._log.append([item for item, _ in batch])
        except BaseException as error:
            for _, receipt in batch:
                receipt.set_exception(error)
            raise
        for (_, receipt), value in zip(batch, receipts, strict=True):
            receipt.set_result(value)
