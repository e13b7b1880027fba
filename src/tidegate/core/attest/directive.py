"""The directive predicate: an act as a signed entry, such as a quarantine or a waiver.

>>> act = Directive("quarantine", "sha256:…", reason="poisoned", owner="ana")
>>> Directive.from_json(act.to_json()) == act
True
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import DIRECTIVE
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.identity.record import Record
from tidegate.core.identity.refusals import refusal

_KIND = re.compile(r"[a-z][a-z0-9-]{0,63}")
_EXPIRING = frozenset({"waive", "approve-class"})


@dataclass(frozen=True, slots=True)
class Directive(Record):
    """An order that enforcement points obey once it is in the log.

    Raises:
        VerificationError: The kind is no name, or a waiver has no end.
    """

    what = "directive"

    kind: str
    """What to do: ``quarantine``, ``revoke``, ``waive``, ``approve``… Readers keep kinds that
    they do not know, and act on none of them."""
    target: str
    """On what: a digest, a key id, a rule id, a name."""
    reason: str
    owner: str
    """Who answers for it."""
    expires: Micros | None = None
    """First moment without it, in log time; a waiver must have one."""
    payload: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What the kind needs beside."""
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Fields that this version does not know."""

    def __post_init__(self) -> None:
        problem = None
        if not _KIND.fullmatch(self.kind):
            problem = "its kind is no lower-case name"
        elif self.kind in _EXPIRING and self.expires is None:
            problem = f"a {self.kind} directive must expire"
        if problem:
            raise refusal("bad-directive", cause=problem)

    def statement(self, subjects: tuple[Subject, ...]) -> Statement:
        """Return the statement to sign."""
        return Statement(subjects, DIRECTIVE, self.to_json())

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """Read the predicate of a statement.

        Raises:
            VerificationError: It is of another type or version, or damaged.
        """
        if statement.predicate_type != DIRECTIVE:
            raise refusal("predicate-type", statement.predicate_type[:200])
        return cls.from_json(statement.predicate)
