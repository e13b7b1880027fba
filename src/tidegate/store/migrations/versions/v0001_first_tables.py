"""Create the log, the envelopes, the projections, the caches and the leases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
_KINDS: dict[str, sa.types.TypeEngine[str] | sa.types.TypeEngine[int] | sa.LargeBinary] = {
    "text": _TEXT,
    "int": _BIG,
    "blob": sa.LargeBinary(),
}


def _create(name: str, columns: str, key: str, *checks: str, clustered: bool = False) -> None:
    """Create a table from ``name:kind`` words; a ``?`` allows NULL."""
    parts: list[sa.schema.SchemaItem] = []
    for word in columns.split():
        column, kind = word.rstrip("?").split(":")
        parts.append(sa.Column(column, _KINDS[kind], nullable=word.endswith("?")))
    parts.append(sa.PrimaryKeyConstraint(*key.split()))
    parts.extend(sa.CheckConstraint(check, name=f"{name}_shape") for check in checks)
    op.create_table(name, *parts, sqlite_strict=True, sqlite_with_rowid=not clustered)


def upgrade() -> None:
    _log()
    _projections()
    _caches()


def _log() -> None:
    _create("workspace", "id:text name:text origin:text kind:text created:int", "id")
    op.create_index("workspace_name", "workspace", ["name"], unique=True)
    _create(
        "log_entry",
        "workspace:text idx:int entry:blob leaf_hash:blob envelope_digest:blob?",
        "workspace idx",
        "idx >= 0 AND length(leaf_hash) = 32",
        clustered=True,
    )
    _create(
        "log_tile",
        "workspace:text level:int idx:int hashes:blob",
        "workspace level idx",
        "length(hashes) % 32 = 0",
    )
    _create("log_head", "workspace:text size:int root:blob edge:blob epoch:int", "workspace")
    _create("log_checkpoint", "workspace:text size:int note:blob", "workspace size", clustered=True)
    _create(
        "envelope",
        "workspace:text idx:int digest:blob size:int bytes:blob?",
        "workspace idx",
    )
    _create("erased", "workspace:text digest:blob time:int", "workspace digest", clustered=True)
    _create(
        "log_lookup",
        "workspace:text kind:int level:int run:int first:blob pairs:blob",
        "workspace kind level run first",
    )


def _projections() -> None:
    _create(
        "artifact",
        "workspace:text digest:text name:text kind:text first_index:int annotations:text",
        "workspace digest",
    )
    op.create_index("artifact_name", "artifact", ["workspace", "name", "first_index"])
    op.create_index("artifact_kind", "artifact", ["workspace", "kind", "first_index"])
    _create(
        "attestation",
        "workspace:text idx:int subject_digest:text predicate_type:text stage:text action:text"
        " outcome:text principal:text key_id:text time:int drill:int",
        "workspace idx subject_digest",
        clustered=True,
    )
    op.create_index("attestation_subject", "attestation", ["workspace", "subject_digest", "idx"])
    op.create_index("attestation_stage", "attestation", ["workspace", "stage", "idx"])
    _create(
        "edge",
        "workspace:text src:text dst:text idx:int stage:text",
        "workspace src dst idx",
        clustered=True,
    )
    op.create_index("edge_dst", "edge", ["workspace", "dst", "src", "idx"])
    _create(
        "directive",
        "workspace:text idx:int kind:text target:text principal:text key_id:text expires:int?"
        " time:int payload:text",
        "workspace idx",
    )
    op.create_index("directive_target", "directive", ["workspace", "target", "kind", "idx"])
    op.create_index("directive_kind", "directive", ["workspace", "kind", "idx"])
    _create("unknown_entry", "workspace:text idx:int why:text", "workspace idx")
    _create(
        "projection_cursor",
        "workspace:text name:text next_index:int schema_version:int",
        "workspace name",
    )


def _caches() -> None:
    _create(
        "lease",
        "workspace:text name:text holder:text? epoch:int expires:int",
        "workspace name",
    )
    _create(
        "digest_cache",
        "workspace:text dev:int ino:int size:int mtime_ns:int ctime_ns:int sha256:text"
        " blake3:text?",
        "workspace dev ino",
    )
    _create("check_cache", "workspace:text key:text result:blob", "workspace key")
    _create(
        "remembered_head",
        "workspace:text origin:text size:int root:blob seen:int",
        "workspace origin",
    )
