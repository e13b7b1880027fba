"""One workspace's lineage projections: written in batches with their cursor, dropped at will.

::

    store = SqlProjections(engine, workspace)
    store.apply(Rows(edges=(...)), 256, start=0)
    store.edges_from(digest)
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, delete, select, tuple_

from tidegate.core.errors import BusyError
from tidegate.graph.rows import (
    ArtifactRow,
    AttestationRow,
    DirectiveRow,
    EdgeRow,
    Rows,
    UnknownRow,
)
from tidegate.store.tables import (
    PROJECTIONS,
    artifact,
    attestation,
    directive,
    edge,
    projection_cursor,
    unknown_entry,
)
from tidegate.store.transactions import insert_into, reading, writing

_PAGE = 1_000
_NAME = "graph"
_VERSION = 1
_Row = TypeVar("_Row", ArtifactRow, AttestationRow, EdgeRow, DirectiveRow, UnknownRow)


class SqlProjections:
    """One workspace's projections in a store; no call reaches another workspace."""

    def __init__(self, engine: Engine, workspace: str) -> None:
        self._engine = engine
        self._workspace = workspace

    def next_index(self) -> int:
        """Return the first log index that is not projected yet."""
        query = select(projection_cursor.c.next_index).where(*self._here())
        with reading(self._engine) as connection:
            return connection.execute(query).scalar() or 0

    def apply(self, rows: Rows, next_index: int, *, start: int | None = None) -> None:
        """Write rows and the cursor in one transaction; a row that is there already is kept.

        Two processes may project the same entries at once: the rows are the same, and the
        cursor never goes back.

        Args:
            rows: What the entries before ``next_index`` give.
            next_index: Where the next batch begins.
            start: Where this batch begins; given, it must be where the cursor stands.

        Raises:
            BusyError: The cursor is elsewhere, as after another process's reset.
            StoreError: The store failed; nothing was written.
        """
        with writing(self._engine) as connection:
            self._advance(connection, next_index, start)
            self._insert(connection, artifact, rows.artifacts)
            self._insert(connection, attestation, rows.attestations)
            self._insert(connection, edge, rows.edges)
            self._insert(connection, directive, rows.directives)
            self._insert(connection, unknown_entry, rows.unknown)

    def reset(self) -> None:
        """Drop all rows, and begin at index 0 again."""
        with writing(self._engine) as connection:
            for table in PROJECTIONS:
                connection.execute(delete(table).where(table.c.workspace == self._workspace))

    def artifact(self, digest: str) -> ArtifactRow | None:
        """Return one artifact."""
        found = self._rows(artifact, ArtifactRow, artifact.c.digest == digest)
        return found[0] if found else None

    def artifacts(self, *, name: str | None = None, kind: str | None = None) -> list[ArtifactRow]:
        """Return artifacts, oldest first."""
        where = _given((artifact.c.kind, kind), (artifact.c.name, name))
        order = (artifact.c.first_index, artifact.c.digest)
        return self._rows(artifact, ArtifactRow, *where, order=order)

    def attestations_about(self, digest: str) -> list[AttestationRow]:
        """Return the attestations about a subject, by index."""
        about = attestation.c.subject_digest == digest
        return self._rows(attestation, AttestationRow, about, order=(attestation.c.idx,))

    def attestations(
        self,
        *,
        stage: str | None = None,
        action: str | None = None,
        outcome: str | None = None,
        predicate_type: str | None = None,
        limit: int = 100,
    ) -> list[AttestationRow]:
        """Return the newest statements, newest first."""
        column = attestation.c
        where = _given(
            (column.stage, stage),
            (column.action, action),
            (column.outcome, outcome),
            (column.predicate_type, predicate_type),
        )
        order = (column.idx.desc(), column.subject_digest)
        return self._rows(attestation, AttestationRow, *where, order=order, limit=limit)

    def edges_from(self, digest: str) -> list[EdgeRow]:
        """Return the edges to what was made from it."""
        order = (edge.c.dst, edge.c.idx)
        return self._rows(edge, EdgeRow, edge.c.src == digest, order=order)

    def edges_to(self, digest: str) -> list[EdgeRow]:
        """Return the edges from what it was made of."""
        order = (edge.c.src, edge.c.idx)
        return self._rows(edge, EdgeRow, edge.c.dst == digest, order=order)

    def edges(self) -> Iterator[EdgeRow]:
        """Yield all edges by source, constant in memory."""
        return self._pages(edge, EdgeRow, "src", "dst", "idx")

    def directives(
        self, *, kind: str | None = None, target: str | None = None
    ) -> list[DirectiveRow]:
        """Return directives by index."""
        where = _given((directive.c.kind, kind), (directive.c.target, target))
        return self._rows(directive, DirectiveRow, *where, order=(directive.c.idx,))

    def unknown(self) -> list[UnknownRow]:
        """Return the entries that could not be projected, by index."""
        return self._rows(unknown_entry, UnknownRow, order=(unknown_entry.c.idx,))

    def dump(self) -> bytes:
        """Return all rows in a canonical order, for comparing a rebuild."""
        return b"".join(f"{line}\n".encode() for line in self._lines())

    def _lines(self) -> Iterator[str]:
        everything: list[tuple[str, Iterator[Any]]] = [
            ("artifact", self._pages(artifact, ArtifactRow, "digest")),
            ("attestation", self._pages(attestation, AttestationRow, "idx", "subject_digest")),
            ("edge", self.edges()),
            ("directive", self._pages(directive, DirectiveRow, "idx")),
            ("unknown", self._pages(unknown_entry, UnknownRow, "idx")),
        ]
        for name, rows in everything:
            for row in rows:
                yield json.dumps([name, *astuple(row)], ensure_ascii=True, separators=(",", ":"))

    def _advance(self, connection: Connection, next_index: int, start: int | None) -> None:
        """Move the cursor first: the row that this locks keeps other writers out."""
        first = insert_into(connection, projection_cursor).values(
            workspace=self._workspace, name=_NAME, next_index=0, schema_version=_VERSION
        )
        connection.execute(first.on_conflict_do_nothing())
        stands = select(projection_cursor.c.next_index).where(*self._here()).with_for_update()
        found = connection.execute(stands).scalar_one()
        if start is not None and found != start:
            raise BusyError(
                "another process moved the projection",
                where=f"entry {found}",
                next_step="run the command again",
                slug="projection-moved",
            )
        if next_index > found:
            moved = projection_cursor.update().where(*self._here())
            connection.execute(moved.values(next_index=next_index))

    def _here(self) -> tuple[Any, Any]:
        column = projection_cursor.c
        return column.workspace == self._workspace, column.name == _NAME

    def _insert(self, connection: Connection, table: Table, rows: Sequence[Any]) -> None:
        if not rows:
            return
        names = [column.name for column in table.columns]
        values = [
            dict(zip(names, (self._workspace, *map(_plain, astuple(row))), strict=True))
            for row in rows
        ]
        connection.execute(insert_into(connection, table).on_conflict_do_nothing(), values)

    def _rows(
        self,
        table: Table,
        kind: type[_Row],
        *where: Any,
        order: Sequence[Any] = (),
        limit: int | None = None,
    ) -> list[_Row]:
        query = (
            select(*table.columns[1:])
            .where(table.c.workspace == self._workspace, *where)
            .order_by(*order)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [_row(kind, row) for row in connection.execute(query)]

    def _pages(self, table: Table, kind: type[_Row], *key: str) -> Iterator[_Row]:
        """Yield rows in key order, a page a transaction: no reader holds up a checkpoint."""
        columns = [table.c[name] for name in key]
        labelled = [column.label(f"key_{column.name}") for column in columns]
        width = len(table.columns) - 1
        query = select(*table.columns[1:], *labelled).where(table.c.workspace == self._workspace)
        query = query.order_by(*columns).limit(_PAGE)
        page = query
        while True:
            with reading(self._engine) as connection:
                rows = connection.execute(page).all()
            for row in rows:
                yield _row(kind, row[:width])
            if len(rows) < _PAGE:
                return
            page = query.where(tuple_(*columns) > tuple_(*rows[-1][width:]))


def _row(kind: Callable[..., _Row], values: Sequence[Any]) -> _Row:
    cells = list(values)
    if kind is AttestationRow:
        cells[-1] = bool(cells[-1])  # a number in the table
    return kind(*cells)


def _plain(value: Any) -> Any:
    """Make a value one that both databases store alike: no NUL, no lone surrogate."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return value


def _given(*pairs: tuple[Any, str | None]) -> list[Any]:
    return [column == value for column, value in pairs if value is not None]
