"""Addresses of verified artifacts: what they must be, and where they lie.

``tidegate://WHAT/SUBPATH?src=URI&name=NAME``: WHAT, percent-encoded, is a digest, ``NAME@VERSION``
or ``NAME/STAGE``; ``src`` is any artifact URI that MLflow knows; ``name`` binds a digest to a
model's name.

>>> address = Address("sha256:" + "0" * 64, "s3://bucket/model", "tumour")
>>> str(address)[:31]
'tidegate://sha256%3A00000000000'
>>> Address.parse(str(address)) == address
True
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError

SCHEME: Final = "tidegate"
_MAX = 8_192
_FIELDS = frozenset({"src", "name"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where verified artifacts come from."""

    what: str
    """``sha256:…``, ``NAME@VERSION`` or ``NAME/STAGE``."""
    source: str
    """The URI of the folder with the files."""
    name: str | None = None
    """The model's name, where the registry knows it."""
    subpath: str = ""
    """Below the folder."""

    @property
    def digest(self) -> Digest | None:
        """The digest, where it is one."""
        return Digest.parse(self.what) if self.what.startswith("sha256:") else None

    def __str__(self) -> str:
        fields = {"src": self.source} | ({"name": self.name} if self.name else {})
        path = f"/{quote(self.subpath)}" if self.subpath else ""
        return f"{SCHEME}://{quote(self.what, safe='')}{path}?{urlencode(fields)}"

    @classmethod
    def parse(cls, uri: str) -> "Address":
        """Read an address.

        Raises:
            UsageError: It is none, or its source is one itself.
            SubjectError: Its digest is damaged.
        """
        if len(uri) > _MAX:
            raise _bad("it is too long")
        parts = urlsplit(uri)
        fields = parse_qs(parts.query, keep_blank_values=True, max_num_fields=8)
        if parts.scheme != SCHEME or not parts.netloc or parts.fragment:
            raise _bad("it does not begin with tidegate://WHAT")
        if set(fields) - _FIELDS or any(len(values) != 1 for values in fields.values()):
            raise _bad("it has other fields than one src and one name")
        source, name = fields.get("src", [""])[0], fields.get("name", [None])[0]
        if not source or urlsplit(source).scheme in {SCHEME, "models"}:
            raise _bad("src is not where files lie")
        subpath = unquote(parts.path).strip("/")
        if any(part in {"", ".", ".."} for part in subpath.split("/")) and subpath:
            raise _bad("its path leads out of the model")
        address = cls(unquote(parts.netloc), source, name, subpath)
        _ = address.digest  # a damaged one is told now
        return address


def _bad(why: str) -> UsageError:
    return UsageError(
        "not the address of verified artifacts",
        cause=why,
        next_step="write tidegate://WHAT?src=URI, with WHAT percent-encoded",
        slug="bad-address",
    )
