"""How complete a bill of materials is: field by field, weighted, each with its reason.

>>> from tidegate.core.clock import Micros
>>> from tidegate.core.digest import Digest
>>> from tidegate.interop.bom.model import ModelPart
>>> bare = Bom(ModelPart("m", "1", (Digest("sha256", "0" * 64),)), Micros(0))
>>> score(bare).total, score(bare).missing[:3]
('0.18', ('model owner', 'model licence', 'model task'))

The fields are those that let a reader answer after an advisory: what is it, whose, made from what,
how good, for whom. A field of many parts (the digests of data) counts by the share that has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tidegate.core.canonical import Json
from tidegate.interop.bom.model import Bom, Considerations, ModelPart


@dataclass(frozen=True, slots=True)
class Field:
    """Something that a complete bill of materials says."""

    name: str
    weight: int
    """How much of the score it is, in points."""
    why: str
    """What can't be answered without it."""
    share: Callable[[Bom], Fraction]
    """Which share of it is there, from 0 to 1."""
    wanted: bool = True
    """Whether a model without it is not complete; the others are noted."""


@dataclass(frozen=True, slots=True)
class FieldScore:
    """What one field came to."""

    name: str
    weight: int
    share: str
    """Share that is there, as a decimal string from 0.00 to 1.00."""
    why: str
    wanted: bool

    def to_json(self) -> dict[str, Json]:
        """Return all of it."""
        return {
            "name": self.name,
            "weight": self.weight,
            "share": self.share,
            "why": self.why,
            "wanted": self.wanted,
        }


@dataclass(frozen=True, slots=True)
class Score:
    """How complete a document is."""

    total: str
    """Weighted share of the fields that are there, as a decimal string from 0.00 to 1.00."""
    fields: tuple[FieldScore, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the fields that are not there in full."""
        return tuple(field.name for field in self.fields if field.share != "1.00")

    @property
    def lacking(self) -> tuple[str, ...]:
        """The missing ones without which a model's list is not complete."""
        return tuple(f.name for f in self.fields if f.share != "1.00" and f.wanted)

    def to_json(self) -> dict[str, Json]:
        """Return the total and each field."""
        return {"score": self.total, "fields": [field.to_json() for field in self.fields]}


def score(bom: Bom) -> Score:
    """Score a bill of materials, one's own or another's."""
    shares = [(field, field.share(bom)) for field in FIELDS]
    points = sum((share * field.weight for field, share in shares), Fraction(0))
    total = points / sum(field.weight for field in FIELDS)
    fields = [FieldScore(f.name, f.weight, _decimal(share), f.why, f.wanted) for f, share in shares]
    return Score(_decimal(total), tuple(fields))


def _decimal(share: Fraction) -> str:
    # Rounded down: what is not all there must not read as 1.00.
    hundredths = share.numerator * 100 // share.denominator
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _of(get: Callable[[ModelPart], object]) -> Callable[[Bom], Fraction]:
    return lambda bom: Fraction(bool(bom.model is not None and get(bom.model)))


def _each(
    parts: Callable[[Bom], Sequence[object]], has: Callable[..., object]
) -> Callable[[Bom], Fraction]:
    def share(bom: Bom) -> Fraction:
        found = parts(bom)
        return Fraction(sum(bool(has(part)) for part in found), len(found) or 1)

    return share


def _metrics(bom: Bom) -> Sequence[object]:
    return bom.model.metrics if bom.model else ()


FIELDS: Final[tuple[Field, ...]] = (
    Field("timestamp", 2, "whether it is older than what it describes",
          lambda bom: Fraction(bom.made_at is not None)),
    Field("model name and version", 6, "which model it is about",
          _of(lambda model: model.name and model.version)),
    Field("model digest", 10, "whether these are the bytes that it is about",
          _of(lambda model: model.hashes)),
    Field("model owner", 6, "whom to ask", _of(lambda model: model.owner)),
    Field("model licence", 6, "whether it may be used",
          _of(lambda model: model.licence or model.licence_name)),
    Field("model task", 4, "what it is for", _of(lambda model: model.task)),
    Field("model architecture", 4, "what kind of flaw can be in it",
          _of(lambda model: model.architecture)),
    Field("metrics", 6, "how good it is", _of(lambda model: model.metrics)),
    Field("metric intervals", 4, "how sure that is",
          _each(_metrics, lambda metric: metric.low and metric.high)),
    Field("considerations", 6, "whom it can harm, and what it is not for",
          _of(lambda model: model.considerations != Considerations())),
    Field("datasets", 10, "what it learnt from", lambda bom: Fraction(bool(bom.data))),
    Field("dataset digests", 8, "whether poisoned data are in it",
          _each(lambda bom: bom.data, lambda part: part.digest)),
    Field("dataset licences", 4, "whether the data may be used",
          _each(lambda bom: bom.data, lambda part: part.licence), wanted=False),
    Field("code commit", 6, "which code made it",
          lambda bom: Fraction(bool(bom.code and bom.code.commit)), wanted=False),
    Field("packages", 8, "whether a vulnerable library made it",
          lambda bom: Fraction(bool(bom.packages))),
    Field("package versions", 4, "which version of that library",
          _each(lambda bom: bom.packages, lambda part: part.version), wanted=False),
    Field("attestations", 6, "who signed for any of this",
          lambda bom: Fraction(bool(bom.attestations)), wanted=False),
)  # fmt: skip
"""The fields, with their weights: 100 points."""
