"""Log what drills came to: one signed statement each, marked drill, and nothing of the arena."""

from collections.abc import Sequence

from tidegate.app.workspace import TOOL, Workspace
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import DRILL
from tidegate.core.canonical import dumps
from tidegate.core.digest import sha256
from tidegate.gates.drill import Exercise

KIND = "drill"
"""Entries of this kind count for no gate and make no lineage."""


def log_exercises(workspace: Workspace, exercises: Sequence[Exercise]) -> list[int]:
    """Sign and append the results; return their log indices.

    Raises:
        AccessError: The principal's key can't be used.
        StoreError: The log can't be written.
    """
    notary = workspace.notary
    return [notary.publish(statement(one), kind=KIND).index for one in exercises]


def statement(done: Exercise) -> Statement:
    """Return the statement: its subject is the drill, by the digest of its definition."""
    subject = Subject.of(str(done.drill["id"]), sha256(dumps(dict(done.drill))))
    tool = {"name": TOOL.name, "version": TOOL.version}
    return Statement((subject,), DRILL, {**done.to_predicate(), "tool": tool})
