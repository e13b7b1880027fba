"""Directives: every act on the pipeline as a signed entry, each with one that undoes it.

>>> act = Quarantine(digest="sha256:" + "ab" * 32, reason="labels disagree")
>>> from_json(act.to_json()) == act
True
"""

import re
from dataclasses import dataclass, fields
from typing import ClassVar

from tidegate.core.canonical import MAX_SAFE_INTEGER, Json, dumps
from tidegate.core.errors import VerificationError

VERSION = 1
MAX_PAYLOAD = 16 * 1024

_DIGEST = r"sha256:[0-9a-f]{64}"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_TEXT = r"(?s:(?=.*\S).{1,600})"
_PATTERNS = {
    "digest": _DIGEST,
    "scope": rf"\*|{_DIGEST}",
    "key_id": r"[0-9a-f]{64}",
    "control": r"TG-[A-Z]{3}-\d\d",
    "name": f"{_NAME}[@/]{_NAME}",
    "waiver": r"waiver-\d{1,15}",
    "source": _NAME,
    "tier": "trusted|partner|web",
    "callable": r"[A-Za-z_][\w.]{0,199}:[A-Za-z_][\w.]{0,199}",
    "uses": "(data|new|build)(,(data|new|build)){0,2}",
}


@dataclass(frozen=True, slots=True)
class Directive:
    """A signed act. Who, when and at which index are the entry's, not the payload's.

    Raises:
        VerificationError: A field is not what its name says.
    """

    kind: ClassVar[str] = ""
    reason: str
    """Why; every act says it."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.type is int:
                good = type(value) is int and 0 <= value <= MAX_SAFE_INTEGER
            else:
                pattern = _PATTERNS.get(item.name, _TEXT)
                good = isinstance(value, str) and bool(re.fullmatch(pattern, value))
            if not good:
                problem = f"not a {self.kind} directive"
                raise VerificationError(problem, where=item.name, slug="directive")

    def to_json(self) -> dict[str, Json]:
        """Return the payload that is signed."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"kind": self.kind, "version": VERSION, **values}


@dataclass(frozen=True, slots=True)
class OnDigest(Directive):
    """An act on one artifact."""

    digest: str
    """``sha256:…``"""


class Quarantine(OnDigest):
    """Hold an artifact, and with it all that is made from it. Undone by ``release``."""

    __slots__ = ()
    kind = "quarantine"


class Release(OnDigest):
    """End a quarantine. Undone by ``quarantine``."""

    __slots__ = ()
    kind = "release"


class RevokeArtifact(OnDigest):
    """Withdraw an artifact everywhere. Undone by ``reinstate-artifact``."""

    __slots__ = ()
    kind = "revoke-artifact"


class ReinstateArtifact(OnDigest):
    """Take an artifact back. Undone by ``revoke-artifact``."""

    __slots__ = ()
    kind = "reinstate-artifact"


class Erase(OnDigest):
    """Say that bytes are erased, by the digest that entries name. Nothing undoes it."""

    __slots__ = ()
    kind = "erase"


@dataclass(frozen=True, slots=True)
class RevokeKey(Directive):
    """Distrust what a key signed at or after a log index. Undone by ``reinstate-key``."""

    kind = "revoke-key"
    key_id: str
    from_index: int


@dataclass(frozen=True, slots=True)
class ReinstateKey(Directive):
    """Trust a key again. Undone by ``revoke-key``."""

    kind = "reinstate-key"
    key_id: str


@dataclass(frozen=True, slots=True)
class Waive(Directive):
    """Grant an exception, which a second principal must approve. Undone by ``retract-waiver``."""

    kind = "waive"
    control: str
    rule: str
    """One rule of the control, or ``*``."""
    scope: str
    """A digest, or ``*``."""
    owner: str
    expires: int
    """Microseconds; at most 30 days after the entry's log time."""


