"""Heads of logs that must not be forgotten: a witness's memory, in a store.

::

    witness = Witness(signer, SqlWitnessState(engine, workspace, clock), keys)
"""

from sqlalchemy import ColumnElement, Engine, select, update

from tidegate.core.clock import Clock
from tidegate.logbook.witness import NOTHING, Seen
from tidegate.store.tables import remembered_head as table
from tidegate.store.transactions import insert_into, reading, writing


class SqlWitnessState:
    """One workspace's memory of other logs' heads; fulfils ``WitnessState``.

    Args:
        engine: The store. It must not be the one of the log that is watched: a restored backup
            would take the memory back with it.
        workspace: The workspace id.
        clock: Says when a head was seen.
    """

    def __init__(self, engine: Engine, workspace: str, clock: Clock) -> None:
        self._engine = engine
        self._workspace = workspace
        self._clock = clock

    def latest(self, origin: str) -> Seen:
        """Return the last cosigned head of a log; ``NOTHING`` at first."""
        query = select(table.c.size, table.c.root).where(*self._at(origin))
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return Seen(row[0], row[1]) if row else NOTHING

    def advance(self, origin: str, old: Seen, new: Seen) -> bool:
        """Durably replace ``old`` by ``new``; ``False`` if it is no longer ``old``."""
        values = {"size": new.size, "root": new.root, "seen": self._clock.now()}
        with writing(self._engine) as connection:
            was = (table.c.size == old.size, table.c.root == old.root)
            statement = update(table).where(*self._at(origin), *was).values(values)
            if connection.execute(statement).rowcount == 1:
                return True
            if old != NOTHING:
                return False
            first = insert_into(connection, table).values(
                workspace=self._workspace, origin=origin, **values
            )
            first = first.on_conflict_do_nothing().returning(table.c.size)
            return connection.execute(first).first() is not None

    def _at(self, origin: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return table.c.workspace == self._workspace, table.c.origin == origin
