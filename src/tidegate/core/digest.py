"""Digests as values, and hashing that never holds a file in memory.

SHA-256 is what signatures speak of; BLAKE3 stands beside it for speed on big files.

>>> sha256(b"tide").short
'sha256:8a28929ac7f9'
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from tidegate.core.errors import SubjectError

_SIZES = {"sha256": 64, "sha384": 96, "sha512": 128, "blake3": 64, "blake2b": 128}
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A named hash value; its text form is ``algorithm:hex``."""

    algorithm: str
    """One of sha256, sha384, sha512, blake3, blake2b."""
    hex: str
    """Lower-case hexadecimal."""

    def __post_init__(self) -> None:
        size = _SIZES.get(self.algorithm)
        if size is None or len(self.hex) != size or not _HEX.fullmatch(self.hex):
            raise SubjectError(
                "not a digest",
                where=f"{self.algorithm}:{self.hex}"[:100].rstrip(":"),
                next_step="write it as sha256:<64 lower-case hexadecimal digits>",
                slug="bad-digest",
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``algorithm:hex``.

        Raises:
            SubjectError: The text is no digest of a known algorithm.
        """
        algorithm, _, value = text.partition(":")
        return cls(algorithm, value)

    @property
    def raw(self) -> bytes:
        """The hash value itself."""
        return bytes.fromhex(self.hex)

    @property
    def short(self) -> str:
        """The first twelve digits, for people."""
        return f"{self.algorithm}:{self.hex[:12]}"

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def sha256(data: bytes) -> Digest:
    """Hash bytes that are already in memory."""
    return Digest("sha256", hashlib.sha256(data).hexdigest())
