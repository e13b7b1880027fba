"""Callers' keys: made once, shown once, kept as digests.

A key is ``tg_<name>_<secret><crc>``: 32 random bytes in base 62, and a checksum that tells a
typing error from a wrong key. A caller may have several keys, so that one can be replaced without
a pause.

>>> token = new_key("web-shop")
>>> ring = Keyring.parse(key_line("web-shop", token))
>>> ring.identify(token), ring.identify(token[:-1] + "!")
('web-shop', None)
"""

import hashlib
import hmac
import logging
import re
import secrets
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Self
from zlib import crc32

from tidegate.core.errors import AccessError, UsageError

_log = logging.getLogger(__name__)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_SECRET, _CHECK = 43, 6
_TOKEN = re.compile(rf"tg_({_NAME.pattern})_([0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECK}}})")
_MAX_TOKEN = 512
_MAX_FILE = 4 << 20
_NOBODY = b"\0" * 32
SHARED = "shared"
"""The caller's name for a token that is not of our form."""


def new_key(name: str) -> str:
    """Make a key for a caller. It is kept nowhere.

    Raises:
        UsageError: The name is not lower-case letters, digits and inner dashes.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "a caller's name is 1 to 40 lower-case letters, digits and inner dashes",
            where=repr(name[:60]),
            next_step="choose another name, such as `web-shop`",
            slug="caller-name",
        )
    secret = _base62(int.from_bytes(secrets.token_bytes(32), "big"), _SECRET)
    return f"tg_{name}_{secret}{_check(name, secret)}"


def key_line(name: str, token: str) -> str:
    """Return the line of the key file that accepts a key: its name and its SHA-256."""
    return f"{name} {hashlib.sha256(token.encode()).hexdigest()}\n"


@dataclass(frozen=True, slots=True)
class Keyring:
    """Who may call."""

    digests: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict[str, tuple[bytes, ...]])

    @classmethod
    def parse(cls, text: str, *, where: str = "key file") -> Self:
        """Read lines of ``name sha256``; empty lines and ``#`` comments are skipped.

        Raises:
            AccessError: A line is neither.
        """
        found: dict[str, list[bytes]] = defaultdict(list)
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            name, *rest = words
            if (
                len(rest) != 1
                or not _NAME.fullmatch(name)
                or not re.fullmatch("[0-9a-f]{64}", rest[0])
            ):
                raise AccessError(
                    "a line is no name with the SHA-256 of a key",
                    where=f"{where}, line {number}",
                    next_step="make one with `tidegate serve gateway key NAME`",
                    slug="key-line",
                )
            found[name].append(bytes.fromhex(rest[0]))
        return cls({name: tuple(digests) for name, digests in found.items()})

    def identify(self, token: str) -> str | None:
        """Return whose key this is; ``None`` where it is nobody's.

        The digests of a high-entropy secret are compared in constant time, also for names that
        do not exist.
        """
        if len(token) > _MAX_TOKEN:
            return None
        parts = _TOKEN.fullmatch(token)
        name = parts[1] if parts else SHARED
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        matches = [
            hmac.compare_digest(digest, known) for known in self.digests.get(name, (_NOBODY,))
        ]
        if parts and not hmac.compare_digest(_check(parts[1], parts[2]), parts[3]):
            return None
        return name if any(matches) else None


class KeyFile:
    """A key file that is read again when it changes: a key that is taken out is refused at once."""

    def __init__(self, path: Path, *, every: float = 1.0) -> None:
        self._path = path
        self._every = every
        self._state: tuple[int, int, int] | None = None
        self._next = 0.0
        self._ring = Keyring()
        self.ring()

    def ring(self) -> Keyring:
        """Return the keys as they are in the file now, to within a second.

        Raises:
            AccessError: The file can't be read, is wrong, or others may write it. Nobody is let in
                until it is right again.
        """
        now = monotonic()
        if now >= self._next:
            self._next = now + self._every
            self._reread()
        return self._ring

    def _reread(self) -> None:
        try:
            info = self._path.stat()
            state = (info.st_mtime_ns, info.st_size, info.st_ino)
            if state == self._state:
                return
            self._ring, self._state = Keyring(), None
            if info.st_mode & 0o022 or info.st_size > _MAX_FILE:
                raise AccessError(
                    "others may write the key file, or it is too large",
                    where=str(self._path),
                    next_step="chmod 600 the file",
                    slug="key-file",
                )
            text = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._ring, self._state = Keyring(), None
            raise AccessError(
                "the key file can't be read",
                where=str(self._path),
                cause=getattr(error, "strerror", None) or "it is not UTF-8",
                next_step="make one with `tidegate serve gateway key NAME`",
                slug="key-file",
            ) from None
        self._ring, self._state = Keyring.parse(text, where=str(self._path)), state
        _log.info("read %d callers' keys", len(self._ring.digests))


def _check(name: str, secret: str) -> str:
    return _base62(crc32(f"tg_{name}_{secret}".encode()), _CHECK)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))
