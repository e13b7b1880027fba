"""What each source delivered and was admitted, from verified statements.

::

    history = History.read(workspace, without=digest)
    references = history.of("feed-a")
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile

import pyarrow as pa

from tidegate.app.workspace import Workspace
from tidegate.core.artifact.refusals import refusal
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import TidegateError
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.ingest.poisoning import Reference
from tidegate.tables.load import load
from tidegate.tables.read import TableFormat
from tidegate.tables.schema import TableSchema

_VERSIONS = 3
"""So many versions are compared with."""
_LOOKED_AT = 500
"""So many of the newest admissions are looked through."""


@dataclass(frozen=True, slots=True)
class Version:
    """An admitted table, by what its verified statement says."""

    name: str
    digest: str
    source: str
    schema: str
    """Digest of the schema, which is kept beside the bytes."""
    target: str
    """The label column, or empty."""
    suffix: str

    def reference(self, workspace: Workspace) -> Reference:
        """Return it as something to compare with."""
        return Reference(self.name, self.digest, lambda: self._read(workspace))

    def columns(self, workspace: Workspace) -> tuple[tuple[str, str], ...]:
        """Return the columns' names and types.

        Raises:
            TidegateError: The schema is gone or damaged.
        """
        return _shape(self._schema(workspace))

    def _schema(self, workspace: Workspace) -> TableSchema:
        data = b"".join(workspace.blobs.get(Digest.parse(self.schema)))
        return TableSchema.from_json(json.loads(data))

    def _read(self, workspace: Workspace) -> pa.Table:
        schema = self._schema(workspace)
        with TemporaryFile() as file:
            for block in workspace.blobs.get(Digest.parse(self.digest)):
                file.write(block)
            file.flush()
            kind = TableFormat.of(f"table{self.suffix}")
            return load(file.fileno(), kind, schema, f"kept bytes of {self.name}")


@dataclass(frozen=True, slots=True)
class History:
    """Admitted tables, newest first, without what is in quarantine or revoked."""

    workspace: Workspace
    versions: tuple[Version, ...]

    @classmethod
    def read(cls, workspace: Workspace, *, without: str) -> "History":
        """Read it from the ledger.

        Args:
            workspace: Whose.
            without: A digest to leave out: a table is not compared with itself.
        """
        return cls(workspace, tuple(_versions(workspace, without)))

    def of(self, source: str) -> tuple[Version, ...]:
        """Return the last versions of one source."""
        return tuple(item for item in self.versions if item.source == source)[:_VERSIONS]

    def like(self, schema: TableSchema, target: str | None) -> tuple[Version, ...]:
        """Return the last versions of any source that have the same columns and label column."""
        wanted = _shape(schema)
        found: list[Version] = []
        for item in self.versions:
            if len(found) == _VERSIONS or target is None:
                break
            if item.target == target and self._columns(item) == wanted:
                found.append(item)
        return tuple(found)

    def _columns(self, version: Version) -> tuple[tuple[str, str], ...]:
        try:
            return version.columns(self.workspace)
        except TidegateError:  # another source's lost schema is no duty of this one
            return ()


def _shape(schema: TableSchema) -> tuple[tuple[str, str], ...]:
    """Return names and types; whether nulls occur differs from drop to drop."""
    return tuple((column.name, column.type) for column in schema.columns)


def _versions(workspace: Workspace, without: str) -> Iterator[Version]:
    state = workspace.directives()
    rows = workspace.projections.attestations(
        stage=Stage.INGEST.value, outcome=Outcome.ALLOW.value, limit=_LOOKED_AT
    )
    reader = workspace.chains()
    seen = {without}
    for row in rows:
        digest = row.subject_digest
        if digest in seen or row.drill:
            continue
        seen.add(digest)
        if state.is_quarantined(digest) or state.is_revoked(digest) or state.doubtful(digest):
            continue
        # The newest verified statement counts: data that was refused since is no reference.
        for link in reader.read([digest]).about(digest):
            if link.stage is Stage.INGEST and link.gate.outcome is Outcome.ALLOW:
                for name, facts in link.gate.annotations.items():
                    if facts.get("kind") == "table" and facts.get("schema"):  # no folder
                        yield _version(name, digest, facts)


def _version(name: str, digest: str, facts: Mapping[str, Json]) -> Version:
    fields = [facts.get(key, "") for key in ("source", "schema", "target", "format")]
    if not all(isinstance(field, str) for field in fields):
        raise refusal("bad-schema", name, "the admission's facts are no texts")
    return Version(name, digest, *fields)
