"""Rows of the projections, and what the graph asks of a store that keeps them.

Every row can be made again from the ledger: nothing here is a source of truth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """An artifact that some statement speaks of."""

    digest: str
    name: str
    """As the first statement that named it called it."""
    kind: str
    first_index: int
    annotations: str
    """Canonical JSON: facts that the first statement about it gave."""


@dataclass(frozen=True, slots=True)
class AttestationRow:
    """A statement about one subject."""

    index: int
    subject_digest: str
    predicate_type: str
    stage: str
    """Empty for statements that are no gate's."""
    action: str
    outcome: str
    principal: str
    key_id: str
    time: int
    drill: bool


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """``src`` went into ``dst``."""

    src: str
    dst: str
    index: int
    stage: str


@dataclass(frozen=True, slots=True)
class DirectiveRow:
    """A signed act."""

    index: int
    kind: str
    target: str
    principal: str
    key_id: str
    expires: int | None
    time: int
    payload: str
    """The predicate as canonical JSON."""


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """An entry that nothing may rest on: of an unknown kind, or with a missing envelope."""

    index: int
    why: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What a run of entries projects to."""

    artifacts: Sequence[ArtifactRow] = ()
    attestations: Sequence[AttestationRow] = ()
    edges: Sequence[EdgeRow] = ()
    directives: Sequence[DirectiveRow] = ()
    unknown: Sequence[UnknownRow] = ()


class ProjectionStore(Protocol):
    """One workspace's projections."""

    def next_index(self) -> int:
        """Return the first log index that is not projected yet."""
        ...

    def apply(self, rows: Rows, next_index: int, *, start: int | None = None) -> None:
        """Write rows and the cursor in one transaction; a row that is there already is kept.

        Raises:
            BusyError: The cursor does not stand at ``start``: another process moved it.
        """
        ...

    def reset(self) -> None:
        """Drop all rows, and begin at index 0 again."""
        ...

    def artifact(self, digest: str) -> ArtifactRow | None:
        """Return one artifact."""
        ...

    def artifacts(self, *, name: str | None = None, kind: str | None = None) -> list[ArtifactRow]:
        """Return artifacts, oldest first."""
        ...

    def attestations_about(self, digest: str) -> list[AttestationRow]:
        """Return the statements about a digest, oldest first."""
        ...

    def attestations(self, *, stage: str | None = None, limit: int = 100) -> list[AttestationRow]:
        """Return the newest statements, newest first."""
        ...

    def edges_to(self, digest: str) -> list[EdgeRow]:
        """Return what went into an artifact."""
        ...

    def edges_from(self, digest: str) -> list[EdgeRow]:
        """Return what an artifact went into."""
        ...

    def edges(self) -> Iterator[EdgeRow]:
        """Yield all edges."""
        ...

    def directives(self, *, kind: str | None = None) -> list[DirectiveRow]:
        """Return directives in log order."""
        ...

    def unknown(self) -> list[UnknownRow]:
        """Return the entries that nothing rests on."""
        ...

    def dump(self) -> bytes:
        """Return all rows in a canonical order, for comparing a rebuild."""
        ...
