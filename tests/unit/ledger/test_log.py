"""The log: what is acknowledged stays, and nothing is signed that contradicts what was signed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from tidegate.core.errors import (
    AccessError,
    BusyError,
    ForkError,
    LedgerError,
    ProofError,
    RollbackError,
    SignatureError,
    TidegateError,
    UsageError,
    VerificationError,
)
from tidegate.core.ledger.checkpoint import Checkpoint, open_checkpoint
from tidegate.core.ledger.entry import Entry, genesis
from tidegate.core.ledger.log import Log, PendingEntry
from tidegate.core.ledger.merkle import verify_consistency, verify_inclusion
from tidegate.core.ledger.note import Note, NoteSigner
from tidegate.core.ledger.storage import Head, LogWrite, NewEntry, NewTile
from tidegate.core.merkle import EMPTY_ROOT, leaf_hash
from tidegate.logbook.memory import MemoryLogStorage

Pending = Callable[..., PendingEntry]
Bench = Any  # the fixture's class; importlib mode keeps conftest from being imported


def head_of(log: Log) -> Checkpoint:
    return open_checkpoint(log.checkpoint(), log.keys).checkpoint


def test_receipts_lead_to_proofs(bench: Bench) -> None:
    log = bench.log()
    receipts = bench.fill(log, 300, batch=100)
    assert [receipt.index for receipt in receipts] == list(range(300))
    assert [receipt.size for receipt in receipts[::100]] == [100, 200, 300]
    head = head_of(log)
    for receipt in receipts[::37]:
        data = log.entry(receipt.index)
        assert leaf_hash(data) == receipt.leaf_hash
        assert Entry.parse(data).time == receipt.time
        path = log.prove_inclusion(receipt.index)
        verify_inclusion(receipt.leaf_hash, receipt.index, head.size, path, head.root)


def test_an_empty_log_has_a_signed_head_too(bench: Bench) -> None:
    head = head_of(bench.log())
    assert (head.size, head.root) == (0, EMPTY_ROOT)
    assert bench.log().append([]) == []


def test_every_signed_head_continues_the_one_before(bench: Bench) -> None:
    log, heads = bench.log(), []
    for count in (1, 5, 250, 1, 300):
        bench.fill(log, count)
        heads.append(head_of(log))
    last = heads[-1]
    for head in heads:
        path = log.prove_consistency(head.size)
        verify_consistency(head.size, last.size, head.root, last.root, path)
        assert log.prove_inclusion(0, head.size) is not None


def test_entries_are_stamped_with_log_time(bench: Bench, make_pending: Pending) -> None:
    """What the caller put there does not count."""
    log = bench.log()
    item = make_pending(1)
    forged = PendingEntry(replace(item.entry, time=1))
    assert log.append([forged])[0].time == bench.clock.now()


def test_a_clock_behind_the_last_entry_is_refused(bench: Bench) -> None:
    log = bench.log()
    bench.fill(log, 1)
    bench.clock.advance(-1)
    for one in (log, bench.log()):
        with pytest.raises(LedgerError) as caught:
            bench.fill(one, 1)
        assert caught.value.code == "TG-LOG/clock-behind"
    tolerant = Log(bench.storage, origin=log.origin, clock=bench.clock, skew=1)
    assert bench.fill(tolerant, 1)[0].time == bench.clock.now() + 1


def test_an_entry_names_its_own_envelope_and_workspace(bench: Bench, make_pending: Pending) -> None:
    log, good = bench.log(), make_pending(1, b"envelope")
    bad = {
        "other envelope": PendingEntry(good.entry, b"other"),
        "envelope without a name": PendingEntry(make_pending(1).entry, b"envelope"),
        "other workspace": make_pending(1, workspace="umbrella"),
        "unknown kind": PendingEntry(Entry("telepathy", "acme")),
        "genesis in the middle": PendingEntry(genesis("acme", "o", actor="a", tool="t")),
    }
    log.append([good])
    digest = f"sha256:{sha256(b'envelope').hexdigest()}"
    assert bench.storage.envelopes == {digest: b"envelope"}
    for name, item in bad.items():
        with pytest.raises(UsageError):
            log.append([make_pending(2), item])
        assert log.head.size == 1, name


def test_an_entry_that_was_read_is_stamped_anew(bench: Bench, make_pending: Pending) -> None:
    log = bench.log()
    log.append([make_pending(1)])
    again = Entry.parse(log.entry(0))
    bench.clock.advance(5)
    receipt = log.append([PendingEntry(again)])[0]
    assert Entry.parse(log.entry(receipt.index)).time == bench.clock.now()


def test_a_closed_log_takes_nothing_more(bench: Bench, make_pending: Pending) -> None:
    """Its successor begins by naming its last head."""
    log = bench.log()
    founding = genesis("acme", log.origin, actor="root", tool="t")
    log.append([PendingEntry(founding)])
    final = log.close(Entry("close", "acme", actor="root"), "acme.example/log2")
    text = Note.parse(final).text
    for one in (log, bench.log()):
        with pytest.raises(LedgerError, match="closed") as caught:
            one.append([make_pending(1)])
        assert "acme.example/log2" in str(caught.value.next_step)
    second = Log(MemoryLogStorage("acme"), origin="acme.example/log2", clock=bench.clock)
    follow = genesis("acme", second.origin, actor="root", tool="t", predecessor=text)
    second.append([PendingEntry(follow)])
    said = Entry.parse(second.entry(0)).extra["predecessor"]
    assert Checkpoint.parse(said) == head_of(log)


def test_a_log_without_a_key_is_unsigned_and_says_so(bench: Bench, make_pending: Pending) -> None:
    log = Log(bench.storage, origin="acme.example/log", clock=bench.clock)
    log.append([make_pending(1)])
    with pytest.raises(LedgerError) as caught:
        log.checkpoint()
    assert caught.value.code == "TG-LOG/unsigned"


def test_the_key_has_the_logs_name(bench: Bench) -> None:
    with pytest.raises(UsageError):
        Log(bench.storage, origin="other", clock=bench.clock, signer=bench.signer)


def test_a_successor_key_goes_on(bench: Bench, make_signer: Callable[..., NoteSigner]) -> None:
    """The old key's head is accepted while it is listed, and refused when it is not."""
    old = bench.log()
    bench.fill(old, 3)
    old.checkpoint()
    new = make_signer(old.origin, seed=b"rotated")
    with pytest.raises(LedgerError, match="does not verify"):
        Log(bench.storage, origin=old.origin, clock=bench.clock, signer=new).open()
    log = Log(
        bench.storage, origin=old.origin, clock=bench.clock, signer=new, keys=[bench.signer.key]
    )
    bench.fill(log, 1)
    assert open_checkpoint(log.checkpoint(), [new.key]).checkpoint.size == 4


