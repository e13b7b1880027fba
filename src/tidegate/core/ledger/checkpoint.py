"""A log's head as text, and the one place where a signed head is verified (C2SP tlog-checkpoint).

>>> from tidegate.core.merkle import EMPTY_ROOT
>>> print(Checkpoint("example.com/log", 0, EMPTY_ROOT).text, end="")
example.com/log
0
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tidegate.core.errors import TrustError, VerificationError
from tidegate.core.ledger.merkle import HASH_SIZE
from tidegate.core.ledger.note import COSIGNATURE, Note, NoteKey, decode_base64, parse_decimal
from tidegate.core.merkle import EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says about itself."""

    origin: str
    """The log's name."""
    size: int
    """Number of entries."""
    root: bytes
    """RFC 6962 root hash, 32 bytes."""
    extensions: tuple[str, ...] = ()
    """Further lines; kept verbatim, never trusted."""

    def __str__(self) -> str:
        return f"{self.origin} {self.size} {self.root.hex()[:16]}"

    @property
    def text(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text as a checkpoint.

        Raises:
            VerificationError: It is none.
        """
        origin, *lines = text.split("\n")
        if len(lines) < 3 or lines.pop() or not origin or not all(lines):  # noqa: PLR2004 - size, root, end
            raise VerificationError("not a checkpoint", where=text[:60], slug="bad-checkpoint")
        size = parse_decimal(lines[0], what="a checkpoint's size")
        root = decode_base64(lines[1], what="a checkpoint's root", limit=HASH_SIZE)
        if len(root) != HASH_SIZE or (size == 0 and root != EMPTY_ROOT):
            raise VerificationError("not a root hash", where=lines[1][:60], slug="bad-checkpoint")
        return cls(origin, size, root, tuple(lines[2:]))


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's word that it saw this head continue all that it saw before."""

    key: NoteKey
    """The witness's."""
    seconds: int
    """When, by the witness's clock: seconds since 1970."""

    @property
    def witness(self) -> str:
        """The witness's name."""
        return self.key.name


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A head whose log signature, and enough cosignatures, were verified."""

    checkpoint: Checkpoint
    key: NoteKey
    """The log's key that signed it."""
    cosignatures: tuple[Cosignature, ...]
    note: bytes
    """The bytes that were verified."""


def open_checkpoint(
    data: bytes,
    log_keys: Sequence[NoteKey],
    *,
    origin: str | None = None,
    witnesses: Sequence[NoteKey] = (),
    threshold: int = 0,
) -> VerifiedCheckpoint:
    """Verify a signed checkpoint.

    Args:
        data: The note.
        log_keys: The log's keys; one of them must have signed.
        origin: The origin line to expect; by default the name of the key that signed.
        witnesses: Keys of trusted witnesses.
        threshold: How many of them (distinct public keys) must have cosigned.

    Raises:
        VerificationError: It is no checkpoint.
        SignatureError: A known key's signature does not verify.
        TrustError: No log key signed it, it is another log's, or too few witnesses cosigned.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    own = [key for key in log_keys if key.kind != COSIGNATURE]
    others = [key for key in witnesses if key.kind == COSIGNATURE]
    signed = note.verify([*own, *others])
    key = next((one.key for one in signed if one.key in own), None)
    if key is None:
        raise TrustError(
            "no key of the log signed this checkpoint",
            where=checkpoint.origin[:100],
            slug="unknown-note-key",
        )
    if checkpoint.origin != (origin or key.name):
        raise TrustError(
            "the checkpoint is another log's", where=checkpoint.origin[:100], slug="origin"
        )
    cosigned = {
        one.key.public_key: Cosignature(one.key, one.seconds)
        for one in signed
        if one.seconds is not None
    }
    check_enough(checkpoint, len(cosigned), threshold)
    return VerifiedCheckpoint(checkpoint, key, tuple(cosigned.values()), data)


def check_enough(checkpoint: Checkpoint, cosigned: int, threshold: int) -> None:
    """Check that enough witnesses cosigned.

    Raises:
        TrustError: They are too few.
    """
    if cosigned < threshold:
        raise TrustError(
            f"{cosigned} of the {threshold} witnesses wanted have cosigned",
            where=str(checkpoint),
            next_step="fetch the newest checkpoint, or ask the witnesses for cosignatures",
            slug="too-few-witnesses",
        )
