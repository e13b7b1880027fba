"""The workspaces of a store: each has one log, and nothing that crosses to another.

::

    mine = Workspaces(engine).create("credit", kind="team", clock=SystemClock())
    SqlLogStorage(engine, mine.id, blobs)
"""

import re
import secrets
from dataclasses import dataclass

from sqlalchemy import Engine, insert, select

from tidegate.core.clock import Clock
from tidegate.core.errors import UsageError
from tidegate.store.tables import workspace
from tidegate.store.transactions import reading, writing

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant: one log, its evidence, and what is projected from it."""

    id: str
    """Twelve random characters; in every row, cache key, metric and blob path."""
    name: str
    """What people call it, unique in the store."""
    origin: str
    """First line of its checkpoints: names the log for every client, for ever."""
    kind: str
    """``main``, or ``drill`` for throw-away ones."""
    created: int
    """Microseconds."""


class Workspaces:
    """The store's workspaces."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self, name: str, *, clock: Clock, origin: str | None = None, kind: str = "main"
    ) -> Workspace:
        """Make a workspace.

        Args:
            name: Lower-case letters, digits, dots, dashes and underscores.
            clock: Gives the time of creation.
            origin: The log's name in checkpoints; made of name and id by default.
            kind: ``main`` or ``drill``.

        Raises:
            UsageError: The name is malformed, or taken.
            StoreError: The store failed.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                "not a workspace name",
                where=name[:64],
                next_step="use lower-case letters, digits, dots, dashes and underscores",
                slug="bad-workspace",
            )
        identifier = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        made = Workspace(
            id=identifier,
            name=name,
            origin=origin or f"tidegate/{name}/{identifier}",
            kind=kind,
            created=clock.now(),
        )
        return self.adopt(made)

    def adopt(self, made: Workspace) -> Workspace:
        """Write a workspace that already has its id, such as an imported one.

        Raises:
            UsageError: Its name or id is taken.
            StoreError: The store failed.
        """
        with writing(self._engine) as connection:
            same = (workspace.c.name == made.name) | (workspace.c.id == made.id)
            if connection.execute(select(workspace.c.id).where(same)).first():
                raise UsageError(
                    "there is a workspace of this name already",
                    where=made.name,
                    next_step="choose another name",
                    slug="workspace-exists",
                )
            connection.execute(
                insert(workspace).values(
                    id=made.id,
                    name=made.name,
                    origin=made.origin,
                    kind=made.kind,
                    created=made.created,
                )
            )
        return made

    def find(self, name: str) -> Workspace | None:
        """Return the workspace of that name."""
        return next((found for found in self.list() if found.name == name), None)

    def list(self) -> list[Workspace]:
        """Return all workspaces, oldest first."""
        query = select(*workspace.columns).order_by(workspace.c.created, workspace.c.id)
        with reading(self._engine) as connection:
            return [Workspace(**row) for row in connection.execute(query).mappings()]
