"""What a leaf says: a small canonical JSON object that names, and never holds, the evidence.

>>> entry = Entry("attestation", "acme", actor="ci", tool="tidegate 1")
>>> Entry.parse(entry.to_bytes()).known
True
>>> Entry.parse(b'{"kind":"telepathy","v":9}').known
False
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONEncoder
from typing import Self

from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, UsageError, VerificationError
from tidegate.core.ledger.tiles import MAX_ENTRY

VERSION = 1
_ENCODE = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

KINDS: Mapping[str, frozenset[str]] = {
    "genesis": frozenset({"origin", "predecessor"}),
    "attestation": frozenset(),
    "directive": frozenset(),
    "trust": frozenset(),
    "drill": frozenset(),
    "gap": frozenset({"reason", "count", "from", "until"}),
    "close": frozenset({"successor"}),
}
"""Kinds of entries, and the further fields that each may have."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf.

    An entry of a newer version, of an unknown kind or with an unknown field keeps its bytes
    and reads ``known=False``: it is carried along, proved and exported, and nothing rests on it.
    """

    kind: str
    """One of ``KINDS``."""
    workspace: str
    """Whose log it is."""
    time: int = 0
    """Log time in microseconds: stamped by the log as it is appended."""
    actor: str = ""
    """The principal who acted."""
    key_id: str = ""
    """The key that signed the envelope."""
    tool: str = ""
    """Name and version of what wrote it."""
    subjects: tuple[str, ...] = ()
    """Digests that it is about, as ``algorithm:hex``."""
    envelope: str | None = None
    """Digest of the envelope's bytes, which are kept beside the log."""
    predicate_type: str | None = None
    """The predicate in the envelope."""
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Further fields; those of ``KINDS`` for a known entry."""
    version: int = VERSION
    """Of the entry's schema."""
    known: bool = True
    """Whether this version understands all of it."""
    raw: bytes | None = field(default=None, repr=False)
    """The bytes that it was read from."""

    def to_bytes(self) -> bytes:
        """Write it: the bytes that it was read from, or its canonical form.

        Raises:
            UsageError: It is larger than 65,535 bytes, or a field has no canonical form.
        """
        if self.raw is not None:
            return self.raw
        values = {name: getattr(self, attribute) for name, (attribute, _) in _SHAPE.items()}
        fields = {name: value for name, value in values.items() if value is not None}
        try:
            # Their order is canonical, so that entries without further fields, nearly all, need
            # no second sorting: the log's throughput is made here.
            data = dumps({**self.extra, **fields}) if self.extra else _ENCODE(fields).encode()
        except ValueError as error:
            raise UsageError("an entry has no JSON", cause=str(error), slug="bad-entry") from None
        if len(data) > MAX_ENTRY:
            raise UsageError(
                f"an entry takes {len(data)} bytes of the {MAX_ENTRY} that it may",
                next_step="name the subjects by one manifest digest",
                slug="entry-too-large",
            )
        return data

    def check(self) -> bytes:
        """Refuse what this version would not understand when it reads it again; return its bytes.

        Raises:
            UsageError: An unknown kind or field, something that is no digest, or too large.
        """
        further = KINDS.get(self.kind)
        understood = self.known and self.version == VERSION
        if not understood or further is None or not self.extra.keys() <= further:
            raise UsageError("this version can't write such an entry", where=self.kind, slug="kind")
        if not self._names_digests():
            raise UsageError("an entry names no digest", where=self.kind, slug="bad-entry")
        return self.to_bytes()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a leaf.

        Raises:
            VerificationError: It is no JSON object, or claims to be of this version and is not.
        """
        value = loads(data, what="an entry", limit=MAX_ENTRY)
        if not isinstance(value, dict):
            raise VerificationError("an entry is not an object", slug="bad-entry")
        # By exact type: true is no 1.
        shape = {name: spec for name, spec in _SHAPE.items() if type(value.get(name)) is spec[1]}
        fields: dict[str, Json] = {"kind": "", "workspace": ""}
        fields |= {attribute: value[name] for name, (attribute, _) in shape.items()}
        subjects = fields.pop("subjects", [])
        fields["subjects"] = tuple(item for item in subjects if type(item) is str)
        extra = {name: item for name, item in value.items() if name not in _SHAPE}
        further = KINDS.get(fields["kind"])
        known = value.get("v") == VERSION and further is not None and extra.keys() <= further
        entry = cls(**fields, extra=extra, known=known, raw=data)
        whole = len(entry.subjects) == len(subjects) and value.keys() & _SHAPE == shape.keys()
        whole = whole and shape.keys() >= _REQUIRED
        if known and not (whole and entry._is_sound(value)):
            raise VerificationError("an entry is malformed", where=entry.kind, slug="bad-entry")
        return entry

    def _is_sound(self, value: dict[str, Json]) -> bool:
        try:
            canonical = dumps(value) == self.raw
        except ValueError:
            return False
        return canonical and self.time >= 0 and self._names_digests()

    def _names_digests(self) -> bool:
        try:
            for text in self.subjects if self.envelope is None else (*self.subjects, self.envelope):
                Digest.parse(text)
        except SubjectError:
            return False
        return True


_SHAPE: Mapping[str, tuple[str, type]] = {
    "actor": ("actor", str),
    "envelope": ("envelope", str),
    "keyId": ("key_id", str),
    "kind": ("kind", str),
    "predicateType": ("predicate_type", str),
    "subjects": ("subjects", list),
    "time": ("time", int),
    "tool": ("tool", str),
    "v": ("version", int),
    "workspace": ("workspace", str),
}
"""Fields in canonical order: their attributes and JSON types."""
_REQUIRED = _SHAPE.keys() - {"envelope", "predicateType"}


def genesis(
    workspace: str, origin: str, *, actor: str, tool: str, predecessor: str | None = None
) -> Entry:
    """Make the first entry of a log; a successor names its predecessor's last head.

    Args:
        workspace: Whose log it is.
        origin: The log's name.
        actor: The principal who founds it.
        tool: Name and version of what writes it.
        predecessor: Text of the last checkpoint of the log that this one follows.
    """
    extra = {"origin": origin} | ({"predecessor": predecessor} if predecessor else {})
    return Entry("genesis", workspace, actor=actor, tool=tool, extra=extra)
