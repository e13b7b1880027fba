"""Leases: who may do a thing that only one process should do, with a number that fences.

A lease ends by time, so a holder that died holds up nobody for long. A holder that merely slept
may think that it still has it; its epoch is then too old, and :meth:`Leases.holds` says so.

::

    with Leases(engine, workspace, clock).held("sequencer", holder="host:123") as lease:
        ...  # lease.epoch is larger than that of any holder before
"""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from tidegate.core.clock import SECOND, Clock
from tidegate.core.errors import BusyError
from tidegate.store.tables import lease as table
from tidegate.store.transactions import reading, writing

TTL = 30 * SECOND
"""Microseconds until a lease that is not renewed ends."""

_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

Progress = Callable[[str, float], None]
"""Told who holds the lease and for how many seconds we have waited."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that was had."""

    name: str
    holder: str
    epoch: int
    """Grows with each new holder: what an older epoch writes must be refused."""
    expires: int
    """Microseconds."""


class Leases:
    """One workspace's leases.

    Args:
        engine: The store.
        workspace: The workspace id.
        clock: Judges expiry. Hosts that share a store need clocks that agree within the ttl.
        sleep: Waits; tests hand in their own.
    """

    def __init__(
        self,
        engine: Engine,
        workspace: str,
        clock: Clock,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._workspace = workspace
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def held(
        self,
        name: str,
        *,
        holder: str,
        ttl: int = TTL,
        wait: float = 30.0,
        on_wait: Progress | None = None,
    ) -> Generator[Lease]:
        """Hold a lease for the length of a block.

        Raises:
            BusyError: Someone else held it for longer than ``wait`` seconds.
            StoreError: The store failed.
        """
        lease = self.acquire(name, holder=holder, ttl=ttl, wait=wait, on_wait=on_wait)
        try:
            yield lease
        finally:
            self.release(lease)

    def acquire(
        self,
        name: str,
        *,
        holder: str,
        ttl: int = TTL,
        wait: float = 30.0,
        on_wait: Progress | None = None,
    ) -> Lease:
        """Take a lease, waiting for its holder to end.

        Args:
            name: What it is for.
            holder: Who asks, as others will read it: host and process.
            ttl: Microseconds until it ends by itself.
            wait: Seconds to wait at most.
            on_wait: Told about the wait, again and again.

        Raises:
            BusyError: Someone else held it for longer than that.
            StoreError: The store failed.
        """
        waited, pause = 0.0, _PAUSE
        while True:
            got = self._try(name, holder, ttl)
            if isinstance(got, Lease):
                return got
            if waited >= wait:
                raise BusyError(
                    f"{got} holds the {name} lease",
                    where=name,
                    next_step="wait for it to finish, or for the lease to end",
                    slug="lease",
                )
            if on_wait:
                on_wait(got, waited)
            step = min(pause, wait - waited)
            self._sleep(step)
            waited += step
            pause = min(pause * 2, _LONGEST_PAUSE)

    def renew(self, lease: Lease, *, ttl: int = TTL) -> Lease:
        """Move a lease's end.

        Raises:
            BusyError: It ended, and someone else took it.
            StoreError: The store failed.
        """
        expires = self._clock.now() + ttl
        with writing(self._engine) as connection:
            if not self._move(connection, lease, lease.holder, expires):
                raise BusyError(
                    f"the {lease.name} lease was lost",
                    where=f"epoch {lease.epoch}",
                    next_step="run the command again",
                    slug="fenced",
                )
        return Lease(lease.name, lease.holder, lease.epoch, expires)

    def release(self, lease: Lease) -> None:
        """Give a lease back; one that was lost is left alone."""
        with writing(self._engine) as connection:
            self._move(connection, lease, None, 0)

    def holds(self, lease: Lease) -> bool:
        """Tell whether nobody took it since, and it has not ended."""
        query = select(table.c.epoch, table.c.holder, table.c.expires).where(*self._key(lease.name))
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            return False
        return (row[0], row[1]) == (lease.epoch, lease.holder) and row[2] > self._clock.now()

    def _try(self, name: str, holder: str, ttl: int) -> Lease | str:
        """Return the lease, or the name of who has it."""
        now = self._clock.now()
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("LOCK TABLE lease IN EXCLUSIVE MODE")
            query = select(table.c.holder, table.c.epoch, table.c.expires)
            row = connection.execute(query.where(*self._key(name))).first()
            if row is None:
                lease = Lease(name, holder, 1, now + ttl)
                connection.execute(
                    insert(table).values(
                        workspace=self._workspace,
                        name=name,
                        holder=holder,
                        epoch=1,
                        expires=lease.expires,
                    )
                )
                return lease
            other, epoch, expires = row
            if other is not None and expires > now:
                return str(other)
            lease = Lease(name, holder, epoch + 1, now + ttl)
            values = {"holder": holder, "epoch": lease.epoch, "expires": lease.expires}
            connection.execute(update(table).where(*self._key(name)).values(values))
            return lease

    def _move(self, connection: Connection, lease: Lease, holder: str | None, expires: int) -> bool:
        mine = (table.c.epoch == lease.epoch, table.c.holder == lease.holder)
        statement = update(table).where(*self._key(lease.name), *mine)
        return connection.execute(statement.values(holder=holder, expires=expires)).rowcount == 1

    def _key(self, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return table.c.workspace == self._workspace, table.c.name == name
