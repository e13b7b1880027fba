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
from typing import Self, TypeVar

from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.digest import Digest
from tidegate.core.errors import TidegateError, UsageError, VerificationError
from tidegate.core.ledger.tiles import MAX_ENTRY

VERSION = 1
_ENCODER = JSONEncoder(ensure_ascii=False, separators=(",", ":"))

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

_T = TypeVar("_T")


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
        try:
            data = self._encode()
        except ValueError as error:
            raise UsageError(
                "an entry can't be written", cause=str(error), slug="bad-entry"
            ) from None
        if len(data) > MAX_ENTRY:
            raise UsageError(
                f"an entry takes {len(data)} bytes of the {MAX_ENTRY} that it may",
                next_step="name the subjects by one manifest digest",
                slug="entry-too-large",
            )
        return data

    def check(self) -> None:
        """Refuse what this version would not understand when it reads it again.

        Raises:
            UsageError: An unknown kind or field, something that is no digest, or too large.
        """
        digests = (*self.subjects, self.envelope) if self.envelope else self.subjects
        if not self.known or not self.extra.keys() <= KINDS.get(self.kind, frozenset()):
            raise UsageError("this version can't write such an entry", where=self.kind, slug="kind")
        if self.kind not in KINDS or not all(map(_is_digest, digests)):
            raise UsageError("an entry is not well-formed", where=self.kind, slug="bad-entry")
        self.to_bytes()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a leaf.

        Raises:
            VerificationError: It is no JSON object, or claims to be of this version and is not.
        """
        value = loads(data, what="an entry", limit=MAX_ENTRY)
        if not isinstance(value, dict):
            raise VerificationError("an entry is not an object", slug="bad-entry")
        entry = cls._read(value, data)
        if entry.known and not _is_well_formed(value, data, entry):
            raise VerificationError(
                "an entry of this version is not what it claims", where=entry.kind, slug="bad-entry"
            )
        return entry

    def _encode(self) -> bytes:
        # In the canonical order of keys, so that entries without further fields, nearly all,
        # need no second sorting: the log's throughput is made here.
        fields: dict[str, Json] = {"actor": self.actor}
        if self.envelope is not None:
            fields["envelope"] = self.envelope
        fields |= {"keyId": self.key_id, "kind": self.kind}
        if self.predicate_type is not None:
            fields["predicateType"] = self.predicate_type
        fields |= {
            "subjects": self.subjects,
            "time": self.time,
            "tool": self.tool,
            "v": VERSION,
            "workspace": self.workspace,
        }
        if self.extra:
            return dumps({**self.extra, **fields})
        return _ENCODER.encode(fields).encode()

    @classmethod
    def _read(cls, value: dict[str, Json], data: bytes) -> Self:
        subjects: list[Json] = _typed(value.get("subjects"), list, [])
        kind = _typed(value.get("kind"), str, "")
        extra = {name: item for name, item in value.items() if name not in _FIELDS}
        return cls(
            kind=kind,
            workspace=_typed(value.get("workspace"), str, ""),
            time=_typed(value.get("time"), int, 0),
            actor=_typed(value.get("actor"), str, ""),
            key_id=_typed(value.get("keyId"), str, ""),
            tool=_typed(value.get("tool"), str, ""),
            subjects=tuple(item for item in subjects if isinstance(item, str)),
            envelope=_typed(value.get("envelope"), str, None),
            predicate_type=_typed(value.get("predicateType"), str, None),
            extra=extra,
            known=value.get("v") == VERSION and kind in KINDS and extra.keys() <= KINDS[kind],
            raw=data,
        )


_REQUIRED = {
    "v": int,
    "kind": str,
    "workspace": str,
    "time": int,
    "actor": str,
    "keyId": str,
    "tool": str,
    "subjects": list,
}
_OPTIONAL = ("envelope", "predicateType")
_FIELDS = {*_REQUIRED, *_OPTIONAL}


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


def _typed(value: Json, kind: type[object], default: _T) -> _T:
    return value if isinstance(value, kind) else default  # type: ignore[return-value]  # the caller pairs them


def _is_well_formed(value: dict[str, Json], data: bytes, entry: Entry) -> bool:
    try:
        canonical = dumps(value) == data
    except ValueError:
        return False
    # By exact type: true is no 1, and a subject that is no string was dropped on reading.
    return (
        canonical
        and all(type(value.get(name)) is kind for name, kind in _REQUIRED.items())
        and all(type(value.get(name, "")) is str for name in _OPTIONAL)
        and entry.time >= 0
        and len(entry.subjects) == len(value["subjects"])
        and all(map(_is_digest, (*entry.subjects, *filter(None, [entry.envelope]))))
    )


def _is_digest(text: str) -> bool:
    try:
        Digest.parse(text)
    except TidegateError:
        return False
    return True
