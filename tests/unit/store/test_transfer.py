"""Logs move between databases with the same head, and a damaged export moves nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.ledgers import NOW, Ledger, pending
from tests.services import KINDS, fresh_store

from tidegate.core.canonical import dumps, loads
from tidegate.core.clock import FixedClock
from tidegate.core.digest import Digest
from tidegate.core.errors import LedgerError, TidegateError, UsageError, VerificationError
from tidegate.core.ledger.storage import Erased
from tidegate.logbook.fsck import fsck
from tidegate.store.append import INLINE_LIMIT
from tidegate.store.blobs import LocalBlobs
from tidegate.store.engine import open_engine
from tidegate.store.erase import shred
from tidegate.store.transfer import export_log, import_log


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Ledger:
    return Ledger(engine, tmp_path)


@pytest.fixture(params=KINDS)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty store of the other kind, or of the same."""
    folder = tmp_path / "other"
    folder.mkdir()
    with fresh_store(request.param, folder) as url:
        engine = open_engine(url)
        yield Ledger(engine, folder, time=NOW + 1)
        engine.dispose()


def take(other: Ledger, lines: list[bytes]) -> None:
    import_log(other.engine, lines, lambda name: LocalBlobs(other.folder / "blobs" / name))


def test_a_log_moves_with_its_head_envelopes_checkpoints_and_erasures(
    ledger: Ledger, other: Ledger
) -> None:
    log = ledger.fill(700)
    large = pending("large", "acme", size=INLINE_LIMIT + 1)
    log.append([large])
    gone = str(pending("e5", "acme").entry.envelope)
    shred(ledger.engine, ledger.storage, ledger.blobs, Digest.parse(gone), FixedClock(9))
    take(other, list(export_log(ledger.engine, ledger.storage)))
    moved = other.log()
    assert moved.head == log.head
    assert moved.checkpoint() == log.checkpoint()
    assert fsck(other.storage, log.keys).ok
    assert other.storage.envelope(gone) == Erased(gone, 9)
    for item in (large, pending("e699", "acme"), pending("e0", "acme")):
        assert other.storage.envelope(str(item.entry.envelope)) == item.envelope
    moved.append([pending("after", "acme")])
    assert moved.head.size == 702


def test_an_empty_log_moves(ledger: Ledger, other: Ledger) -> None:
    take(other, list(export_log(ledger.engine, ledger.storage)))
    assert other.storage.head() is None


def test_a_log_is_not_imported_over_another(ledger: Ledger, other: Ledger) -> None:
    ledger.fill(3)
    other.fill(1)
    with pytest.raises(UsageError) as caught:
        take(other, list(export_log(ledger.engine, ledger.storage)))
    assert caught.value.slug == "log-exists"
    assert other.log().head.size == 1


def _edit(line: bytes, **change: object) -> bytes:
    return dumps({**loads(line, what="line"), **change}) + b"\n"


DAMAGE: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "nothing": lambda _: [],
    "no JSON": lambda lines: [b"hello\n", *lines[1:]],
    "no object": lambda lines: [lines[0], b"[1]\n", *lines[2:]],
    "another format": lambda lines: [_edit(lines[0], version=2), *lines[1:]],
    "another root": lambda lines: [_edit(lines[0], root="00" * 32), *lines[1:]],
    "no root": lambda lines: [_edit(lines[0], root="zz"), *lines[1:]],
    "the end cut off": lambda lines: lines[:-1],
    "cut in a line": lambda lines: [*lines[:-1], lines[-1][:4]],
    "an entry left out": lambda lines: [lines[0], *lines[2:]],
    "two entries swapped": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "an entry edited": lambda lines: [lines[0], _edit(lines[1], entry="e30="), *lines[2:]],
    "an envelope edited": lambda lines: [lines[0], _edit(lines[1], envelope="e30="), *lines[2:]],
    "a digest edited": lambda lines: [lines[0], _edit(lines[1], digest="nope"), *lines[2:]],
    "bad base64": lambda lines: [lines[0], _edit(lines[1], entry="*"), *lines[2:]],
    "an entry that is no text": lambda lines: [lines[0], _edit(lines[1], entry=7), *lines[2:]],
    "a line after the end": lambda lines: [*lines, lines[-1]],
    "an unknown line": lambda lines: [lines[0], b'{"x":1}\n', *lines[1:]],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_export_writes_nothing(ledger: Ledger, tmp_path: Path, name: str) -> None:
    ledger.fill(5)
    lines = DAMAGE[name](list(export_log(ledger.engine, ledger.storage)))
    target = Ledger(ledger.engine, tmp_path, workspace="elsewhere")
    if lines and lines[0].startswith(b"{"):
        lines[0] = _edit(lines[0], workspace="elsewhere")
    with pytest.raises(TidegateError) as caught:
        take(target, lines)
    assert isinstance(caught.value, VerificationError | LedgerError)
    assert target.storage.head() is None
    assert target.storage.entry(0) is None


def test_a_log_whose_entries_were_changed_is_not_exported_to_its_end(ledger: Ledger) -> None:
    ledger.fill(5)
    with ledger.engine.begin() as connection:
        connection.execute(text("UPDATE log_entry SET entry = :e WHERE idx = 2"), {"e": b"{}"})
    got: list[bytes] = []
    with pytest.raises(LedgerError):
        got.extend(export_log(ledger.engine, ledger.storage))
    assert not any(b'"end"' in line for line in got)
