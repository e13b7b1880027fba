"""No query crosses a workspace: what one writes, no call of another can see or change."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from tests.ledgers import Ledger, pending
from tests.services import KINDS, fresh_store

from tidegate.core.clock import FixedClock
from tidegate.core.digest import Digest
from tidegate.core.ledger.storage import Erased
from tidegate.core.merkle import leaf_hash
from tidegate.graph.rows import ArtifactRow, AttestationRow, EdgeRow, Rows, UnknownRow
from tidegate.store.checks import SqlCheckCache
from tidegate.store.engine import open_engine
from tidegate.store.erase import shred
from tidegate.store.leases import Leases
from tidegate.store.projections import SqlProjections
from tidegate.store.transfer import export_log

RUNS = itertools.count()
NAMES = ("acme", "acme2", "Acme", "a%", "acm_")


@pytest.fixture(params=KINDS, scope="module")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    with fresh_store(request.param, tmp_path_factory.mktemp("store")) as url:
        engine = open_engine(url)
        yield engine
        engine.dispose()


def _rows(numbers: list[int]) -> Rows:
    def name(n: int) -> str:
        return f"sha256:{n:064x}"

    return Rows(
        tuple(ArtifactRow(name(n), "same", "model", n, "{}") for n in numbers),
        tuple(
            AttestationRow(n, name(n), "p", "train", "order", "allow", "d", "k", n, drill=False)
            for n in numbers
        ),
        tuple(EdgeRow(name(n), name(n + 1), n, "train") for n in numbers),
        (),
        tuple(UnknownRow(n, "why") for n in numbers),
    )


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from(NAMES), st.lists(st.integers(0, 6), min_size=1, max_size=4)),
        min_size=1,
        max_size=8,
    )
)
def test_workspaces_with_the_same_digests_never_see_each_other(
    engine: Engine, tmp_path: Path, plan: list[tuple[str, list[int]]]
) -> None:
    """A model of each workspace, kept apart in memory, is all that the store shows of it."""
    run = f"{next(RUNS)}-"
    logs: dict[str, list[str]] = {name: [] for name in NAMES}
    seen: dict[str, set[int]] = {name: set() for name in NAMES}
    for name, numbers in plan:
        ledger = Ledger(engine, tmp_path, workspace=run + name)
        # The very same envelope bytes in every workspace.
        ledger.log().append([pending(f"{n}", run + name) for n in numbers])
        logs[name] += [f"{n}" for n in numbers]
        SqlProjections(engine, run + name).apply(_rows(numbers), len(logs[name]))
        SqlCheckCache(engine, run + name).put("k", name.encode())
        seen[name] |= set(numbers)
    for name in NAMES:
        ledger = Ledger(engine, tmp_path, workspace=run + name)
        storage, store = ledger.storage, SqlProjections(engine, run + name)
        head = storage.head()
        assert (head.size if head else 0) == len(logs[name])
        assert len(list(storage.entries(0, 10**6))) == len(logs[name])
        for number in range(7):
            digest = str(pending(f"{number}", run + name).entry.envelope)
            assert (storage.envelope(digest) is not None) == (number in seen[name])
            subject = f"sha256:{number:064x}"
            assert (store.artifact(subject) is not None) == (number in seen[name])
            assert len(store.attestations_about(subject)) == (number in seen[name])
            assert len(store.edges_from(subject)) == (number in seen[name])
        assert len(list(store.edges())) == len(store.unknown()) == len(seen[name])
        assert SqlCheckCache(engine, run + name).get("k") == (name.encode() if logs[name] else None)
        for other in NAMES:
            entry = Ledger(engine, tmp_path, workspace=run + other).storage.entry(0)
            if other != name and entry is not None:
                assert storage.leaf_index(leaf_hash(entry)) is None


def test_resetting_and_erasing_in_one_leaves_the_other_alone(
    engine: Engine, tmp_path: Path
) -> None:
    one, two = (Ledger(engine, tmp_path, workspace=name) for name in ("left", "right"))
    for ledger in (one, two):
        ledger.fill(4)
        SqlProjections(engine, ledger.workspace).apply(_rows([1, 2]), 4)
    before = SqlProjections(engine, "right").dump()
    digest = Digest.parse(str(pending("e1", "left").entry.envelope))
    assert shred(engine, one.storage, one.blobs, digest, FixedClock(1))
    assert isinstance(one.storage.envelope(str(digest)), Erased)
    assert isinstance(two.storage.envelope(str(digest)), bytes)
    assert SqlProjections(engine, "left").dump() == b""
    assert SqlProjections(engine, "right").dump() == before
    assert two.log().head.size == 4


def test_every_statement_names_its_workspace(engine: Engine, tmp_path: Path) -> None:
    """Watched at the driver's door, over all calls that the store offers."""
    said: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        ledger = Ledger(engine, tmp_path, workspace="watched")
        store = SqlProjections(engine, "watched")
        ledger.fill(3)
        store.apply(_rows([1]), 3)
        store.artifacts(kind="model", name="x")
        store.attestations(stage="train", action="a", outcome="deny", predicate_type="p")
        store.attestations_about("d")
        store.edges_from("d")
        store.edges_to("d")
        store.directives(kind="k", target="t")
        store.unknown()
        store.next_index()
        store.dump()
        store.reset()
        SqlCheckCache(engine, "watched").put("k", b"v")
        with Leases(engine, "watched", FixedClock(1)).held("x", holder="h"):
            list(export_log(engine, ledger.storage))
    finally:
        event.remove(engine, "before_cursor_execute", note)
    words = ("SELECT", "INSERT", "UPDATE", "DELETE")
    statements = [text for text in said if text.startswith(words) and " FROM pg_" not in text]
    assert len(statements) > 20
    assert [text for text in statements if "workspace" not in text] == []