@dataclass(frozen=True, slots=True)
class RetractWaiver(Directive):
    """End a waiver before it expires. Undone by ``waive``."""

    kind = "retract-waiver"
    waiver: str
    """``waiver-<log index>``."""


@dataclass(frozen=True, slots=True)
class Consent(Directive):
    """What one principal says of an action on a subject."""

    subject: str
    """A digest; or a waiver's id, with the action ``waive``."""
    action: str
    """``registry/promote``, ``ingest/admit``, ``waive``…"""


class Approve(Consent):
    """Approve the action. Undone by ``retract-approval``."""

    __slots__ = ()
    kind = "approve"


class RetractApproval(Consent):
    """Take one's own approval back. Undone by ``approve``."""

    __slots__ = ()
    kind = "retract-approval"


@dataclass(frozen=True, slots=True)
class Naming(OnDigest):
    """What a name means: ``model@3`` for ever, ``model/production`` until it is moved."""

    name: str


class Alias(Naming):
    """Let a name mean a digest. Undone by ``rollback``."""

    __slots__ = ()
    kind = "alias"


class Rollback(Naming):
    """Move a name back to a digest that it had before. Undone by ``alias``."""

    __slots__ = ()
    kind = "rollback"


@dataclass(frozen=True, slots=True)
class RegisterSource(Directive):
    """Say who answers for a source of data, and how far it is trusted. Undone by retiring it."""

    kind = "register-source"
    source: str
    tier: str
    """``trusted``, ``partner`` or ``web``."""
    owner: str
    licence: str


@dataclass(frozen=True, slots=True)
class RetireSource(Directive):
    """Take a source off the register. Undone by ``register-source``."""

    kind = "retire-source"
    source: str


@dataclass(frozen=True, slots=True)
class ApproveClass(Directive):
    """Let model files hold a class that no pack lists. Undone by ``retract-class``."""

    kind = "approve-class"
    callable: str
    """``module:Class``"""
    uses: str
    """Of ``data,new,build``; never a call."""
    expires: int
    """Microseconds."""


@dataclass(frozen=True, slots=True)
class RetractClass(Directive):
    """End the approval of a class before it expires. Undone by ``approve-class``."""

    kind = "retract-class"
    callable: str


@dataclass(frozen=True, slots=True)
class Unknown(Directive):
    """An act of a kind or version that this release does not know, kept as it is."""

    kind = "unknown"
    payload: str
    """Canonical JSON."""

    def __post_init__(self) -> None:
        """Nothing about it can be checked."""


_ACTS: tuple[type[Directive], ...] = (
    *(Quarantine, Release, RevokeArtifact, ReinstateArtifact, RevokeKey, ReinstateKey),
    *(Waive, RetractWaiver, Approve, RetractApproval, Alias, Rollback),
    *(RegisterSource, RetireSource, Erase, ApproveClass, RetractClass),
)
KINDS = {act.kind: act for act in _ACTS}
"""The kinds of directive, by the name in the payload."""


def from_json(value: Json) -> Directive:
    """Read a directive's payload; what is not known is kept as :class:`Unknown`.

    Raises:
        VerificationError: A known kind of this version has other fields than it should, or one
            of them is out of bounds; or the payload is no object or larger than 16 KiB.
    """
    try:
        text = dumps(value).decode("utf-8")
    except ValueError as error:
        raise VerificationError("not a directive", cause=str(error), slug="directive") from None
    if not isinstance(value, dict) or len(text) > MAX_PAYLOAD:
        raise VerificationError("not a directive, or too large a one", slug="directive")
    act = KINDS.get(str(value.get("kind")))
    if act is None or type(value.get("version")) is not int or value["version"] != VERSION:
        return Unknown(reason="", payload=text)
    rest = {key: item for key, item in value.items() if key not in ("kind", "version")}
    if rest.keys() != {item.name for item in fields(act)}:
        cause = ", ".join(rest)
        raise VerificationError(f"not a {act.kind} directive", cause=cause, slug="directive")
    return act(**rest)
