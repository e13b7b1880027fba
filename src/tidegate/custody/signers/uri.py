"""URIs of signers: where a private key is, and never what opens it.

A PIN or token in a URI would lie in shell histories, process lists and key stores. So each driver
names the attributes that it knows, any other is refused, and what is refused is never shown.

>>> found = SignerUri.parse("pkcs11:token=Acme%20HSM;object=release?module-path=/usr/lib/p11.so")
>>> found.scheme, found.path_attributes({"token", "object"})
('pkcs11', {'token': 'Acme HSM', 'object': 'release'})
>>> SignerUri.parse("pkcs11:token=t?pin-value=1234").query
Traceback (most recent call last):
...
tidegate.core.errors.UsageError: a signer's URI holds a secret, at pkcs11:… pin-value
"""

import os
import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlencode

from tidegate.core.errors import AccessError, UsageError

MAX_URI = 2_000
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
_SECRET = re.compile(r"pin-?value|pin|pass(word|phrase|wd)?|secret|credential", re.IGNORECASE)
_SOURCES = frozenset({"pin-source", "token-source", "passphrase-source"})


@dataclass(frozen=True)
class SignerUri:
    """A URI in its parts; percent-encoding is undone where a part is asked for."""

    scheme: str
    body: str
    """What stands between the scheme and the first question mark, still encoded."""
    attributes: str = ""
    """What stands after it, still encoded."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI; a path without a scheme is a file.

        Raises:
            UsageError: It is none, or holds a secret; the secret is not told.
        """
        scheme, colon, rest = text.partition(":")
        if not colon or not _SCHEME.fullmatch(scheme) or len(text) > MAX_URI:
            raise bad_uri(scheme if colon and _SCHEME.fullmatch(scheme) else "", "it has no scheme")
        if not rest.isprintable() or any(char.isspace() for char in rest):
            raise bad_uri(scheme, "it holds characters that must be percent-encoded")
        body, _, attributes = rest.partition("?")
        uri = cls(scheme, body, attributes)
        uri.refuse_secrets()
        return uri

    def __str__(self) -> str:
        """Return the URI as it is kept; it holds no secret."""
        return f"{self.scheme}:{self.body}" + (f"?{self.attributes}" if self.attributes else "")

    @cached_property
    def query(self) -> dict[str, str]:
        """The attributes after the question mark.

        Raises:
            UsageError: One has no value, or stands twice.
        """
        return _pairs(self.scheme, re.split("[&;]", self.attributes) if self.attributes else ())

    def query_attributes(self, known: AbstractSet[str]) -> dict[str, str]:
        """Return the attributes after the question mark, which must be known.

        Raises:
            UsageError: One is not known.
        """
        return _known(self.scheme, self.query, known)

    def path_attributes(self, known: AbstractSet[str]) -> dict[str, str]:
        """Return the attributes before the question mark (RFC 7512), which must be known.

        Raises:
            UsageError: One is not known, has no value, or stands twice.
        """
        pieces = self.body.split(";") if self.body else ()
        return _known(self.scheme, _pairs(self.scheme, pieces), known)

    def with_query(self, **changes: str) -> "SignerUri":
        """Return the URI with attributes added or replaced."""
        names = {name.replace("_", "-"): value for name, value in changes.items()}
        return SignerUri(self.scheme, self.body, urlencode({**self.query, **names}, safe="/:"))

    def refuse_secrets(self) -> None:
        """Raise where an attribute, or what stands before a host, would hold a secret.

        Raises:
            UsageError: One does; only the attribute's name is told.
        """
        for piece in re.split("[;&?]", f"{self.body}&{self.attributes}"):
            name = unquote(piece.partition("=")[0])
            if "=" in piece and _SECRET.fullmatch(name):
                raise _secret(self.scheme, name)
        authority = self.body.removeprefix("//").partition("/")[0]
        if self.body.startswith("//") and "@" in unquote(authority):
            raise _secret(self.scheme, "user@")

    @property
    def asks(self) -> bool:
        """Whether a secret may have to be asked for, as the URI names no file that holds it."""
        return self.scheme in {"file", "pkcs11"} and not _SOURCES & self.query.keys()


def read_source(uri: SignerUri, name: str) -> bytes | None:
    """Read the secret from the file that an attribute such as ``pin-source`` names.

    Raises:
        UsageError: It names no file: nothing is run to get a secret.
        AccessError: The file can't be read, is empty, or others may read it.
    """
    value = uri.query.get(name)
    if value is None:
        return None
    path = Path(value.removeprefix("file:"))
    if not path.is_absolute():
        raise bad_uri(uri.scheme, f"{name} must be the absolute path of a file")
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(4_097)
    except OSError as error:
        raise AccessError(
            f"the file of {name} can't be read",
            where=str(path),
            cause=error.strerror,
            next_step="name a file that holds it, readable for this user alone",
            slug="signer-secret",
        ) from None
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if mode & 0o077 or not 0 < len(secret) <= 4_096:  # noqa: PLR2004 - as passphrases are
        raise AccessError(
            f"the file of {name} is open to other users" if mode & 0o077 else
            f"the file of {name} is empty or too long",
            where=str(path),
            next_step=f"chmod 600 {path}" if mode & 0o077 else "check what is there",
            slug="signer-secret",
        )  # fmt: skip
    return secret


def bad_uri(scheme: str, cause: str) -> UsageError:
    """Return the error about a URI, of which only the scheme is shown."""
    return UsageError(
        "not a signer's URI",
        where=f"{scheme}:…" if scheme else None,
        cause=cause,
        next_step="write it as file:, pkcs11:, hashivault://, awskms:, gcpkms: or azurekms:",
        slug="bad-signer-uri",
    )


def _secret(scheme: str, name: str) -> UsageError:
    shown = name[:40] if name.isprintable() else ascii(name[:40])
    return UsageError(
        "a signer's URI holds a secret",
        where=f"{scheme}:… {shown}",
        next_step="take it out, change it, and give it by --passphrase-fd, --passphrase-file, or "
        "a file that pin-source or token-source names",
        slug="secret-in-uri",
    )


def _pairs(scheme: str, pieces: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for piece in pieces:
        name, equals, value = piece.partition("=")
        name, value = unquote(name), unquote(value)
        text = value.isprintable() or name == "id"  # an id is bytes, wherever it stands
        if not equals or not name or not value or name in found or not text:
            raise bad_uri(scheme, "an attribute has no value, stands twice, or is not text")
        found[name] = value
    return found


def _known(scheme: str, given: dict[str, str], known: AbstractSet[str]) -> dict[str, str]:
    for name in given:
        if name not in known:
            shown = name[:40] if name.isprintable() else ascii(name[:40])
            raise bad_uri(scheme, f"{shown} is no attribute that is known here")
    return given
