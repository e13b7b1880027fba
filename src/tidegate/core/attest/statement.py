"""in-toto Statement v1: which artifacts a predicate is about.

>>> model = Subject("model", {"sha256": "ab" * 32})
>>> statement = Statement((model,), "urn:example:v1", {"ok": True})
>>> Statement.parse(statement.to_bytes()) == statement
True
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from tidegate.core import canonical
from tidegate.core.attest.uris import STATEMENT_V1
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.identity.reading import Fields

MAX_BYTES = 16 * 1024 * 1024
MAX_SUBJECTS = 65_536
MAX_DIGESTS = 16
"""Most digests of one subject."""
_MAX_VALUE = 1_024
_HEX_SIZES = {"sha1": 40, "gitCommit": 40, "sha256": 64, "sha384": 96, "sha512": 128, "blake3": 64,
              "blake2b": 128}  # fmt: skip
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Subject:
    """An artifact by its digests."""

    name: str
    """How people call it; may be empty in foreign statements."""
    digests: Mapping[str, str]
    """Algorithm to value, in lower-case hexadecimal for the algorithms that we know."""
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Further fields of an in-toto resource descriptor, kept as they were read."""

    @classmethod
    def of(cls, name: str, digest: Digest, also: Mapping[str, str] | None = None) -> Self:
        """Make a subject of a digest and further ones by algorithm."""
        return cls(name, {digest.algorithm: digest.hex, **(also or {})})

    def to_json(self) -> dict[str, Json]:
        """Return the resource descriptor."""
        named = {"name": self.name} if self.name else {}
        return {**self.extra, **named, "digest": dict(self.digests)}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Read a resource descriptor that has a digest.

        Raises:
            VerificationError: It has no usable digest.
        """
        fields = Fields(value, "statement")
        name = fields.text("name", empty=True) if "name" in fields.rest() else ""
        digests = fields.object("digest")
        if not 1 <= len(digests) <= MAX_DIGESTS:
            raise fields.refuse(f"a subject needs 1 to {MAX_DIGESTS} digests", where="digest")
        for algorithm, text in digests.items():
            if not _is_digest(algorithm, text):
                raise fields.refuse(f"{algorithm[:40]} is no digest", where="digest")
        return cls(name, digests, fields.rest())


@dataclass(frozen=True, slots=True)
class Statement:
    """Subjects with one predicate about them."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Json]
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Unknown top-level fields, kept as they were read."""

    def to_json(self) -> dict[str, Json]:
        """Return the statement as JSON."""
        return {
            **self.extra,
            "_type": STATEMENT_V1,
            "subject": [subject.to_json() for subject in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": dict(self.predicate),
        }

    def to_bytes(self) -> bytes:
        """Return canonical bytes: what is signed.

        Raises:
            ValueError: It holds a value that has no canonical form, such as a float.
        """
        return canonical.dumps(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a statement of untrusted origin; floats are let through in foreign predicates.

        Raises:
            VerificationError: It is no Statement v1, or has no subject with a digest.
        """
        fields = Fields(canonical.loads(data, what="the statement", limit=MAX_BYTES), "statement")
        if fields.text("_type") != STATEMENT_V1:
            raise fields.refuse(f"only {STATEMENT_V1} is read", where="_type")
        subjects = fields.array("subject", limit=MAX_SUBJECTS, low=1)
        read = tuple(map(Subject.from_json, subjects))
        kind, predicate = fields.text("predicateType", limit=1_024), fields.object("predicate")
        return cls(read, kind, predicate, fields.rest())

    def speaks_of(self, digest: Digest) -> bool:
        """Tell whether a digest is among the subjects."""
        return any(one.digests.get(digest.algorithm) == digest.hex for one in self.subjects)


def _is_digest(algorithm: str, value: Json) -> bool:
    if not isinstance(value, str):
        return False
    size = _HEX_SIZES.get(algorithm)
    if size is None:
        return 0 < len(value) <= _MAX_VALUE
    return len(value) == size and _HEX.fullmatch(value) is not None
