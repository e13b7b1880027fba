"""The tables. Every row carries a workspace id; text, integers (µs) and bytes are all there is.

The ``log_*`` tables and ``envelope`` are the truth. Those in :data:`PROJECTIONS` can be dropped
and rebuilt from it. Caches and leases can be dropped at any time.

>>> all("workspace" in table.c or table is workspace for table in metadata.tables.values())
True
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

metadata = MetaData()

_BIG = BigInteger().with_variant(Integer(), "sqlite")
# Bytewise order, so that both databases sort and compare text as Python does.
_TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, _TEXT, nullable=null)


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, _BIG, nullable=null)


def _blob(name: str, *, null: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary(), nullable=null)


def _table(name: str, *parts: SchemaItem, clustered: bool = False) -> Table:
    return Table(
        name,
        metadata,
        *parts,
        sqlite_strict=True,
        # Rows in key order where keys grow; not where rows are big and keys are random.
        sqlite_with_rowid=not clustered,
    )


workspace = _table(
    "workspace",
    _text("id"),
    _text("name"),
    _text("origin"),
    _text("kind"),
    _number("created"),
    PrimaryKeyConstraint("id"),
    Index("workspace_name", "name", unique=True),
)

log_entry = _table(
    "log_entry",
    _text("workspace"),
    _number("idx"),
    _blob("entry"),
    _blob("leaf_hash"),
    _blob("envelope_digest", null=True),
    PrimaryKeyConstraint("workspace", "idx"),
    CheckConstraint("idx >= 0 AND length(leaf_hash) = 32", name="log_entry_shape"),
    clustered=True,
)
log_tile = _table(
    "log_tile",
    _text("workspace"),
    _number("level"),
    _number("idx"),
    _blob("hashes"),
    PrimaryKeyConstraint("workspace", "level", "idx"),
    CheckConstraint("length(hashes) % 32 = 0", name="log_tile_shape"),
)

log_head = _table(
    "log_head",
    _text("workspace"),
    _number("size"),
    _blob("root"),
    _blob("edge"),
    _number("epoch"),
    PrimaryKeyConstraint("workspace"),
)

log_checkpoint = _table(
    "log_checkpoint",
    _text("workspace"),
    _number("size"),
    _blob("note"),
    PrimaryKeyConstraint("workspace", "size"),
    clustered=True,
)

# Found through log_lookup: an index over random digests costs a page an entry.
envelope = _table(
    "envelope",
    _text("workspace"),
    _number("idx"),
    _blob("digest"),
    _number("size"),
    _blob("bytes", null=True),  # NULL: in the blob store, or erased
    PrimaryKeyConstraint("workspace", "idx"),
)

erased = _table(
    "erased",
    _text("workspace"),
    _blob("digest"),
    _number("time"),
    PrimaryKeyConstraint("workspace", "digest"),
    clustered=True,
)

log_lookup = _table(
    "log_lookup",
    _text("workspace"),
    _number("kind"),
    _number("level"),
    _number("run"),
    _blob("first"),
    _blob("pairs"),
    PrimaryKeyConstraint("workspace", "kind", "level", "run", "first"),
)

artifact = _table(
    "artifact",
    _text("workspace"),
    _text("digest"),
    _text("name"),
    _text("kind"),
    _number("first_index"),
    _text("annotations"),
    PrimaryKeyConstraint("workspace", "digest"),
    Index("artifact_name", "workspace", "name", "first_index"),
    Index("artifact_kind", "workspace", "kind", "first_index"),
)

attestation = _table(
    "attestation",
    _text("workspace"),
    _number("idx"),
    _text("subject_digest"),
    _text("predicate_type"),
    _text("stage"),
    _text("action"),
    _text("outcome"),
    _text("principal"),
    _text("key_id"),
    _number("time"),
    _number("drill"),
    PrimaryKeyConstraint("workspace", "idx", "subject_digest"),
    Index("attestation_subject", "workspace", "subject_digest", "idx"),
    Index("attestation_stage", "workspace", "stage", "idx"),
    clustered=True,
)

edge = _table(
    "edge",
    _text("workspace"),
    _text("src"),
    _text("dst"),
    _number("idx"),
    _text("stage"),
    PrimaryKeyConstraint("workspace", "src", "dst", "idx"),
    Index("edge_dst", "workspace", "dst", "src", "idx"),
    clustered=True,
)

directive = _table(
    "directive",
    _text("workspace"),
    _number("idx"),
    _text("kind"),
    _text("target"),
    _text("principal"),
    _text("key_id"),
    _number("expires", null=True),
    _number("time"),
    _text("payload"),
    PrimaryKeyConstraint("workspace", "idx"),
    Index("directive_target", "workspace", "target", "kind", "idx"),
    Index("directive_kind", "workspace", "kind", "idx"),
)

unknown_entry = _table(
    "unknown_entry",
    _text("workspace"),
    _number("idx"),
    _text("why"),
    PrimaryKeyConstraint("workspace", "idx"),
)

projection_cursor = _table(
    "projection_cursor",
    _text("workspace"),
    _text("name"),
    _number("next_index"),
    _number("schema_version"),
    PrimaryKeyConstraint("workspace", "name"),
)

PROJECTIONS = (artifact, attestation, edge, directive, unknown_entry, projection_cursor)

lease = _table(
    "lease",
    _text("workspace"),
    _text("name"),
    _text("holder", null=True),  # NULL: given back
    _number("epoch"),
    _number("expires"),
    PrimaryKeyConstraint("workspace", "name"),
)

digest_cache = _table(
    "digest_cache",
    _text("workspace"),
    _number("dev"),
    _number("ino"),
    _number("size"),
    _number("mtime_ns"),
    _number("ctime_ns"),
    _text("sha256"),
    _text("blake3", null=True),
    PrimaryKeyConstraint("workspace", "dev", "ino"),
)

check_cache = _table(
    "check_cache",
    _text("workspace"),
    _text("key"),
    _blob("result"),
    PrimaryKeyConstraint("workspace", "key"),
)

remembered_head = _table(
    "remembered_head",
    _text("workspace"),
    _text("origin"),
    _number("size"),
    _blob("root"),
    _number("seen"),
    PrimaryKeyConstraint("workspace", "origin"),
)
