"""A client that remembers: it notices a log that goes back, or tells two stories.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     Memory(Path(folder)).last("example.com/log") is None
True
"""

import logging
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from tidegate.core.errors import ForkError, ProofError, RollbackError, StoreError, VerificationError
from tidegate.core.ledger.checkpoint import Checkpoint, VerifiedCheckpoint
from tidegate.core.ledger.merkle import verify_consistency
from tidegate.core.ledger.note import MAX_NOTE, Note
from tidegate.logbook.durable import locked, read_file, replace_file

logger = logging.getLogger(__name__)

FetchConsistency = Callable[[int, int], Sequence[bytes]]
"""Gives the log's consistency proof from an old size to a new one."""


class Memory:
    """The newest verified head of each log, on disk.

    Args:
        folder: Where the heads are kept; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, origin: str) -> bytes | None:
        """Return the signed note of the newest head seen.

        Raises:
            StoreError: It can't be read.
        """
        return read_file(self._path(origin), limit=MAX_NOTE)

    def check(self, new: VerifiedCheckpoint, fetch_consistency: FetchConsistency) -> None:
        """Compare a log's current head with the newest one seen, then remember it.

        Call it for heads that claim to be current; an older head in a proof file is no rollback.

        Raises:
            RollbackError: The log is shorter than it was.
            ForkError: The log can't show that its head continues the one seen; both heads are
                kept in a ``.fork`` file, as evidence that its own signatures prove.
            StoreError: The memory can't be read or written.
            RemoteError: The proof could not be had; nothing is remembered.
        """
        path = self._path(new.checkpoint.origin)
        with locked(path.with_suffix(".lock")):
            note = read_file(path, limit=MAX_NOTE)
            if note is not None:
                self._compare(note, new, fetch_consistency)
            if note != new.note:
                replace_file(path, new.note)

    def forks(self) -> list[Path]:
        """Return the kept evidence of forks and rollbacks."""
        return sorted(self._folder.glob("*.fork"))

    def _compare(
        self, note: bytes, new: VerifiedCheckpoint, fetch_consistency: FetchConsistency
    ) -> None:
        old, head = self._remembered(note), new.checkpoint
        both = f"seen {old.size} {old.root.hex()}, now {head.size} {head.root.hex()}"
        if head.size < old.size:
            kept = self._keep(note, new)
            raise RollbackError(
                f"the log went back from {old.size} to {head.size} entries",
                where=head.origin,
                cause=both,
                next_step=f"ask the log's operator; both signed heads are in {kept}",
                slug="rollback",
            )
        try:
            if old.size:
                path = () if old.size == head.size else fetch_consistency(old.size, head.size)
                verify_consistency(old.size, head.size, old.root, head.root, path)
        except ProofError as error:
            kept = self._keep(note, new)
            raise ForkError(
                f"the log does not show that its {head.size} entries continue the {old.size} seen",
                where=head.origin,
                cause=both,
                next_step=f"ask the log's operator; both signed heads are in {kept}",
                slug="fork",
            ) from error

    def _remembered(self, note: bytes) -> Checkpoint:
        try:
            return Checkpoint.parse(Note.parse(note).text)
        except VerificationError as error:
            raise StoreError(
                "a remembered head is damaged",
                where=str(self._folder),
                next_step="restore the file; without it a rollback could go unnoticed",
                slug="memory",
            ) from error

    def _keep(self, note: bytes, new: VerifiedCheckpoint) -> Path:
        """Write both notes into one file, named by its content so that none is overwritten."""
        evidence = note + b"\n" + new.note
        name = f"{self._path(new.checkpoint.origin).stem}-{sha256(evidence).hexdigest()[:12]}.fork"
        replace_file(self._folder / name, evidence)
        logger.error("kept two contradicting heads of %s", new.checkpoint.origin)
        return self._folder / name

    def _path(self, origin: str) -> Path:
        return self._folder / f"{sha256(origin.encode()).hexdigest()[:32]}.checkpoint"