def test_signing_again_gives_the_same_bytes(bench: Bench) -> None:
    log = bench.log()
    bench.fill(log, 3)
    first = log.checkpoint()
    bench.storage._notes.clear()
    assert bench.log().checkpoint() == first


def test_cosignatures_are_kept_with_the_head(
    bench: Bench, witness_signer: NoteSigner, make_signer: Callable[..., NoteSigner]
) -> None:
    log = bench.log()
    bench.fill(log, 3)
    text = Note.parse(log.checkpoint()).text
    line = witness_signer.sign_note(text, seconds=7)
    stranger = make_signer("w.example/2", witness_signer.key.kind).sign_note(text, seconds=7)
    log.cosign([line, stranger], [witness_signer.key])
    note = Note.parse(bench.log().checkpoint())
    assert [one.name for one in note.signatures] == [log.origin, "witness.example/w1"]
    with pytest.raises(SignatureError):
        log.cosign([replace(line, signature=bytes(72))], [witness_signer.key])


def test_two_processes_take_turns(bench: Bench) -> None:
    """Two logs on one store, each with its own memory of it."""
    first, second = bench.log(), bench.log()
    for turn in range(6):
        bench.fill((first, second)[turn % 2], 130)
    assert head_of(first) == head_of(second)
    assert first.head.size == 780
    verify_inclusion(leaf_hash(first.entry(5)), 5, 780, second.prove_inclusion(5), second.head.root)


class Crash(Exception):  # noqa: N818 - not an error of ours: it stands for the process dying
    """The process dies here."""


class Dying(MemoryLogStorage):
    """Dies at a chosen step of an append, as kill -9 would."""

    step = ""

    def die(self, step: str) -> None:
        if self.step == step:
            self.step = ""
            raise Crash(step)

    @contextmanager
    def write(self) -> Iterator[Any]:
        self.die("before the transaction")
        with super().write() as transaction:
            self.die("in the transaction")
            yield Watched(self, transaction)
            self.die("before the commit")
        self.die("after the commit")

    def save_checkpoint(self, size: int, note: bytes) -> None:
        self.die("before the checkpoint is saved")
        super().save_checkpoint(size, note)
        self.die("after the checkpoint is saved")


