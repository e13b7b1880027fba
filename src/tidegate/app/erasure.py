"""Erase bytes for good, and say so in the log first: whose absence nobody answers for is a loss.

::

    gone = erase(workspace, digest, reason="the right to be forgotten, case 7")

An entry keeps the digest of what it names. That the bytes were erased, by whom and why, is an act
like any other: signed, logged, and before anything is gone, so that a crash in between leaves more
said than done, and the same command finishes it.
"""

from tidegate.app.maintenance import named_by, shred
from tidegate.app.workspace import Workspace
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.core.ledger.entry import Entry
from tidegate.core.policy.directives import Erase
from tidegate.gates.runner import Receipt

_KEPT = frozenset({"directive", "trust"})


def check_erasable(workspace: Workspace, digest: Digest) -> list[int]:
    """Return the entries that name bytes which may be erased.

    Raises:
        SubjectError: There are no such bytes.
        UsageError: An act or a version of the trust root would be gone: it may have forbidden
            something, so that every gate would have to stop.
    """
    named = named_by(workspace, digest)
    for index in named:
        kind = Entry.parse(workspace.log.entry(index)).kind
        if kind in _KEPT:
            raise UsageError(
                f"a {kind} is never erased: gates could not tell any more what it forbade",
                where=f"log {index}",
                next_step="erase the statement or the data that holds what must go",
                slug="not-erasable",
            )
    return named


def erase(workspace: Workspace, digest: Digest, reason: str) -> tuple[Receipt, bool]:
    """Log that bytes are erased, and erase them.

    Returns:
        Where it was logged, and whether there were bytes to erase.

    Raises:
        SubjectError: There are no such bytes.
        UsageError: They may not be erased.
        AccessError: The principal is neither steward nor operator, or its key can't be used.
        StoreError: The store failed, or another writer holds it.
    """
    check_erasable(workspace, digest)
    receipt = workspace.act(Erase(digest=str(digest), reason=reason))
    return receipt, shred(workspace, digest)
