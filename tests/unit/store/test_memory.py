"""What a store remembers for others: check results, file digests, seen heads, workspaces."""

import pytest
from sqlalchemy import Engine

from tidegate.core.artifact.hashing import FileHash, FileKey
from tidegate.core.clock import FixedClock
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import UsageError
from tidegate.logbook.witness import NOTHING, Seen, WitnessState
from tidegate.store.checks import SqlCheckCache
from tidegate.store.digests import SqlDigestCache
from tidegate.store.heads import SqlWitnessState
from tidegate.store.workspaces import Workspaces
from tidegate.tables.cache import DigestCache

KEY = FileKey(dev=2**63 + 5, ino=2**64 - 1, size=10, mtime_ns=-5, ctime_ns=7)
VALUE = FileHash(sha256(b"x"), Digest("blake3", "cd" * 32), 10)


def test_results_of_checks_are_kept_by_key_and_workspace(engine: Engine) -> None:
    mine, other = SqlCheckCache(engine, "acme"), SqlCheckCache(engine, "other")
    assert mine.get("k") is None
    mine.put("k", b"one")
    mine.put("k", b"two")
    assert mine.get("k") == b"two"
    assert other.get("k") is None


def test_a_digest_is_recalled_by_exactly_its_key(engine: Engine) -> None:
    """Device and inode numbers may use all 64 bits."""
    cache: DigestCache = SqlDigestCache(engine, "acme")
    cache.put(KEY, VALUE)
    assert cache.get(KEY) == VALUE
    assert SqlDigestCache(engine, "other").get(KEY) is None
    for name in ("dev", "ino", "size", "mtime_ns", "ctime_ns"):
        fields = {field: getattr(KEY, field) for field in KEY.__slots__}
        fields[name] -= 1
        assert cache.get(FileKey(**fields)) is None


def test_a_changed_file_takes_its_old_row_s_place(engine: Engine) -> None:
    cache = SqlDigestCache(engine, "acme")
    cache.put(KEY, VALUE)
    changed = FileKey(KEY.dev, KEY.ino, 11, 8, 8)
    cache.put(changed, FileHash(VALUE.sha256, VALUE.blake3, 11))
    assert cache.get(KEY) is None
    assert cache.get(changed) is not None


def test_a_seen_head_moves_only_from_what_it_was(engine: Engine) -> None:
    state: WitnessState = SqlWitnessState(engine, "acme", FixedClock(1))
    one, two, fork = Seen(1, b"a" * 32), Seen(2, b"b" * 32), Seen(2, b"c" * 32)
    assert state.latest("log") == NOTHING
    assert not state.advance("log", one, two)
    assert state.advance("log", NOTHING, one)
    assert not state.advance("log", NOTHING, fork)
    assert state.advance("log", one, two)
    assert not state.advance("log", one, fork)
    assert state.latest("log") == two
    assert state.latest("another log") == NOTHING
    assert SqlWitnessState(engine, "other", FixedClock(1)).latest("log") == NOTHING


def test_workspaces_have_ids_of_their_own_and_names_that_are_unique(engine: Engine) -> None:
    workspaces = Workspaces(engine)
    one = workspaces.create("credit", clock=FixedClock(1))
    two = workspaces.create("fraud", clock=FixedClock(2), origin="bank.example/fraud", kind="drill")
    assert workspaces.list() == [one, two]
    assert workspaces.find("fraud") == two
    assert workspaces.find("none") is None
    assert one.id != two.id
    assert one.id in one.origin
    with pytest.raises(UsageError) as caught:
        workspaces.create("credit", clock=FixedClock(3))
    assert caught.value.slug == "workspace-exists"


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "é", "a" * 65, "a\n"])
def test_a_bad_workspace_name_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        Workspaces(engine).create(name, clock=FixedClock(1))
    assert caught.value.slug == "bad-workspace"
