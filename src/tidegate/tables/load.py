"""A whole table in memory, columns sorted by name, for checks that look across rows.

::

    table = load_table(Path("window.csv"))
    table.num_rows, table.column_names

Every value is read by the schema that the whole file supports, so a column is never typed by its
first rows. Files above the limit are refused: checks that stream take :mod:`tidegate.tables.read`.
"""

from pathlib import Path

import pyarrow as pa

from tidegate.core.artifact.hashing import opened
from tidegate.core.artifact.refusals import refusal, shown
from tidegate.core.errors import SubjectError
from tidegate.tables.infer import infer_schema
from tidegate.tables.read import TableFormat, batches

MAX_BYTES = 4 << 30
"""Largest file that is loaded."""


def load_table(path: Path, *, kind: TableFormat | None = None, limit: int = MAX_BYTES) -> pa.Table:
    """Load a CSV, TSV, JSON Lines or Parquet file.

    Args:
        path: The file.
        kind: Its format; told from the name where it is not given.
        limit: Bytes of the file beyond which it is refused.

    Raises:
        SubjectError: No such file, no table, or larger than the limit.
        UnreadableSubject: It can't be read, or changed meanwhile.
    """
    kind = kind or TableFormat.of(path.name)
    with opened(path) as (fd, key):
        if key.size > limit:
            raise SubjectError(
                "the table is too large to be held in memory",
                where=shown(path),
                cause=f"{key.size} bytes, {limit} are the limit",
                next_step="validate or profile a sample of it",
                slug="table-too-large",
            )
        schema = infer_schema(path, kind=kind)
        names = [column.name for column in schema.columns]
        parts = list(batches(fd, kind, schema))
    if not parts:
        raise refusal("bad-table", shown(path), "it has no rows")
    columns = [pa.chunked_array([part[place] for part in parts]) for place in range(len(names))]
    return pa.table(dict(zip(names, columns, strict=True)))
