"""Results of checks by content address, so that a run that was cut short goes on where it was.

::

    cache = SqlCheckCache(engine, workspace)
    cache.put(key, result)
"""

from sqlalchemy import Engine, delete, insert, select

from tidegate.store.tables import check_cache
from tidegate.store.transactions import reading, writing


class SqlCheckCache:
    """One workspace's results; fulfils the runner's ``CheckCache``."""

    def __init__(self, engine: Engine, workspace: str) -> None:
        self._engine = engine
        self._workspace = workspace

    def get(self, key: str) -> bytes | None:
        """Return what was kept."""
        where = (check_cache.c.workspace == self._workspace, check_cache.c.key == key)
        with reading(self._engine) as connection:
            return connection.execute(select(check_cache.c.result).where(*where)).scalar()

    def put(self, key: str, value: bytes) -> None:
        """Keep a result; one that was kept under this key gives way."""
        where = (check_cache.c.workspace == self._workspace, check_cache.c.key == key)
        row = {"workspace": self._workspace, "key": key, "result": value}
        with writing(self._engine) as connection:
            connection.execute(delete(check_cache).where(*where))
            connection.execute(insert(check_cache).values(row))
