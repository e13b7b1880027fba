"""Proof of an entry in one small text file that verifies offline (C2SP tlog-proof).

::

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    …

    <checkpoint with its cosignatures, verbatim>

>>> TlogProof.parse(b"c2sp.org/tlog-proof@v1").path
Traceback (most recent call last):
tidegate.core.errors.ProofError: not a tlog-proof
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tidegate.core.errors import ProofError
from tidegate.core.ledger.checkpoint import Checkpoint, VerifiedCheckpoint, open_checkpoint
from tidegate.core.ledger.log import Log
from tidegate.core.ledger.merkle import HASH_SIZE, MAX_PATH, verify_inclusion
from tidegate.core.ledger.note import MAX_NOTE, Note, NoteKey, decode_base64, parse_decimal
from tidegate.core.merkle import leaf_hash

_HEADER = "c2sp.org/tlog-proof@v1"
_MAX_EXTRA = 65_536
MAX_PROOF = MAX_NOTE + 2 * _MAX_EXTRA


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A checkpoint and the way from one entry to its root."""

    index: int
    """Of the entry, from 0."""
    path: tuple[bytes, ...]
    """Inclusion proof, from the leaf's sibling upwards."""
    checkpoint: bytes
    """The signed note, verbatim."""
    extra: bytes = b""
    """Opaque data that nothing authenticates."""

    def to_bytes(self) -> bytes:
        """Write the proof file."""
        extra = [f"extra {b64encode(self.extra).decode()}"] if self.extra else []
        path = [b64encode(node).decode() for node in self.path]
        lines = [_HEADER, *extra, f"index {self.index}", *path, ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof file: bounded, and only in its one spelling.

        Raises:
            VerificationError: It is none.
        """
        head, blank, checkpoint = data.partition(b"\n\n")
        if len(data) > MAX_PROOF or not blank or not head.isascii():
            raise ProofError("not a tlog-proof", slug="bad-proof")
        header, *lines = head.decode().split("\n")
        extra = b""
        if lines and lines[0].startswith("extra "):
            text = lines.pop(0).removeprefix("extra ")
            extra = decode_base64(text, what="a proof's extra data", limit=_MAX_EXTRA)
        if header != _HEADER or not lines or not 0 < len(lines) <= MAX_PATH + 1:
            raise ProofError("not a tlog-proof", slug="bad-proof")
        word, _, number = lines[0].partition(" ")
        path = [decode_base64(line, what="a proof's hash", limit=HASH_SIZE) for line in lines[1:]]
        if word != "index" or any(len(node) != HASH_SIZE for node in path):
            raise ProofError("not a tlog-proof", slug="bad-proof")
        index = parse_decimal(number, what="a proof's index")
        return cls(index, tuple(path), checkpoint, extra)

    def verify(
        self,
        entry: bytes,
        log_keys: Sequence[NoteKey],
        *,
        origin: str | None = None,
        witnesses: Sequence[NoteKey] = (),
        threshold: int = 0,
    ) -> VerifiedCheckpoint:
        """Check that the entry's bytes are at the index of a log that the keys vouch for.

        Args:
            entry: The leaf's bytes.
            log_keys: The log's keys; one of them must have signed.
            origin: The log's name, where it is not its key's.
            witnesses: Keys of trusted witnesses.
            threshold: How many of them must have cosigned.

        Raises:
            ProofError: The path does not lead from the entry to the root.
            SignatureError: A known key's signature does not verify.
            TrustError: No log key signed, or too few witnesses cosigned.
        """
        verified = open_checkpoint(
            self.checkpoint, log_keys, origin=origin, witnesses=witnesses, threshold=threshold
        )
        head = verified.checkpoint
        verify_inclusion(leaf_hash(entry), self.index, head.size, self.path, head.root)
        return verified


def export_proof(log: Log, index: int) -> TlogProof:
    """Prove an entry under the log's newest signed head.

    Raises:
        ProofError: There is no such entry, or the store was changed.
    """
    note = log.checkpoint()
    head = Checkpoint.parse(Note.parse(note).text)
    return TlogProof(index, log.prove_inclusion(index, head.size), note)