class Watched:
    def __init__(self, storage: Dying, inner: LogWrite) -> None:
        self.storage, self.inner, self.head = storage, inner, inner.head

    def put(self, entries: list[NewEntry], tiles: list[NewTile], head: Head) -> None:
        self.storage.die("before the leaves are staged")
        self.inner.put(entries, tiles, head)
        self.storage.die("after the leaves are staged")


STEPS = {
    "before the transaction": 0,
    "in the transaction": 0,
    "before the leaves are staged": 0,
    "after the leaves are staged": 0,
    "before the commit": 0,
    "after the commit": 10,
    "before the checkpoint is saved": 10,
    "after the checkpoint is saved": 10,
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("same_process", [True, False])
def test_a_crash_loses_nothing_acknowledged_and_signs_no_contradiction(
    make_bench: type[Bench], step: str, *, same_process: bool
) -> None:
    storage = Dying("acme")
    bench = make_bench(storage=storage)
    log = bench.log()
    receipts = bench.fill(log, 250)
    signed = head_of(log)
    storage.step = step
    with pytest.raises(Crash):
        bench.fill(log, 10)
    after = log if same_process else bench.log()
    assert after.open().head.size == 250 + STEPS[step]
    for receipt in receipts:
        assert leaf_hash(after.entry(receipt.index)) == receipt.leaf_hash
    bench.fill(after, 10)
    head = head_of(after)
    assert head.size == 260 + STEPS[step]
    path = after.prove_consistency(signed.size)
    verify_consistency(signed.size, head.size, signed.root, head.root, path)
    assert len(list(after.entries())) == head.size


def test_a_store_too_busy_for_the_signed_head_gets_it_later(make_bench: type[Bench]) -> None:
    """The receipt stands for the commit; asking for the head is where the error shows."""
    storage = BusyForHeads("acme")
    log = make_bench(storage=storage).log()
    bench = make_bench(storage=storage)
    bench.fill(log, 3)
    storage.busy = True
    assert bench.fill(log, 2)[0].size == 5
    with pytest.raises(BusyError):
        log.checkpoint()
    storage.busy = False
    bench.fill(log, 1)
    assert head_of(log).size == 6


class BusyForHeads(MemoryLogStorage):
    busy = False

    def save_checkpoint(self, size: int, note: bytes) -> None:
        if self.busy:
            raise BusyError("the write lock could not be had")
        super().save_checkpoint(size, note)


def test_a_signer_that_fails_does_not_lose_the_entry(bench: Bench) -> None:
    log = bench.log()
    bench.fill(log, 1)

    def refuse(message: bytes) -> bytes:
        raise AccessError("the token is unplugged", cause=f"{len(message)} bytes")

    broken = Log(
        bench.storage,
        origin=log.origin,
        clock=bench.clock,
        signer=NoteSigner(bench.signer.key, refuse),
    )
    with pytest.raises(AccessError):
        bench.fill(broken, 1)
    assert broken.head.size == 2
    assert head_of(log).size == 2


def test_a_fenced_writer_changes_nothing(bench: Bench, make_pending: Pending) -> None:
    with bench.storage.write() as transaction:
        head = Head(1, leaf_hash(b"x"), (leaf_hash(b"x"),), 7)
        with pytest.raises(BusyError):
            transaction.put([NewEntry(0, b"x", leaf_hash(b"x"), None, None)], [], head)
    assert bench.storage.head() is None
    assert bench.log().append([make_pending(1)])[0].index == 0


def _flip(data: bytes, at: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _edit_last_entry(store: MemoryLogStorage) -> None:
    store._entries[-1] = store._entries[-1].replace(b"ci@acme", b"xi@acme")


def _swap_last_entries(store: MemoryLogStorage) -> None:
    store._entries[-1], store._entries[-2] = store._entries[-2], store._entries[-1]


def _delete_an_entry(store: MemoryLogStorage) -> None:
    del store._entries[-2]


def _edit_edge_tile(store: MemoryLogStorage) -> None:
    store._tiles[0, 2] = _flip(store._tiles[0, 2])


def _drop_edge_tile(store: MemoryLogStorage) -> None:
    del store._tiles[1, 0]


def _edit_head(store: MemoryLogStorage) -> None:
    assert store._head is not None
    store._head = replace(store._head, root=_flip(store._head.root))


def _edit_edge(store: MemoryLogStorage) -> None:
    assert store._head is not None
    store._head = replace(store._head, edge=(_flip(store._head.edge[0]), *store._head.edge[1:]))


def _truncate(store: MemoryLogStorage) -> None:
    """As an attacker would who knows the format: an older head, and all that belongs to it."""
    older = _history(300)
    store._entries, store._tiles, store._head = older._entries, older._tiles, older._head


def _fork(store: MemoryLogStorage) -> None:
    other = _history(520, first=100)
    store._entries, store._tiles, store._head = other._entries, other._tiles, other._head


def _forge_checkpoint(store: MemoryLogStorage) -> None:
    note = store.checkpoint()
    assert note is not None
    store.save_checkpoint(520, note.replace(b"\n520\n", b"\n519\n"))


def _nonsense_checkpoint(store: MemoryLogStorage) -> None:
    store.save_checkpoint(520, b"nonsense")


def _history(size: int, *, first: int = 0) -> MemoryLogStorage:
    store = MemoryLogStorage("acme")
    bench = _CLASS[0](storage=store)
    bench.count = first
    bench.fill(bench.log(), size)
    return store


_CLASS: list[type[Bench]] = []

TAMPERING: dict[str, tuple[Callable[[MemoryLogStorage], None], type[TidegateError]]] = {
    "last entry edited": (_edit_last_entry, LedgerError),
    "entries swapped": (_swap_last_entries, LedgerError),
    "entry deleted": (_delete_an_entry, LedgerError),
    "edge tile edited": (_edit_edge_tile, LedgerError),
    "edge tile dropped": (_drop_edge_tile, LedgerError),
    "head edited": (_edit_head, LedgerError),
    "edge edited": (_edit_edge, LedgerError),
    "truncated": (_truncate, RollbackError),
    "forked": (_fork, ForkError),
    "checkpoint forged": (_forge_checkpoint, LedgerError),
    "checkpoint is nonsense": (_nonsense_checkpoint, LedgerError),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_store_that_contradicts_itself_is_not_opened(make_bench: type[Bench], name: str) -> None:
    """Nothing is served from it, appended to it or signed of it."""
    _CLASS[:] = [make_bench]
    tamper, error = TAMPERING[name]
    storage = _history(520)
    tamper(storage)
    log = make_bench(storage=storage).log()
    acts: list[Callable[[], object]] = [
        log.open,
        log.checkpoint,
        lambda: make_bench(storage=storage).fill(log, 1),
        lambda: log.head,
    ]
    for act in acts:
        with pytest.raises(error) as caught:
            act()
        assert caught.value.exit_code == 5
        assert caught.value.next_step
    assert len(storage._entries) in {520, 519, 300}


@pytest.mark.parametrize("name", ["restored from a backup", "forked"])
def test_a_running_process_notices_that_the_store_went_elsewhere(
    make_bench: type[Bench], name: str
) -> None:
    """Even if the backup is whole, with its own signed head."""
    _CLASS[:] = [make_bench]
    storage = _history(520)
    bench = make_bench(storage=storage)
    log = bench.log()
    bench.fill(log, 5)
    other = _history(300) if name == "restored from a backup" else _history(600, first=7)
    for part in ("_entries", "_tiles", "_head", "_notes", "_leaves"):
        setattr(storage, part, getattr(other, part))
    for act in (lambda: bench.fill(log, 1), log.checkpoint, lambda: log.entry(0)):
        with pytest.raises((RollbackError, ForkError)):
            act()


def test_deep_damage_is_found_when_it_is_read(make_bench: type[Bench]) -> None:
    """Opening looks at the right edge only; what lies deeper is proved as it is read."""
    _CLASS[:] = [make_bench]
    storage = _history(520)
    storage._entries[7] = storage._entries[7].replace(b"ci@acme", b"xi@acme")
    storage._tiles[0, 1] = _flip(storage._tiles[0, 1], 100)
    log = make_bench(storage=storage).log().open()
    with pytest.raises(ProofError, match="entry 7"):
        list(log.entries())
    with pytest.raises(ProofError):
        log.entry(7)
    with pytest.raises(VerificationError):
        log.prove_inclusion(256)
    assert log.entry(519)


def test_there_is_no_entry_outside_the_log(bench: Bench) -> None:
    log = bench.log()
    bench.fill(log, 3)
    for index in (-1, 3):
        with pytest.raises(ProofError):
            log.entry(index)


def test_reading_needs_no_write_transaction(bench: Bench) -> None:
    bench.fill(bench.log(), 10)

    def busy() -> AbstractContextManager[Any]:
        raise BusyError("held")

    bench.storage.write = busy
    log = bench.log()
    assert len(list(log.entries(2, 9))) == 7
    assert log.storage.leaf_index(leaf_hash(log.entry(4))) == 4
