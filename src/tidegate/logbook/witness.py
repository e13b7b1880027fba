r"""Witnessing: a second party that signs only heads that continue what it saw (C2SP tlog-witness).

`Witness` answers ``add-checkpoint``; `request_cosignature` asks one. HTTP is elsewhere.

>>> parse_request(b"old 0\n\nx")
Request(old=0, path=(), checkpoint=b'x')
"""

import logging
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Protocol

from tidegate.core.clock import SECOND, Clock
from tidegate.core.errors import (
    ForkError,
    ProofError,
    RemoteError,
    StoreError,
    TidegateError,
    TrustError,
    VerificationError,
)
from tidegate.core.ledger.checkpoint import Checkpoint, open_checkpoint
from tidegate.core.ledger.merkle import HASH_SIZE, MAX_PATH, verify_consistency
from tidegate.core.ledger.note import (
    Note,
    NoteKey,
    NoteSignature,
    NoteSigner,
    decode_base64,
    parse_decimal,
    parse_signatures,
)
from tidegate.core.merkle import EMPTY_ROOT
from tidegate.logbook.durable import locked, read_file, replace_file

logger = logging.getLogger(__name__)

SIZE_TYPE = "text/x.tlog.size"
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Seen:
    """The last head of a log that a witness cosigned."""

    size: int
    root: bytes


