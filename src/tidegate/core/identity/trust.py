"""The trust root: whose key may say what, in which window, and who may change that.

A trust root is one version in a chain. Each names the digest of the version before, and is signed
by the root keys of both (``attest/chain.py`` checks that). Every date is judged by the time that
the caller hands in, which is the log's; nothing here knows what time it is.

>>> from tidegate.core.identity.keys import PrivateKey, Scheme
>>> key = PrivateKey.generate(Scheme.ED25519).verifier
>>> ana = TrustedKey(key, "ana", frozenset({Role.STEWARD}), valid_from=Micros(100))
>>> root = TrustRoot("w1", 1, keys=(ana,), root_keys=(key,))
>>> root.key(key.key_id, at=Micros(100), purpose=Purpose.ATTEST).principal
'ana'
>>> TrustRoot.parse(root.to_bytes()) == root
True
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from tidegate.core import canonical
from tidegate.core.clock import Micros, iso
from tidegate.core.digest import Digest, sha256
from tidegate.core.identity.keys import PublicKey
from tidegate.core.identity.record import Record
from tidegate.core.identity.refusals import refusal
from tidegate.core.identity.roles import Role

SCHEMA = "tidegate/trust-root/v1"
MAX_BYTES = 8 * 1024 * 1024
_HASH = re.compile(r"[0-9a-f]{64}")
_EPOCH = Micros(0)
_WHAT = "trust-root"


class Purpose(StrEnum):
    """What a key signs; no key serves two purposes."""

    ATTEST = "attest"
    """Statements."""
    LOG = "log"
    """Checkpoints of the workspace's log."""
    WITNESS = "witness"
    """Cosignatures of checkpoints."""


@dataclass(frozen=True, slots=True)
class TrustedKey(Record):
    """A public key with what it is trusted for."""

    what = _WHAT

    key: PublicKey
    principal: str
    roles: frozenset[Role] = frozenset()
    purpose: Purpose = Purpose.ATTEST
    name: str = ""
    """The name in signed notes, for keys of logs and witnesses."""
    valid_from: Micros = _EPOCH
    """First moment of trust, in log time."""
    valid_until: Micros | None = None
    """First moment without it; ``None`` while no end is set."""

    def check(self, *, at: Micros, purpose: Purpose) -> None:
        """Check purpose and window.

        Raises:
            TrustError: With the slug ``wrong-purpose``, ``not-yet-valid`` or ``expired``.
        """
        says = f"and the log says {iso(at)}"
        if self.purpose is not purpose:
            slug, cause = "wrong-purpose", f"it is for {self.purpose}, not for {purpose}"
        elif at < self.valid_from:
            slug, cause = "not-yet-valid", f"it is trusted from {iso(self.valid_from)}, {says}"
        elif self.valid_until is not None and at >= self.valid_until:
            slug, cause = "expired", f"it was trusted until {iso(self.valid_until)}, {says}"
        else:
            return
        where = f"key {self.key.key_id} of {self.principal}"
        raise refusal(slug, where, cause)


@dataclass(frozen=True, slots=True)
class Predecessor(Record):
    """The last head of the log that this workspace's log succeeds."""

    what = _WHAT

    origin: str
    size: int
    root_hash: str
    """64 hexadecimal digits."""

    def __post_init__(self) -> None:
        if not _HASH.fullmatch(self.root_hash):
            raise refusal("bad-trust-root", "predecessor.rootHash", "it is no SHA-256 in hex")


@dataclass(frozen=True, slots=True)
class TrustRoot(Record):
    """One version of a workspace's trust."""

    what = _WHAT

    workspace: str
    version: int
    """From 1, without gaps."""
    keys: tuple[TrustedKey, ...]
    root_keys: tuple[PublicKey, ...]
    """Who may sign the next version."""
    root_threshold: int = 1
    """How many of them it takes."""
    witness_threshold: int = 0
    """How many witnesses must have cosigned a checkpoint."""
    predecessor: Predecessor | None = None
    previous: Digest | None = None
    """Digest of the version before; ``None`` for the first."""
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        witnesses = {key.principal for key in self.keys_for(Purpose.WITNESS)}
        for problem, found in (
            ("this version can't read its schema", self.schema != SCHEMA),
            ("versions count from 1", self.version < 1),
            ("a key is listed twice", _twice(key.key.key_id for key in self.keys)),
            ("a root key is listed twice", _twice(key.key_id for key in self.root_keys)),
            ("the root threshold can't be met",
             not 1 <= self.root_threshold <= len(self.root_keys)),
            ("the witness threshold can't be met",
             not 0 <= self.witness_threshold <= len(witnesses)),
            ("a version after the first must name the one before, and only that",
             (self.version > 1) != (self.previous is not None)),
            ("a window ends before it begins",
             any(key.valid_until is not None and key.valid_until <= key.valid_from
                 for key in self.keys)),
            ("a key that signs notes has no name",
             any(key.purpose is not Purpose.ATTEST and not key.name for key in self.keys)),
        ):  # fmt: skip
            if found:
                raise refusal("bad-trust-root", cause=problem)

    @property
    def digest(self) -> Digest:
        """SHA-256 over the canonical bytes: what the next version names, and a client pins."""
        return sha256(self.to_bytes())

    def entry(self, key_id: str) -> TrustedKey:
        """Return a key whatever its window and purpose.

        Raises:
            TrustError: It is not in this trust root (slug ``unknown-key``).
        """
        for trusted in self.keys:
            if trusted.key.key_id == key_id:
                return trusted
        place = f"key {key_id[:64]}, trust root {self.workspace} version {self.version}"
        raise refusal("unknown-key", place)

    def key(self, key_id: str, *, at: Micros, purpose: Purpose) -> TrustedKey:
        """Return a key that is trusted for a purpose at a time.

        Raises:
            TrustError: With the slug ``unknown-key``, ``wrong-purpose``, ``not-yet-valid`` or
                ``expired``.
        """
        trusted = self.entry(key_id)
        trusted.check(at=at, purpose=purpose)
        return trusted

    def keys_for(self, purpose: Purpose) -> tuple[TrustedKey, ...]:
        """Return all keys of a purpose, in whatever window."""
        return tuple(key for key in self.keys if key.purpose is purpose)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes."""
        return canonical.dumps(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read canonical bytes.

        Raises:
            VerificationError: They are no trust root of this version.
        """
        return cls.from_json(canonical.loads(data, what="the trust root", limit=MAX_BYTES))


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key that no longer counts from a log index on."""

    key_id: str
    from_index: int
    """First entry that it can't sign any more; 0 for a key that was never good."""
    reason: str


def check_not_revoked(key_id: str, index: int | None, revocations: Iterable[Revocation]) -> None:
    """Check that a key was good for the entry at an index.

    Args:
        key_id: The key.
        index: Log index of the entry that it signed; ``None`` where it is in no log, and any
            revocation counts, as nobody can tell what came first.
        revocations: All that the log knows of.

    Raises:
        TrustError: It was revoked before (slug ``revoked``).
    """
    for revocation in revocations:
        if revocation.key_id == key_id and (index is None or index >= revocation.from_index):
            place = "an entry in no log" if index is None else f"entry {index}"
            cause = (
                f"{revocation.reason}; from entry {revocation.from_index}, and it signed {place}"
            )
            raise refusal("revoked", f"key {key_id}", cause)


def _twice(ids: Iterable[str]) -> bool:
    return any(count > 1 for count in Counter(ids).values())
