"""Tables by content: the one part of the core that needs pyarrow and numpy.

Import it only where a table is at hand; everything else of the core stays light without it.
"""

from tidegate.core.artifact.table.digest import (
    CHUNK_ROWS,
    TableDigest,
    digest_batches,
    digest_table,
    verify_chunk,
)
from tidegate.core.artifact.table.infer import infer_schema
from tidegate.core.artifact.table.read import TableFormat, batches
from tidegate.core.artifact.table.rowset import RowSet

__all__ = [
    "CHUNK_ROWS",
    "RowSet",
    "TableDigest",
    "TableFormat",
    "batches",
    "digest_batches",
    "digest_table",
    "infer_schema",
    "verify_chunk",
]
