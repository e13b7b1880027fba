"""Backups: whole while others write, refused where they contradict themselves, seen as old."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ledgers import NOW, Ledger, note_signer, pending
from tests.services import fresh_store

from tidegate.core.errors import (
    LedgerError,
    RollbackError,
    SchemaError,
    StoreError,
    SubjectError,
    TidegateError,
    UsageError,
)
from tidegate.core.ledger.checkpoint import open_checkpoint
from tidegate.logbook.fsck import fsck
from tidegate.logbook.monitor import Memory
from tidegate.store.backup import backup, restore
from tidegate.store.engine import open_engine
from tidegate.store.migrate import upgrade


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(address)
    return address


def open_ledger(url: str, folder: Path) -> Ledger:
    return Ledger(open_engine(url), folder, time=NOW + 5)


def test_a_backup_made_while_others_write_is_a_whole_log(url: str, tmp_path: Path) -> None:
    ledger = open_ledger(url, tmp_path)
    log = ledger.fill(300)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            log.append([pending(f"more{number}", "acme")])
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    copy = tmp_path / "copy.db"
    assert backup(url, copy) > 0
    stop.set()
    writer.join()
    assert restore(copy, f"sqlite:///{tmp_path / 'again.db'}") == ["acme"]
    again = open_ledger(f"sqlite:///{tmp_path / 'again.db'}", tmp_path)
    assert 300 <= again.log().head.size <= log.head.size
    assert fsck(again.storage, log.keys).ok
    assert not list(tmp_path.glob(".*"))
    assert copy.stat().st_mode & 0o077 == 0


def test_who_remembers_a_later_head_sees_that_a_backup_was_restored(
    url: str, tmp_path: Path
) -> None:
    """The store itself can't know; clients and witnesses do."""
    ledger = open_ledger(url, tmp_path)
    ledger.fill(10)
    backup(url, tmp_path / "copy.db")
    log = ledger.fill(5)
    memory = Memory(tmp_path / "client")
    keys = [note_signer().key]
    memory.check(open_checkpoint(log.checkpoint(), keys), log.prove_consistency)
    restore(tmp_path / "copy.db", f"sqlite:///{tmp_path / 'again.db'}")
    old = open_ledger(f"sqlite:///{tmp_path / 'again.db'}", tmp_path).log()
    with pytest.raises(RollbackError):
        memory.check(open_checkpoint(old.checkpoint(), keys), old.prove_consistency)


def _run(statement: str) -> Callable[[Path], object]:
    return lambda path: sqlite3.connect(path, isolation_level=None).execute(statement)


BAD: dict[str, tuple[Callable[[Path], object], type[TidegateError]]] = {
    "no file": (lambda path: path.unlink(), SubjectError),
    "cut short": (lambda path: path.write_bytes(path.read_bytes()[:30_000]), StoreError),
    "junk": (lambda path: path.write_bytes(b"junk" * 2_000), StoreError),
    "a newer schema": (_run("UPDATE tidegate_schema SET version_num = '99'"), SchemaError),
    "another program's": (_run("PRAGMA application_id = 1"), StoreError),
    "another root": (_run("UPDATE log_head SET root = zeroblob(32)"), LedgerError),
    "a tile lost": (_run("DELETE FROM log_tile WHERE level = 0"), LedgerError),
    "a head moved back": (_run("UPDATE log_head SET size = 7"), LedgerError),
    "a checkpoint lost in junk": (_run("UPDATE log_checkpoint SET note = x'00'"), LedgerError),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_copy_is_not_restored(url: str, tmp_path: Path, name: str) -> None:
    open_ledger(url, tmp_path).fill(10)
    copy, target = tmp_path / "copy.db", tmp_path / "again.db"
    backup(url, copy)
    damage, kind = BAD[name]
    damage(copy)
    with pytest.raises(kind):
        restore(copy, f"sqlite:///{target}")
    assert not target.exists()
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_overwritten(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        backup(url, tmp_path / "store.db")
    backup(url, tmp_path / "copy.db")
    with pytest.raises(UsageError):
        restore(tmp_path / "copy.db", url)


def test_a_copy_into_a_missing_folder_is_an_error_that_leaves_nothing(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        backup(url, tmp_path / "none" / "copy.db")
    assert not (tmp_path / "none").exists()


@pytest.mark.postgres
def test_a_server_s_store_is_told_to_go_by_log(tmp_path: Path) -> None:
    with fresh_store("postgresql", tmp_path) as url:
        with pytest.raises(UsageError) as caught:
            backup(url, tmp_path / "copy.db")
        assert "db export" in str(caught.value.next_step)
        with pytest.raises(UsageError):
            restore(tmp_path / "copy.db", url)


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_what_is_left_of_a_former_store_is_not_replayed(tmp_path: Path, suffix: str) -> None:
    """SQLite takes a log beside a database for that database's own, whoever put it there."""
    old, copy = tmp_path / "old.db", tmp_path / "copy.db"
    upgrade(f"sqlite:///{old}")
    open_ledger(f"sqlite:///{old}", tmp_path).fill(10)
    backup(f"sqlite:///{old}", copy)
    open_ledger(f"sqlite:///{old}", tmp_path).fill(20)
    target = tmp_path / "store.db"
    left = target.with_name(f"store.db{suffix}")
    left.write_bytes((tmp_path / "old.db-wal").read_bytes() if suffix == "-wal" else b"x")
    with pytest.raises(UsageError) as caught:
        restore(copy, f"sqlite:///{target}")
    assert (caught.value.where, target.exists(), left.exists()) == (str(left), False, True)
