"""Signed notes: text with signature lines under it (C2SP signed-note, tlog-cosignature).

Verification is of the exact bytes; a note has one encoding, so that any changed byte of the
text or of a known key's signature is noticed. Unknown keys are ignored, as the format wants.

>>> key = NoteKey("example.com/log", ED25519, bytes(32))
>>> key.vkey
'example.com/log+a3ad76db+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
>>> NoteKey.from_vkey(key.vkey) == key
True
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tidegate.core.errors import SignatureError, TrustError, UsageError, VerificationError

ED25519 = 0x01
"""Signature type: Ed25519 over the note text."""
COSIGNATURE = 0x04
"""Signature type: timestamped Ed25519 cosignature of a checkpoint."""

MAX_NOTE = 256 * 1024
MAX_SIGNATURES = 64
_DASH = "\N{EM DASH} "
_KEY_SIZE = 32
_TIME_SIZE = 8


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key under a name, for one type of signature."""

    name: str
    """The log's origin, or the witness's name; no spaces, no plus sign."""
    kind: int
    """``ED25519`` or ``COSIGNATURE``."""
    public_key: bytes
    """32 bytes, RFC 8032."""

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise UsageError(
                "a note key needs a name without spaces and plus signs",
                where=self.name[:100],
                slug="bad-key-name",
            )
        if self.kind not in {ED25519, COSIGNATURE} or len(self.public_key) != _KEY_SIZE:
            raise VerificationError("not an Ed25519 note key", where=self.name, slug="bad-vkey")

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart; no cryptographic promise."""
        encoded = bytes([self.kind]) + self.public_key
        return sha256(self.name.encode() + b"\n" + encoded).digest()[:4]

    @property
    def vkey(self) -> str:
        """The text form ``name+id+key`` that witnesses and other clients are configured with."""
        encoded = b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def from_vkey(cls, text: str) -> Self:
        """Read the text form.

        Raises:
            VerificationError: It is malformed, of an unknown type, or its id is not its key's.
        """
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        data = decode_base64(encoded, what="a verifier key", limit=1 + _KEY_SIZE)
        if not data:
            raise VerificationError("a verifier key is empty", where=text[:100], slug="bad-vkey")
        key = cls(name, data[0], data[1:])
        if key.key_id.hex() != key_id:
            raise VerificationError(
                "a verifier key's id is not the one of its key", where=text[:100], slug="bad-vkey"
            )
        return key

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check a signature (without its key id) over a note's text.

        Returns:
            The seconds since 1970 that a cosignature states; ``None`` for other types.

        Raises:
            SignatureError: It does not verify.
        """
        message, seconds = text.encode(), None
        if self.kind == COSIGNATURE:
            seconds = int.from_bytes(signature[:_TIME_SIZE], "big")
            signature = signature[_TIME_SIZE:]
            message = _cosigned(message, seconds)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            raise SignatureError(
                "a note's signature does not verify", where=self.name, slug="note-signature"
            ) from None
        return seconds


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line."""

    name: str
    key_id: bytes
    signature: bytes
    """What follows the four bytes of the key id."""

    @property
    def line(self) -> str:
        """The line with its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A private key, wherever it lives, that signs notes under a name."""

    key: NoteKey
    sign: Callable[[bytes], bytes]
    """Ed25519 over bytes: 64 bytes; deterministic, so that a lost head is signed anew alike."""

    def sign_note(self, text: str, *, seconds: int | None = None) -> NoteSignature:
        """Sign a note's text; ``seconds`` is the time that a cosignature states.

        Raises:
            UsageError: A time for a plain signature, or none for a cosignature.
        """
        if (seconds is not None) != (self.key.kind == COSIGNATURE):
            raise UsageError("cosignatures carry a time, and nothing else does", slug="cosign-time")
        if seconds is None:
            return NoteSignature(self.key.name, self.key.key_id, self.sign(text.encode()))
        signature = self.sign(_cosigned(text.encode(), seconds))
        stamped = seconds.to_bytes(_TIME_SIZE, "big") + signature
        return NoteSignature(self.key.name, self.key.key_id, stamped)


@dataclass(frozen=True, slots=True)
class Signed:
    """A key whose signature over the note was verified."""

    key: NoteKey
    seconds: int | None
    """The time that a cosignature states."""


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures that stand under it, not yet verified."""

    text: str
    """Ends in a newline."""
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Write the note."""
        return (self.text + "\n" + "".join(line.line for line in self.signatures)).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a note: bounded, and only in its one encoding.

        Raises:
            VerificationError: It is no signed note.
        """
        if len(data) > MAX_NOTE:
            raise VerificationError(f"a note is larger than {MAX_NOTE} bytes", slug="too-large")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError:
            raise VerificationError("a note is not UTF-8", slug="bad-note") from None
        text, blank, lines = whole.rpartition("\n\n")
        control = any(char < " " and char != "\n" for char in whole)
        if not blank or not lines or control:
            raise VerificationError("not a signed note", slug="bad-note")
        return cls(text + "\n", parse_signatures(lines))

    def verify(self, keys: Iterable[NoteKey]) -> tuple[Signed, ...]:
        """Check the signatures of known keys; each key counts once.

        Raises:
            SignatureError: A known key's signature does not verify.
            TrustError: No known key signed it.
        """
        known = {(key.name, key.key_id): key for key in keys}
        found: dict[NoteKey, Signed] = {}
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is not None:
                found[key] = Signed(key, key.verify(self.text, line.signature))
        if not found:
            raise TrustError(
                "no trusted key signed this note",
                where=", ".join(sorted({line.name for line in self.signatures}))[:200],
                next_step="check that the log's or witness's key is in the trust root",
                slug="unknown-note-key",
            )
        return tuple(found.values())

    def with_signatures(self, more: Sequence[NoteSignature]) -> "Note":
        """Add lines; the newest line of a key replaces its older ones."""
        lines = {(line.name, line.key_id): line for line in (*self.signatures, *more)}
        return Note(self.text, tuple(lines.values()))


