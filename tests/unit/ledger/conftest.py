"""A workspace's log in memory, with a key, a clock that stands still, and a way to fill it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tidegate.core.clock import FixedClock
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import Log, PendingEntry, Receipt
from tidegate.core.ledger.note import COSIGNATURE, ED25519, NoteKey, NoteSigner
from tidegate.logbook.memory import MemoryLogStorage

ORIGIN = "acme.example/log"


def note_signer(name: str, kind: int = ED25519, seed: bytes | None = None) -> NoteSigner:
    private = Ed25519PrivateKey.from_private_bytes(sha256(seed or name.encode()).digest())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return NoteSigner(NoteKey(name, kind, public), private.sign)


def pending(number: int, envelope: bytes | None = None, *, workspace: str = "acme") -> PendingEntry:
    digest = f"sha256:{sha256(envelope).hexdigest()}" if envelope else None
    subject = f"sha256:{number:064x}"
    entry = Entry(
        "attestation",
        workspace,
        actor="ci@acme.example",
        tool="tidegate 0",
        subjects=(subject,),
        envelope=digest,
    )
    return PendingEntry(entry, envelope)


@dataclass
class Bench:
    """Everything that a ledger test needs, from one seed."""

    storage: MemoryLogStorage = field(default_factory=lambda: MemoryLogStorage("acme"))
    clock: FixedClock = field(default_factory=lambda: FixedClock(1_800_000_000_000_000))
    signer: NoteSigner = field(default_factory=lambda: note_signer(ORIGIN))
    count: int = 0

    def log(self) -> Log:
        """Open the log as a process that starts now."""
        return Log(self.storage, origin=ORIGIN, clock=self.clock, signer=self.signer)

    def fill(self, log: Log, number: int, *, batch: int = 256) -> list[Receipt]:
        """Append entries that are all different."""
        receipts: list[Receipt] = []
        while number:
            step = min(batch, number)
            receipts += log.append([pending(self.count + n) for n in range(step)])
            self.count += step
            number -= step
        return receipts


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> type[Bench]:
    return Bench


@pytest.fixture
def make_pending() -> Callable[..., PendingEntry]:
    return pending


@pytest.fixture
def make_signer() -> Callable[..., NoteSigner]:
    return note_signer


@pytest.fixture
def witness_signer() -> NoteSigner:
    return note_signer("witness.example/w1", COSIGNATURE)
