"""Durability shown apart from atomicity: what was acknowledged had been flushed before.

Killing a process proves nothing about a power cut, as the kernel still has what it wrote. So the
write-ahead log is cut where a power cut may cut it, and opened again.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.ledgers import Ledger, pending
from tests.services import fresh_store

from tidegate.logbook.fsck import fsck
from tidegate.store.engine import open_engine
from tidegate.store.migrate import upgrade
from tidegate.store.transactions import driver_cursor, writing_soon

APPENDS = 30
_WAL_HEADER = 32
_FRAME = 24 + 4096
"""https://www.sqlite.org/fileformat2.html#walformat"""


@dataclass(frozen=True)
class Recorded:
    """A store whose write-ahead log was kept whole, with what was acknowledged when."""

    database: bytes
    wal: bytes
    acknowledged: list[tuple[int, int]]
    """For each acknowledgement: bytes of the log that must be enough, entries acknowledged."""


def _reopen(recorded: Recorded, length: int, folder: Path) -> int:
    """Open the store as a power cut at ``length`` leaves it; return the number of entries."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "store.db").write_bytes(recorded.database)
    (folder / "store.db-wal").write_bytes(recorded.wal[:length])
    engine = open_engine(f"sqlite:///{folder / 'store.db'}")
    ledger = Ledger(engine, folder)
    head = ledger.storage.head()
    size = 0
    if head is not None:
        log = ledger.log()
        size = log.head.size
        assert fsck(ledger.storage, log.keys).ok
        for index in range(size):
            digest = str(pending(f"w{index}", "acme").entry.envelope)
            assert isinstance(ledger.storage.envelope(digest), bytes)
    engine.dispose()
    return size


def test_a_cut_at_each_frame_leaves_every_commit_before_it(tmp_path: Path) -> None:
    """And a whole log at every place: never half an append."""
    upgrade(f"sqlite:///{tmp_path / 'store.db'}")
    ledger = Ledger(open_engine(f"sqlite:///{tmp_path / 'store.db'}"), tmp_path)
    database, wal = tmp_path / "store.db", tmp_path / "store.db-wal"
    before = database.read_bytes()
    log, acknowledged = ledger.log(), []
    for number in range(8):
        log.append([pending(f"w{number}", "acme")])
        acknowledged.append((wal.stat().st_size, number + 1))
    recorded = Recorded(before, wal.read_bytes(), acknowledged)
    assert database.read_bytes() == before
    cuts = range(_WAL_HEADER, len(recorded.wal) + 1, _FRAME)
    assert len(cuts) > 8 * 5
    for cut in [*cuts, len(recorded.wal) - 1, len(recorded.wal) // 2]:
        due = max((count for length, count in acknowledged if length <= cut), default=0)
        assert _reopen(recorded, cut, tmp_path / "cut") >= due
    ledger.engine.dispose()


def _traced(tmp_path: Path) -> tuple[Recorded, int]:
    """Run a program of appends under strace; what was flushed at each acknowledgement counts."""
    if shutil.which("strace") is None:
        pytest.skip("strace is absent: `apt-get install strace`")
    database, trace = tmp_path / "store.db", tmp_path / "trace"
    upgrade(f"sqlite:///{database}")
    before = database.read_bytes()
    command = [
        *("strace", "-f", "-y", "-e", "trace=pwrite64,write,fdatasync,fsync", "-s", "32"),
        *("-o", str(trace), sys.executable, "-m", "tests.faults.append_loop"),
        *(f"sqlite:///{database}", str(tmp_path), str(APPENDS)),
    ]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if b"ptrace" in done.stderr.lower():
        pytest.skip("this host lets no process be traced")
    assert done.returncode == 0, done.stderr[-500:]
    written = flushed = flushes = 0
    acknowledged: list[tuple[int, int]] = []
    for line in trace.read_text().splitlines():
        if match := re.search(r"pwrite64\(\d+<[^>]*-wal>, .*, (\d+), (\d+)\)", line):
            written = max(written, int(match[1]) + int(match[2]))
        elif re.search(r"(fdatasync|fsync)\(\d+<[^>]*-wal>", line):
            flushed, flushes = written, flushes + 1
        elif match := re.search(r'write\(1<.*"ack (\d+)', line):
            acknowledged.append((flushed, int(match[1]) + 1))
    wal = (tmp_path / "store.db-wal").read_bytes()
    return Recorded(before, wal, acknowledged), flushes


def test_what_was_flushed_at_an_acknowledgement_holds_the_entry(tmp_path: Path) -> None:
    """One flush an append: the signed head beside it costs none."""
    recorded, flushes = _traced(tmp_path)
    assert [count for _, count in recorded.acknowledged] == list(range(1, APPENDS + 1))
    assert APPENDS <= flushes <= APPENDS + 3
    for flushed, count in recorded.acknowledged[::5]:
        assert flushed > 0
        assert _reopen(recorded, flushed, tmp_path / "cut") >= count


@pytest.mark.postgres
def test_postgresql_has_flushed_a_commit_when_it_is_acknowledged(tmp_path: Path) -> None:
    """By the server's own word: the flushed position has passed the transaction's."""
    with fresh_store("postgresql", tmp_path) as url:
        engine = open_engine(url)
        ledger = Ledger(engine, tmp_path)
        ledger.fill(1)
        position = text("SELECT pg_current_wal_insert_lsn()")
        passed = text("SELECT pg_current_wal_flush_lsn() >= CAST(:lsn AS pg_lsn)")
        for number in range(5):
            with ledger.storage.write() as log:
                assert log.head is not None
                log.put_checkpoint(number, b"x" * 2_000)
                log._cursor.execute("SELECT pg_current_wal_insert_lsn()", ())
                lsn = log._cursor.fetchone()[0]
                log._cursor.execute("SHOW synchronous_commit", ())
                assert log._cursor.fetchone()[0] == "on"
            with engine.connect() as connection:
                assert connection.execute(passed, {"lsn": lsn}).scalar()
                assert connection.execute(position).scalar()
        engine.dispose()


@pytest.mark.postgres
def test_postgresql_waits_for_the_disk_again_after_a_signed_head(tmp_path: Path) -> None:
    with fresh_store("postgresql", tmp_path) as url:
        engine = open_engine(url)
        with writing_soon(engine) as connection:
            cursor = driver_cursor(connection)
            cursor.execute("SHOW synchronous_commit", ())
            assert cursor.fetchone()[0] == "off"
        with engine.connect() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
        engine.dispose()
