"""Private keys at rest: one JSON file a key, sealed with a passphrase or openly unsealed.

A sealed file is AES-256-GCM over PKCS#8, under a key that scrypt (RFC 7914) derives from the
passphrase. The associated data is the rest of the file, so the public key, the principal and the
cost parameters can't be exchanged. The cost is bounded on reading: a file from elsewhere can
neither weaken the derivation nor exhaust memory.

>>> from tidegate.core.identity.keys import Scheme
>>> key = PrivateKey.generate(Scheme.ED25519)
>>> data = seal(key, principal="ana", passphrase=b"low tide", cost=Cost(log2_n=14))
>>> unseal(data, passphrase=b"low tide").verifier == key.verifier
True
"""

import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from tidegate.core import canonical
from tidegate.core.errors import VerificationError
from tidegate.core.identity.keys import PrivateKey, PublicKey
from tidegate.core.identity.reading import decode_base64, encode_base64
from tidegate.core.identity.record import Record
from tidegate.core.identity.refusals import refusal
from tidegate.logbook.durable import sync_folder

SCHEMA = "tidegate/private-key/v1"
MAX_FILE = 32_768
"""Largest key file, in bytes."""


@dataclass(frozen=True, slots=True)
class Cost(Record):
    """What one guess at the passphrase costs: scrypt takes ``2**log2_n * r * 128`` bytes.

    Raises:
        VerificationError: It is weaker or costlier than a key file may ask for.
    """

    log2_n: int = 17
    """14 to 20; 17 is 128 MiB."""
    r: int = 8
    """8, as RFC 7914 recommends."""
    p: int = 1
    """1 to 4."""

    def __post_init__(self) -> None:
        if not (14 <= self.log2_n <= 20 and self.r == 8 and 1 <= self.p <= 4):  # noqa: PLR2004 - see the fields
            raise refusal("bad-cost")


@dataclass(frozen=True, slots=True)
class _Seal(Record):
    """scrypt, then AES-256-GCM."""

    cost: Cost
    salt: str
    nonce: str

    def cipher(self, passphrase: bytes) -> AESGCM:
        """Derive the key."""
        cost, salt = self.cost, decode_base64(self.salt)
        kdf = Scrypt(salt=salt, length=32, n=2**cost.log2_n, r=cost.r, p=cost.p)
        return AESGCM(kdf.derive(passphrase))


@dataclass(frozen=True, slots=True)
class _KeyFile(Record):
    """A key file as it stands on disk."""

    schema: str
    principal: str
    public: PublicKey
    seal: _Seal | None
    secret: str = ""

    @property
    def bound(self) -> bytes:
        """Everything but the secret: the associated data."""
        return canonical.dumps(replace(self, secret="").to_json())

    def with_secret(self, secret: bytes) -> bytes:
        """Write the file."""
        return canonical.dumps(replace(self, secret=encode_base64(secret)).to_json()) + b"\n"

    @classmethod
    def parse(cls, data: bytes) -> "tuple[_KeyFile, bytes]":
        """Read the file and its secret; another spelling of the same values is refused too."""
        try:
            file = cls.from_json(canonical.loads(data, what="the key file", limit=MAX_FILE))
            secret = decode_base64(file.secret)
            cause = "it is not in the form that this version writes"
        except (VerificationError, ValueError) as error:
            file, secret, cause = None, b"", str(error)[:200]
        if file is None or file.schema != SCHEMA or file.with_secret(secret) != data:
            raise refusal("bad-key-file", cause=cause)
        return file, secret


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What a key file tells without its passphrase."""

    principal: str
    key: PublicKey
    sealed: bool


def seal(
    key: PrivateKey, *, principal: str, passphrase: bytes | None, cost: Cost | None = None
) -> bytes:
    """Write a key file.

    Args:
        key: The key to keep.
        principal: Whose it is; bound into the file.
        passphrase: What seals it; ``None`` writes it unsealed, which the key then admits.
        cost: Derivation cost, where the default is not wanted.

    Raises:
        UsageError: The passphrase is empty, or the cost is out of bounds.
    """
    file = _KeyFile(SCHEMA, principal, key.verifier, None)
    if passphrase is None:
        return file.with_secret(key.secret())
    if not passphrase:
        raise refusal("empty-passphrase")
    nonce = os.urandom(12)
    made = _Seal(cost or Cost(), encode_base64(os.urandom(16)), encode_base64(nonce))
    file = replace(file, seal=made)
    return file.with_secret(made.cipher(passphrase).encrypt(nonce, key.secret(), file.bound))


def unseal(data: bytes, *, passphrase: bytes | None) -> PrivateKey:
    """Open a key file.

    Raises:
        AccessError: The file is damaged, needs a passphrase (slug ``passphrase-needed``), or the
            passphrase does not open it (slug ``bad-passphrase``).
    """
    file, secret = _KeyFile.parse(data)
    where = f"key {file.public.key_id}"
    if file.seal:
        if passphrase is None:
            raise refusal("passphrase-needed", where)
        try:
            cipher, nonce = file.seal.cipher(passphrase), decode_base64(file.seal.nonce)
            secret = cipher.decrypt(nonce, secret, file.bound)
        except (InvalidTag, ValueError):
            raise refusal("bad-passphrase", where) from None
    key = PrivateKey.from_secret(secret, sealed=file.seal is not None)
    if key.verifier != file.public:
        raise refusal("bad-key-file", where, "its private key is not of its public key")
    return key


def info(data: bytes) -> KeyInfo:
    """Read the public part of a key file.

    Raises:
        AccessError: The file is damaged.
    """
    file, _ = _KeyFile.parse(data)
    return KeyInfo(file.principal, file.public, sealed=file.seal is not None)


def read_private(path: Path) -> bytes:
    """Read a key file, if nobody else can.

    Raises:
        AccessError: It is absent, no regular file, too large, or others may read or write it.
    """
    try:
        with open(path, "rb", opener=_open_here) as file:
            state = os.fstat(file.fileno())
            data = file.read(MAX_FILE + 1) if stat.S_ISREG(state.st_mode) else b""
    except OSError as error:
        raise refusal("key-unreadable", str(path), error.strerror) from None
    if state.st_mode & 0o077 or state.st_uid not in (os.geteuid(), 0):
        cause = f"its mode is {stat.S_IMODE(state.st_mode):04o}, its owner {state.st_uid}"
        raise refusal("key-permissions", str(path), cause)
    return data


def _open_here(path: str, flags: int) -> int:
    # A symbolic link is refused by the open itself, so there is no time between look and use.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file that is there whole or not at all, with its mode from the first byte.

    Raises:
        AccessError: The folder can't be written.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise refusal("key-unwritten", str(path), error.strerror) from None