NOTHING = Seen(0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class Request:
    """The body of add-checkpoint."""

    old: int
    """Size that the proof starts from."""
    path: tuple[bytes, ...]
    """Consistency proof from there."""
    checkpoint: bytes
    """The signed note."""

    def to_bytes(self) -> bytes:
        """Write the body."""
        lines = [f"old {self.old}", *(b64encode(node).decode() for node in self.path), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint


@dataclass(frozen=True, slots=True)
class Response:
    """What a witness answers."""

    status: int
    body: bytes = b""
    content_type: str = _TEXT


class WitnessState(Protocol):
    """What a witness must not forget."""

    def latest(self, origin: str) -> Seen:
        """Return the last cosigned head of a log; ``NOTHING`` at first."""
        ...

    def advance(self, origin: str, old: Seen, new: Seen) -> bool:
        """Durably replace ``old`` by ``new``; ``False`` if it is no longer ``old``."""
        ...


class FileWitnessState:
    """A file a log, replaced atomically under a lock.

    Args:
        folder: Where the files are; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()

    def latest(self, origin: str) -> Seen:
        """Return the last cosigned head of a log.

        Raises:
            StoreError: The file can't be read, or is damaged: the witness must not forget.
        """
        data = read_file(self._path(origin), limit=65_536)
        if data is None:
            return NOTHING
        try:
            head = Checkpoint.parse(data.decode("utf-8", "replace"))
        except VerificationError as error:
            raise StoreError(
                "a witness's memory is damaged",
                where=str(self._path(origin)),
                next_step="restore the file; without it the witness could sign a fork",
                slug="witness-state",
            ) from error
        return Seen(head.size, head.root)

    def advance(self, origin: str, old: Seen, new: Seen) -> bool:
        """Durably replace ``old`` by ``new``; ``False`` if it is no longer ``old``."""
        path = self._path(origin)
        with self._lock, locked(path.with_suffix(".lock")):
            if self.latest(origin) != old:
                return False
            replace_file(path, Checkpoint(origin, new.size, new.root).text.encode())
        return True

    def _path(self, origin: str) -> Path:
        return self._folder / f"{sha256(origin.encode()).hexdigest()[:32]}.head"


class Witness:
    """Cosigns heads of the logs that it knows, each only if it continues the last.

    Args:
        state: Its memory.
        signer: Its key, of type cosignature.
        clock: Its time.
        logs: Keys of each log, by origin.
    """

    def __init__(
        self,
        state: WitnessState,
        signer: NoteSigner,
        clock: Clock,
        logs: Mapping[str, Sequence[NoteKey]],
    ) -> None:
        self._state = state
        self._signer = signer
        self._clock = clock
        self._logs = logs

    def add_checkpoint(self, body: bytes) -> Response:
        """Answer one request: 200 with a cosignature, or why not.

        Returns:
            400 malformed, 403 not signed by the log, 404 unknown log, 409 another size was
            seen last (which is in the body) or another root at that size, 422 bad proof.

        Raises:
            StoreError: The memory can't be read or written; nothing was signed.
        """
        try:
            request = parse_request(body)
            note = Note.parse(request.checkpoint)
            checkpoint = Checkpoint.parse(note.text)
        except VerificationError:
            return Response(400)
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            return Response(404)
        try:
            open_checkpoint(request.checkpoint, keys, origin=checkpoint.origin)
        except VerificationError:
            return Response(403)
        if request.old > checkpoint.size:
            return Response(400)
        return self._cosign(request, note, checkpoint)

    def _cosign(self, request: Request, note: Note, checkpoint: Checkpoint) -> Response:
        seen, new = self._state.latest(checkpoint.origin), Seen(checkpoint.size, checkpoint.root)
        if request.old != seen.size:
            return _conflict(seen)
        if seen.size == new.size and seen.root != new.root:
            logger.error("fork of %s at size %d", checkpoint.origin, new.size)
            return _conflict(seen)
        try:
            if seen.size:
                verify_consistency(seen.size, new.size, seen.root, new.root, request.path)
            elif request.path:
                return Response(422)
        except ProofError:
            logger.error("%s does not continue size %d", checkpoint.origin, seen.size)  # noqa: TRY400 - a trace tells nothing more
            return Response(422)
        if not self._state.advance(checkpoint.origin, seen, new):
            return _conflict(self._state.latest(checkpoint.origin))
        seconds = self._clock.now() // SECOND
        line = self._signer.sign_note(note.text, seconds=seconds).line
        return Response(200, line.encode())


Post = Callable[[bytes], tuple[int, bytes]]
"""Sends a body to a witness's add-checkpoint; gives status and body of the answer."""


def request_cosignature(
    post: Post,
    note: bytes,
    prove: Callable[[int], Sequence[bytes]],
    witness: Sequence[NoteKey],
    *,
    old: int = 0,
) -> tuple[NoteSignature, ...]:
    """Ask a witness to cosign a head; it tells, where need be, from which size to prove.

    Args:
        post: Sends the request.
        note: The signed checkpoint.
        prove: Gives the consistency proof from a size to the checkpoint's.
        witness: The witness's keys; signatures of others are dropped.
        old: The size that it cosigned last, as far as known.

    Returns:
        The verified cosignature lines.

    Raises:
        ForkError: The witness has seen a head that this one does not continue.
        RemoteError: It refuses or answers with nonsense.
        SignatureError: Its signature does not verify.
        TrustError: None of its keys signed.
    """
    checkpoint = Checkpoint.parse(Note.parse(note).text)
    status, body = post(Request(old, tuple(prove(old)) if old else (), note).to_bytes())
    if status == 409:  # noqa: PLR2004 - conflict: it names the size to start from
        seen = _parse_size(body)
        if seen > checkpoint.size or seen == old:
            raise _contradicted(checkpoint, f"the witness has seen another head of size {seen}")
        status, body = post(Request(seen, tuple(prove(seen)) if seen else (), note).to_bytes())
        if status == 409 and _parse_size(body) == seen:  # noqa: PLR2004 - it has another root there
            raise _contradicted(checkpoint, f"the witness has seen another head of size {seen}")
    if status == 422:  # noqa: PLR2004 - the proof failed
        raise _contradicted(
            checkpoint, "the witness finds that this head does not continue its own"
        )
    if status != 200:  # noqa: PLR2004 - success
        raise _nonsense(f"the witness answers {status}")
    return _accept(body, Note.parse(note), witness)


def parse_request(body: bytes) -> Request:
    """Read the body of add-checkpoint.

    Raises:
        VerificationError: It is malformed.
    """
    head, blank, checkpoint = body.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    word, _, number = lines[0].partition(" ")
    if word != "old" or not blank or len(lines) > MAX_PATH + 1:
        raise VerificationError("not an add-checkpoint request", slug="bad-request")
    path = [decode_base64(line, what="a proof's hash", limit=HASH_SIZE) for line in lines[1:]]
    if any(len(node) != HASH_SIZE for node in path):
        raise VerificationError("not an add-checkpoint request", slug="bad-request")
    return Request(parse_decimal(number, what="the old size"), tuple(path), checkpoint)


def _accept(body: bytes, note: Note, witness: Sequence[NoteKey]) -> tuple[NoteSignature, ...]:
    try:
        lines = parse_signatures(body.decode("utf-8"))
    except (UnicodeDecodeError, VerificationError) as error:
        raise _nonsense("the witness answers with nonsense") from error
    known = {(key.name, key.key_id) for key in witness}
    fitting = tuple(line for line in lines if (line.name, line.key_id) in known)
    if not fitting:
        raise TrustError("the witness signed with an unknown key", slug="unknown-note-key")
    Note(note.text, fitting).verify(witness)
    return fitting


def _parse_size(body: bytes) -> int:
    try:
        text = body[:32].decode("ascii", "replace")
        return parse_decimal(text.removesuffix("\n"), what="a witness's size")
    except TidegateError as error:
        raise _nonsense("the witness answers with nonsense") from error


def _contradicted(checkpoint: Checkpoint, problem: str) -> ForkError:
    return ForkError(
        problem,
        where=str(checkpoint),
        next_step="compare the heads: the log was rolled back or forked",
        slug="witness-conflict",
    )


def _nonsense(problem: str) -> RemoteError:
    hint = "check that the witness knows this log's origin and key"
    return RemoteError(problem, next_step=hint, slug="witness")


def _conflict(seen: Seen) -> Response:
    return Response(409, b"%d\n" % seen.size, SIZE_TYPE)
