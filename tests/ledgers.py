"""Logs with keys and entries, for tests and benchmarks of what keeps them."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Engine

from tidegate.core.clock import FixedClock
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import Log, PendingEntry
from tidegate.core.ledger.note import ED25519, NoteKey, NoteSigner
from tidegate.core.ledger.storage import LogStorage
from tidegate.store.blobs import LocalBlobs
from tidegate.store.log import SqlLogStorage

ORIGIN = "tests.example/log"
NOW = 1_800_000_000_000_000


def note_signer(name: str = ORIGIN) -> NoteSigner:
    """The log key that goes with a name, the same in every process."""
    private = Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return NoteSigner(NoteKey(name, ED25519, public), private.sign)


def envelope_of(label: str, size: int = 1000) -> bytes:
    """Bytes that stand for a signed envelope, all different, about as long as real ones."""
    seed = sha256(label.encode()).hexdigest().encode()
    return (seed * (size // len(seed) + 1))[:size]


def pending(label: str, workspace: str, *, size: int = 1000) -> PendingEntry:
    """An entry with an envelope, both of which follow from the label."""
    envelope = envelope_of(label, size)
    entry = Entry(
        "attestation",
        workspace,
        actor="ci@tests.example",
        key_id=sha256(b"key").hexdigest(),
        tool="tidegate 0",
        subjects=(f"sha256:{sha256(b'subject' + label.encode()).hexdigest()}",),
        envelope=f"sha256:{sha256(envelope).hexdigest()}",
        predicate_type="urn:tidegate:gate:v1",
    )
    return PendingEntry(entry, envelope)


@dataclass
class Ledger:
    """One workspace's log in a store, with a key and a clock."""

    engine: Engine
    folder: Path
    workspace: str = "acme"
    time: int = NOW

    @property
    def blobs(self) -> LocalBlobs:
        """Where large envelopes go."""
        return LocalBlobs(self.folder / "blobs" / self.workspace)

    @property
    def storage(self) -> SqlLogStorage:
        """The log's rows."""
        return SqlLogStorage(self.engine, self.workspace, self.blobs)

    def log(self, storage: LogStorage | None = None, *, signed: bool = True) -> Log:
        """Open the log as a process that starts now."""
        return Log(
            storage or self.storage,
            origin=ORIGIN,
            clock=FixedClock(self.time),
            signer=note_signer() if signed else None,
            keys=() if signed else (note_signer().key,),
        ).open()

    def fill(self, count: int, *, batch: int = 256, prefix: str = "e", size: int = 1000) -> Log:
        """Append ``count`` different entries."""
        log = self.log()
        start = log.head.size
        for first in range(start, start + count, batch):
            last = min(first + batch, start + count)
            log.append(
                [pending(f"{prefix}{n}", self.workspace, size=size) for n in range(first, last)]
            )
        return log