def parse_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """Read signature lines, each ending in a newline.

    Raises:
        VerificationError: A line is malformed, or there are too many.
    """
    *rows, rest = lines.split("\n")
    if rest or not 0 < len(rows) <= MAX_SIGNATURES:
        raise VerificationError("not a list of note signatures", slug="bad-note")
    return tuple(_parse_line(row) for row in rows)


def decode_base64(text: str, *, what: str, limit: int) -> bytes:
    """Decode standard base64 in its one canonical spelling, padding included.

    Raises:
        VerificationError: It is something else, or longer than ``limit`` bytes.
    """
    try:
        data = b64decode(text, validate=True) if len(text) <= 4 * (limit // 3 + 1) else None
    except (binascii.Error, ValueError):
        data = None
    if data is None or len(data) > limit or b64encode(data).decode() != text:
        raise VerificationError(f"{what} is not base64", where=text[:60], slug="bad-base64")
    return data


def parse_decimal(text: str, *, what: str) -> int:
    """Read an ASCII decimal without leading zeros, below 2**63.

    Raises:
        VerificationError: It is something else.
    """
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1  # noqa: PLR2004 - digits of 2**63
    if number < 0 or str(number) != text or number >= 1 << 63:
        raise VerificationError(f"{what} is not a number", where=text[:60], slug="bad-number")
    return number


def _parse_line(row: str) -> NoteSignature:
    name, space, encoded = row.removeprefix(_DASH).partition(" ")
    if not row.startswith(_DASH) or not space or not _is_name(name):
        raise VerificationError("not a note signature", where=row[:60], slug="bad-note")
    data = decode_base64(encoded, what="a note signature", limit=16_384)
    if len(data) <= 4:  # noqa: PLR2004 - the key id
        raise VerificationError("a note signature is empty", where=row[:60], slug="bad-note")
    return NoteSignature(name, data[:4], data[4:])


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(c.isspace() or c == "+" for c in name)


def _cosigned(text: bytes, seconds: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % seconds + text
