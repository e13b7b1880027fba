"""Many processes and threads on one store lose nothing and double nothing, on both databases."""

import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from tests.ledgers import Ledger, pending
from tests.services import KINDS, fresh_store

from tidegate.core.ledger.entry import Entry
from tidegate.logbook.fsck import fsck
from tidegate.store.engine import open_engine

PROCESSES = 8
THREADS = 2
APPENDS = 6


def _append(url: str, folder: str, name: str, pipe: Connection) -> None:
    """Append from several threads, with a log each, as a server and a CLI on one store do."""
    ledger = Ledger(open_engine(url), Path(folder))
    done: list[tuple[int, str]] = []
    failed: list[str] = []

    def work(thread: int) -> None:
        try:
            log = ledger.log()
            for number in range(APPENDS):
                label = f"{name}.{thread}.{number}"
                (receipt,) = log.append([pending(label, ledger.workspace, size=300)])
                done.append((receipt.index, label))
        except BaseException as error:
            failed.append(repr(error))
            raise

    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send((done, failed))


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_store(request.param, tmp_path) as address:
        yield address


def test_eight_processes_and_their_threads_append_at_once(url: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    readers = []
    for number in range(PROCESSES):
        reader, pipe = context.Pipe(duplex=False)
        arguments = (url, str(tmp_path), f"p{number}", pipe)
        process = context.Process(target=_append, args=arguments, daemon=True)
        process.start()
        pipe.close()
        readers.append((reader, process))
    receipts: list[tuple[int, str]] = []
    for reader, process in readers:
        done, failed = reader.recv()
        assert failed == []
        receipts += done
        process.join()
    total = PROCESSES * THREADS * APPENDS
    assert sorted(index for index, _ in receipts) == list(range(total))
    engine = open_engine(url)
    ledger = Ledger(engine, tmp_path)
    log = ledger.log()
    assert log.head.size == total
    assert fsck(ledger.storage, log.keys).ok
    for index, label in receipts:
        item = pending(label, ledger.workspace, size=300)
        assert Entry.parse(log.entry(index)).envelope == item.entry.envelope
        assert ledger.storage.envelope(str(item.entry.envelope)) == item.envelope
    engine.dispose()
