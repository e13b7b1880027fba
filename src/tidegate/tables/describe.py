"""What a statement says of a table beside its bytes' digest: content digest, row set, row count."""

from collections.abc import Mapping
from pathlib import Path

from tidegate.core.artifact.reference import Describe
from tidegate.core.canonical import Json
from tidegate.tables.schema import TableSchema


def describe(schema: TableSchema) -> Describe:
    """Return what :func:`tidegate.core.artifact.resolve` asks of an open table file."""

    def of(fd: int, path: Path) -> tuple[Mapping[str, str], Mapping[str, Json]]:
        # pyarrow takes longer to import than most commands run: only a table pays for it.
        from tidegate.tables.digest import digest_fd  # noqa: PLC0415

        table = digest_fd(fd, schema, path)
        also = {"tidegate-table-v1": table.content.hex, "tidegate-rows-v1": table.rows_set}
        return also, {"rows": table.rows, "schema": str(schema.digest)}

    return of
