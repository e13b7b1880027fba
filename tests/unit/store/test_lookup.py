"""Which runs cover a log, and that a search finds exactly what was put in."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from tidegate.store.lookup import FAN, RUN, TOP, _parts, _search, _split, runs, tail_start


@given(st.integers(0, 2**40))
def test_runs_and_tail_cover_each_entry_once(size: int) -> None:
    at = 0
    for count, (level, number) in enumerate(runs(size)):
        span = RUN * FAN**level
        assert number * span == at
        at += span
        if count > 2_000:
            return  # the top level grows with the log
    assert at == tail_start(size) <= size < at + RUN


def test_runs_stay_few() -> None:
    assert len(list(runs(10**6))) <= 4 + 2 * FAN
    assert max(level for level, _ in runs(10**6)) == TOP


@given(st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.integers(0, 2**47)), max_size=900))
def test_a_search_finds_all_indices_of_a_hash_and_no_other(rows: list[tuple[bytes, int]]) -> None:
    pairs = sorted(prefix + index.to_bytes(6, "big") for prefix, index in rows)
    parts = list(_parts(pairs))
    assert [pair for part in parts for pair in _split(part)] == pairs
    firsts = [part[:8] for part in parts]
    assert firsts == sorted(set(firsts))
    for prefix in [row[0] for row in rows[:20]] + [b"\xff" * 8, b"\0" * 8]:
        at = sum(first <= prefix for first in firsts) - 1
        found = list(_search(parts[at], prefix)) if at >= 0 else []
        assert found == sorted(index for other, index in rows if other == prefix)


def test_equal_hashes_share_a_part_however_many() -> None:
    prefix = hashlib.sha256(b"same").digest()[:8]
    pairs = [prefix + n.to_bytes(6, "big") for n in range(3_000)]
    assert len(list(_parts(pairs))) == 1
