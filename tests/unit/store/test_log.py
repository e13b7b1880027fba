"""The log in a database: what was acknowledged is there, and nothing else is."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.ledgers import Ledger, envelope_of, pending

from tidegate.core.clock import FixedClock
from tidegate.core.digest import Digest
from tidegate.core.errors import (
    BusyError,
    LedgerError,
    ProofError,
    SubjectError,
    TidegateError,
)
from tidegate.core.ledger.merkle import verify_inclusion
from tidegate.core.ledger.storage import Erased, Head, NewEntry
from tidegate.core.merkle import leaf_hash
from tidegate.logbook.fsck import fsck
from tidegate.store.append import INLINE_LIMIT
from tidegate.store.blobs import LocalBlobs
from tidegate.store.erase import is_erased, shred
from tidegate.store.log import SqlLogStorage
from tidegate.store.lookup import RUN


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Ledger:
    return Ledger(engine, tmp_path)


def test_an_empty_log_has_no_head_entry_tile_or_checkpoint(ledger: Ledger) -> None:
    storage = ledger.storage
    assert storage.head() is None
    assert storage.entry(0) is None
    assert list(storage.entries(0, 10)) == []
    assert storage.tile(0, 0) is None
    assert storage.checkpoint() is None
    assert storage.leaf_index(b"\0" * 32) is None
    assert storage.envelope("sha256:" + "0" * 64) is None


def test_what_was_appended_is_read_by_a_process_that_starts_anew(ledger: Ledger) -> None:
    log = ledger.fill(600)
    again = ledger.log()
    assert again.head == log.head
    assert fsck(ledger.storage, log.keys).ok
    for index in (0, 255, 256, 599):
        path = again.prove_inclusion(index)
        verify_inclusion(leaf_hash(again.entry(index)), index, 600, path, again.head.root)


def test_entries_are_found_by_leaf_and_envelopes_by_digest(ledger: Ledger) -> None:
    """Across the runs of the lookup: in the scanned tail, at its border, and long before."""
    count = RUN * 2 + 7
    ledger.fill(count)
    storage = ledger.storage
    for index in (0, 1, RUN - 1, RUN, 2 * RUN - 1, 2 * RUN, count - 1):
        entry = storage.entry(index)
        assert entry is not None
        assert storage.leaf_index(leaf_hash(entry)) == index
        body = envelope_of(f"e{index}")
        assert storage.envelope(f"sha256:{hashlib.sha256(body).hexdigest()}") == body
    assert storage.leaf_index(leaf_hash(b"another")) is None
    assert storage.envelope("sha256:" + "ab" * 32) is None


def test_the_first_of_two_equal_leaves_is_found(ledger: Ledger) -> None:
    leaf = leaf_hash(b"twice")
    with ledger.storage.write() as log:
        entries = [NewEntry(index, b"twice", leaf, None, None) for index in range(3)]
        log.put(entries, [], Head(3, b"r" * 32, (b"r" * 32,), 1))
    assert ledger.storage.leaf_index(leaf) == 0


def test_a_block_that_raises_writes_nothing(ledger: Ledger) -> None:
    before = ledger.fill(3).head
    entry = NewEntry(3, b"x", leaf_hash(b"x"), None, None)
    with pytest.raises(RuntimeError), ledger.storage.write() as log:  # noqa: PT012 - a transaction
        log.put([entry], [], Head(4, b"r" * 32, (b"r" * 32,), 2))
        raise RuntimeError
    assert ledger.storage.entry(3) is None
    assert ledger.log().head == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda e, h: (replace(e, index=7), h), id="a gap"),
        pytest.param(lambda e, h: (replace(e, index=2), h), id="an index that is taken"),
        pytest.param(lambda e, h: (e, replace(h, size=5)), id="a size that is not theirs"),
        pytest.param(lambda e, h: (e, replace(h, epoch=h.epoch + 1)), id="an epoch left out"),
        pytest.param(lambda e, h: (e, replace(h, epoch=h.epoch - 1)), id="an old epoch"),
    ],
)
def test_what_does_not_follow_the_head_is_refused(
    ledger: Ledger, change: Callable[[NewEntry, Head], tuple[NewEntry, Head]]
) -> None:
    ledger.fill(3)
    entry = NewEntry(3, b"x", leaf_hash(b"x"), None, None)
    with pytest.raises(LedgerError) as caught, ledger.storage.write() as log:  # noqa: PT012 - a transaction
        assert log.head is not None
        head = Head(4, b"r" * 32, (b"r" * 32,), log.head.epoch + 1)
        new, moved = change(entry, head)
        log.put([new], [], moved)
    assert caught.value.slug == "out-of-order"
    assert ledger.storage.entry(3) is None


def test_a_writer_whose_head_was_moved_is_fenced_off(ledger: Ledger) -> None:
    """Even one that believes to hold the lock: the epoch decides."""
    ledger.fill(3)
    with pytest.raises(BusyError) as caught, ledger.storage.write() as log:  # noqa: PT012 - a transaction
        assert log.head is not None
        stale = replace(log.head, epoch=log.head.epoch + 4)
        log.head = stale
        entry = NewEntry(3, b"x", leaf_hash(b"x"), None, None)
        log.put([entry], [], Head(4, b"r" * 32, (b"r" * 32,), stale.epoch + 1))
    assert caught.value.slug == "fenced"
    assert ledger.log().head.size == 3


def test_large_envelopes_go_to_blobs_and_come_back_the_same(ledger: Ledger) -> None:
    item = pending("large", "acme", size=INLINE_LIMIT + 1)
    ledger.log().append([item, pending("small", "acme", size=INLINE_LIMIT)])
    assert [digest.hex for digest in ledger.blobs.list()] == [str(item.entry.envelope)[7:]]
    assert ledger.storage.envelope(str(item.entry.envelope)) == item.envelope
    small = str(pending("small", "acme", size=INLINE_LIMIT).entry.envelope)
    assert ledger.storage.envelope(small) == envelope_of("small", INLINE_LIMIT)


def test_a_changed_envelope_is_never_handed_out(ledger: Ledger) -> None:
    ledger.fill(2)
    digest = str(pending("e1", "acme").entry.envelope)
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE envelope SET bytes = :b WHERE idx = 1"), {"b": b"forged"})
    with pytest.raises(LedgerError) as caught:
        ledger.storage.envelope(digest)
    assert caught.value.slug == "envelope-changed"


def test_a_missing_blob_reads_as_missing(ledger: Ledger) -> None:
    item = pending("large", "acme", size=INLINE_LIMIT + 1)
    ledger.log().append([item])
    ledger.blobs.delete(Digest.parse(str(item.entry.envelope)))
    assert ledger.storage.envelope(str(item.entry.envelope)) is None


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + "0" * 64, "é"])
def test_what_is_no_digest_is_refused(ledger: Ledger, digest: str) -> None:
    with pytest.raises(SubjectError):
        ledger.storage.envelope(digest)


def test_checkpoints_are_kept_by_size_and_the_newest_is_found(ledger: Ledger) -> None:
    storage = ledger.storage
    for size, note in ((5, b"five"), (9, b"nine"), (7, b"seven"), (9, b"nine again")):
        storage.save_checkpoint(size, note)
    assert storage.checkpoint() == b"nine again"
    assert storage.checkpoint(7) == b"seven"
    assert storage.checkpoint(6) is None


@pytest.mark.parametrize("size", [1000, INLINE_LIMIT + 1])
def test_an_erased_envelope_reads_as_erased_and_the_log_stays_whole(
    ledger: Ledger, size: int
) -> None:
    log = ledger.fill(5, size=size)
    digest = Digest.parse(str(pending("e2", "acme", size=size).entry.envelope))
    clock = FixedClock(77)
    assert shred(ledger.engine, ledger.storage, ledger.blobs, digest, clock)
    assert ledger.storage.envelope(str(digest)) == Erased(str(digest), 77)
    assert is_erased(ledger.engine, "acme", digest)
    assert not shred(ledger.engine, ledger.storage, ledger.blobs, digest, FixedClock(99))
    assert ledger.storage.envelope(str(digest)) == Erased(str(digest), 77)
    assert fsck(ledger.storage, log.keys).ok
    kept = pending("e3", "acme", size=size)
    assert ledger.storage.envelope(str(kept.entry.envelope)) == kept.envelope


def test_what_was_erased_stays_erased_when_it_is_appended_again(ledger: Ledger) -> None:
    ledger.fill(3)
    item = pending("e1", "acme")
    digest = Digest.parse(str(item.entry.envelope))
    shred(ledger.engine, ledger.storage, ledger.blobs, digest, FixedClock(77))
    ledger.log().append([item])
    assert isinstance(ledger.storage.envelope(str(digest)), Erased)
    with ledger.engine.connect() as connection:
        query = text("SELECT count(*) FROM envelope WHERE digest = :d AND bytes IS NOT NULL")
        assert connection.execute(query, {"d": bytes.fromhex(digest.hex)}).scalar() == 0


def test_erased_bytes_leave_the_files_of_sqlite(ledger: Ledger, tmp_path: Path) -> None:
    if ledger.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's files are the server's")
    ledger.fill(40)
    item = pending("e20", "acme")
    needle = hashlib.sha256(b"e20").hexdigest().encode()
    files = [tmp_path / "store.db", tmp_path / "store.db-wal"]
    assert any(needle in path.read_bytes() for path in files if path.exists())
    shred(
        ledger.engine,
        ledger.storage,
        ledger.blobs,
        Digest.parse(str(item.entry.envelope)),
        FixedClock(1),
    )
    assert not any(needle in path.read_bytes() for path in files if path.exists())


def test_blobs_of_another_workspace_are_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="blobs of other"):
        SqlLogStorage(engine, "acme", LocalBlobs(tmp_path / "other"))


TAMPERED = {
    "an entry edited": "UPDATE log_entry SET entry = :junk WHERE idx = 5",
    "an entry deleted": "DELETE FROM log_entry WHERE idx = 5",
    "two entries swapped": "UPDATE log_entry SET entry = (SELECT entry FROM log_entry AS o"
    " WHERE o.idx = 11 - log_entry.idx) WHERE idx IN (5, 6)",
    "a tile edited": "UPDATE log_tile SET hashes = :junk32 WHERE level = 0",
    "a head moved back": "UPDATE log_head SET size = 5",
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_with_the_rows_is_noticed(ledger: Ledger, name: str) -> None:
    """By the start of a process or by fsck, at the latest."""
    log = ledger.fill(10, batch=10)
    statement = TAMPERED[name]
    junk = {"junk": b"{}", "junk32": b"j" * 320}
    bound = {key: value for key, value in junk.items() if f":{key}" in statement.split()}
    with ledger.engine.begin() as connection:
        connection.execute(text(statement), bound)
    try:
        ledger.log()
    except (LedgerError, ProofError, TidegateError):
        return
    assert not fsck(ledger.storage, log.keys).ok
