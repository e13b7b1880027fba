"""Projections: written with their cursor, read by workspace, the same after a rebuild."""

import pytest
from sqlalchemy import Engine

from tidegate.core.errors import BusyError
from tidegate.graph.rows import (
    ArtifactRow,
    AttestationRow,
    DirectiveRow,
    EdgeRow,
    ProjectionStore,
    Rows,
    UnknownRow,
)
from tidegate.store.projections import SqlProjections


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def attestation(index: int, subject: int = 1, stage: str = "train") -> AttestationRow:
    return AttestationRow(
        index, digest(subject), "urn:tidegate:gate:v1", stage, "order", "allow", "dana", "k1",
        1_000 + index, index % 2 == 1,
    )  # fmt: skip


def directive(index: int, kind: str, target: str) -> DirectiveRow:
    return DirectiveRow(index, kind, target, "dana", "k1", None, 5, "{}")


SOME = Rows(
    artifacts=(
        ArtifactRow(digest(2), "model", "model", 1, "{}"),
        ArtifactRow(digest(1), "data", "dataset", 0, '{"rows":3}'),
    ),
    attestations=(attestation(0), attestation(1, 2), attestation(2, stage="serve")),
    edges=(EdgeRow(digest(1), digest(2), 1, "train"), EdgeRow(digest(1), digest(3), 2, "serve")),
    directives=(directive(3, "quarantine", digest(1)), directive(4, "release", digest(1))),
    unknown=(UnknownRow(5, "a kind of a later version"),),
)


@pytest.fixture
def store(engine: Engine) -> SqlProjections:
    return SqlProjections(engine, "acme")


def test_it_is_what_the_graph_asks_for(store: SqlProjections) -> None:
    asked: ProjectionStore = store
    assert asked.next_index() == 0


def test_rows_come_back_as_they_were_written(store: SqlProjections) -> None:
    store.apply(SOME, 6)
    assert store.next_index() == 6
    assert store.artifact(digest(1)) == SOME.artifacts[1]
    assert store.artifact(digest(9)) is None
    assert store.artifacts() == [SOME.artifacts[1], SOME.artifacts[0]]
    assert store.artifacts(kind="model") == [SOME.artifacts[0]]
    assert store.artifacts(name="data") == [SOME.artifacts[1]]
    assert store.attestations_about(digest(1)) == [attestation(0), attestation(2, stage="serve")]
    assert store.attestations() == list(reversed(SOME.attestations))
    assert store.attestations(stage="train", limit=1) == [attestation(1, 2)]
    assert store.attestations(outcome="deny") == []
    assert store.edges_from(digest(1)) == list(SOME.edges)
    assert store.edges_to(digest(2)) == [SOME.edges[0]]
    assert list(store.edges()) == list(SOME.edges)
    assert store.directives() == list(SOME.directives)
    assert store.directives(kind="release", target=digest(1)) == [SOME.directives[1]]
    assert store.unknown() == list(SOME.unknown)


def test_the_first_description_of_an_artifact_stays(store: SqlProjections) -> None:
    store.apply(SOME, 6)
    store.apply(Rows(artifacts=(ArtifactRow(digest(1), "renamed", "table", 7, "{}"),)), 8)
    assert store.artifact(digest(1)) == SOME.artifacts[1]


def test_a_batch_twice_is_the_batch_once_and_the_cursor_never_goes_back(
    store: SqlProjections,
) -> None:
    store.apply(SOME, 6)
    before = store.dump()
    store.apply(Rows(), 9)
    store.apply(SOME, 6)
    assert store.dump() == before
    assert store.next_index() == 9


def test_a_batch_that_does_not_begin_at_the_cursor_is_refused(store: SqlProjections) -> None:
    """So a projector that slept through a reset leaves no hole."""
    store.apply(SOME, 6, start=0)
    store.reset()
    with pytest.raises(BusyError) as caught:
        store.apply(SOME, 12, start=6)
    assert caught.value.slug == "projection-moved"
    assert store.dump() == b""
    assert store.next_index() == 0


def test_a_reset_and_the_same_rows_in_other_batches_give_the_same_dump(
    store: SqlProjections,
) -> None:
    store.apply(SOME, 6)
    before = store.dump()
    store.reset()
    assert (store.dump(), store.next_index()) == (b"", 0)
    store.apply(Rows(SOME.artifacts, SOME.attestations[:1]), 1)
    store.apply(Rows((), SOME.attestations[1:], SOME.edges, SOME.directives, SOME.unknown), 6)
    assert store.dump() == before


def test_edges_are_read_a_page_at_a_time(store: SqlProjections) -> None:
    edges = tuple(EdgeRow(digest(n // 7), digest(n), n, "train") for n in range(2_345))
    store.apply(Rows(edges=edges), 2_345)
    assert sorted(store.edges(), key=lambda edge: edge.index) == list(edges)
    assert len(store.dump().splitlines()) == 2_345


def test_text_that_only_one_database_could_store_is_made_alike(store: SqlProjections) -> None:
    odd = ArtifactRow(digest(1), "a\0b\ud800c", "dataset", 0, "{}")
    store.apply(Rows(artifacts=(odd,)), 1)
    found = store.artifact(digest(1))
    assert found is not None
    assert found.name == "a\N{REPLACEMENT CHARACTER}b?c"
