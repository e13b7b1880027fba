"""The rows of the lineage projections, and what the graph asks of a store for them.

Everything here can be dropped and rebuilt from the ledger. Rows are frozen values; the order of
:meth:`ProjectionStore.dump` is canonical, so that two projections are equal when their dumps are.

>>> EdgeRow(src="sha256:aa", dst="sha256:bb", index=7, stage="train").dst
'sha256:bb'
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """An artifact, as the first entry that named it describes it."""

    digest: str
    """``sha256:…``"""
    name: str
    kind: str
    first_index: int
    """Log index of the first entry that names it."""
    annotations: str
    """Canonical JSON text."""


@dataclass(frozen=True, slots=True)
class AttestationRow:
    """One statement about one subject."""

    index: int
    """Log index."""
    subject_digest: str
    predicate_type: str
    stage: str
    """Empty for statements that no stage makes."""
    action: str
    outcome: str
    """``allow``, ``deny``, ``undecided``, or empty where the predicate has none."""
    principal: str
    key_id: str
    time: int
    """Time of the entry, in microseconds."""
    drill: bool


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """``dst`` was made from, or with, ``src``."""

    src: str
    dst: str
    index: int
    """Log index of the entry that says so."""
    stage: str


@dataclass(frozen=True, slots=True)
class DirectiveRow:
    """A signed action: quarantine, revoke, waive, approve, release."""

    index: int
    kind: str
    target: str
    """What it is about: a digest, a key id, a source, a control."""
    principal: str
    key_id: str
    expires: int | None
    """When it ends, in microseconds."""
    time: int
    payload: str
    """Canonical JSON text."""


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """An entry that this version can't read, or whose envelope is missing or erased."""

    index: int
    why: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a projection has got."""

    next_index: int
    """The first entry that it has not seen."""
    schema_version: int
    """Of the projection's own logic: a new one means a rebuild."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a run of entries adds; written whole or not at all."""

    start: int
    """Index of its first entry: must be where the projection stands."""
    stop: int
    """Index after its last entry."""
    artifacts: tuple[ArtifactRow, ...] = ()
    """Of several with one digest the first stays."""
    attestations: tuple[AttestationRow, ...] = ()
    edges: tuple[EdgeRow, ...] = ()
    directives: tuple[DirectiveRow, ...] = ()
    unknown: tuple[UnknownRow, ...] = ()


class ProjectionStore(Protocol):
    """Where one workspace's projections are kept."""

    def cursor(self) -> Cursor | None:
        """Return how far the projection has got; ``None`` before its first batch."""
        ...

    def apply(self, batch: Batch, *, schema_version: int) -> bool:
        """Write a batch and move the cursor, in one transaction.

        Returns:
            False, with nothing written, where the projection does not stand at the batch's
            start: another process was faster. Read the cursor again and go on from there.
        """
        ...

    def reset(self) -> None:
        """Forget every row and the cursor."""
        ...

    def artifact(self, digest: str) -> ArtifactRow | None:
        """Return one artifact."""
        ...

    def artifacts(self, *, kind: str | None = None, name: str | None = None) -> Iterator[ArtifactRow]:
        """Yield artifacts by first index."""
        ...

    def attestations_about(self, digest: str) -> list[AttestationRow]:
        """Return the attestations about a subject, by index."""
        ...

    def attestations(
        self,
        *,
        stage: str | None = None,
        action: str | None = None,
        outcome: str | None = None,
        predicate_type: str | None = None,
        since: int = 0,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[AttestationRow]:
        """Return attestations by index, from log index ``since`` on."""
        ...

    def edges_from(self, digest: str) -> list[EdgeRow]:
        """Return the edges to what was made from it."""
        ...

    def edges_to(self, digest: str) -> list[EdgeRow]:
        """Return the edges from what it was made of."""
        ...

    def edges(self) -> Iterator[EdgeRow]:
        """Yield all edges by source, constant in memory."""
        ...

    def directives(
        self, *, kind: str | None = None, target: str | None = None
    ) -> list[DirectiveRow]:
        """Return directives by index."""
        ...

    def unknown(self) -> list[UnknownRow]:
        """Return the entries that could not be projected, by index."""
        ...

    def dump(self) -> Iterator[str]:
        """Yield every row as a line of text, in canonical order: equal dumps, equal projections."""
        ...
