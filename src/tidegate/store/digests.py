"""Digests of files that did not change, remembered between runs.

What makes a key safe is decided by ``tidegate.tables.cache``; here is only its memory. One
row a file: a file that changed takes its old row's place, so the table stays as small as the tree.

::

    hasher = CachedHasher(SqlDigestCache(engine, workspace), clock)
"""

from sqlalchemy import Engine, select

from tidegate.core.artifact.hashing import FileHash, FileKey
from tidegate.core.digest import Digest
from tidegate.store.tables import digest_cache
from tidegate.store.transactions import insert_into, reading, writing_soon

_SIGN = 1 << 63
_WORD = 1 << 64


class SqlDigestCache:
    """One workspace's remembered digests; fulfils ``DigestCache``.

    It belongs to one machine: device and inode numbers mean nothing elsewhere.
    """

    def __init__(self, engine: Engine, workspace: str) -> None:
        self._engine = engine
        self._workspace = workspace

    def get(self, key: FileKey) -> FileHash | None:
        """Return the hash that was put under exactly this key."""
        column = digest_cache.c
        query = select(column.sha256, column.blake3).where(
            *[column[name] == value for name, value in self._row(key).items()]
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        if row is None or row[1] is None:
            return None
        return FileHash(Digest("sha256", row[0]), Digest("blake3", row[1]), key.size)

    def put(self, key: FileKey, value: FileHash) -> None:
        """Remember a hash; a crash may forget it."""
        row = self._row(key) | {"sha256": value.sha256.hex, "blake3": value.blake3.hex}
        with writing_soon(self._engine) as connection:
            statement = insert_into(connection, digest_cache)
            names = ("size", "mtime_ns", "ctime_ns", "sha256", "blake3")
            statement = statement.on_conflict_do_update(
                index_elements=["workspace", "dev", "ino"],
                set_={name: statement.excluded[name] for name in names},
            )
            connection.execute(statement, row)

    def _row(self, key: FileKey) -> dict[str, int | str]:
        return {
            "workspace": self._workspace,
            "dev": _signed(key.dev),
            "ino": _signed(key.ino),
            "size": key.size,
            "mtime_ns": key.mtime_ns,
            "ctime_ns": key.ctime_ns,
        }


def _signed(number: int) -> int:
    """Fold an unsigned 64-bit number into what a database's integer holds."""
    return number - _WORD if number >= _SIGN else number
