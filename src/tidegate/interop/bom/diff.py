"""What changed between two bills of materials, part by part, by identity and not by place.

>>> from tidegate.interop.bom.model import Package
>>> before = Bom(None, None, packages=(Package("numpy", "2.0"), Package("old", "1")))
>>> after = Bom(None, None, packages=(Package("numpy", "2.1"),))
>>> [(change.what, change.part) for change in diff(before, after)]
[('changed', 'package library:numpy'), ('removed', 'package library:old')]
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final

from tidegate.core.canonical import Json
from tidegate.interop.bom.model import Bom, ModelPart, Package

ADDED: Final = "added"
REMOVED: Final = "removed"
CHANGED: Final = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One part that is not the same in both."""

    what: str
    """``added``, ``removed`` or ``changed``."""
    part: str
    """Its kind and name."""
    fields: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """What changed in it: before and after, as text; empty for none."""

    def to_json(self) -> dict[str, Json]:
        """Return what changed."""
        told = {name: {"before": one, "after": two} for name, (one, two) in self.fields.items()}
        return {"change": self.what, "part": self.part, "fields": told}


def diff(before: Bom, after: Bom) -> tuple[Change, ...]:
    """Compare two; the time, the tool and the order of parts make no difference."""
    old, new = _parts(before), _parts(after)
    return tuple(change for key in sorted({*old, *new}) for change in _compare(key, old, new))


def _compare(
    key: str, old: Mapping[str, list[object]], new: Mapping[str, list[object]]
) -> Iterator[Change]:
    gone = [part for part in old.get(key, []) if part not in new.get(key, [])]
    come = [part for part in new.get(key, []) if part not in old.get(key, [])]
    if len(gone) == 1 and len(come) == 1:
        yield Change(CHANGED, key, _fields(gone[0], come[0]))
        return
    # Several versions of one name: which became which is not for us to guess.
    yield from (Change(REMOVED, key, _fields(part, None)) for part in gone)
    yield from (Change(ADDED, key, _fields(None, part)) for part in come)


def _parts(bom: Bom) -> dict[str, list[object]]:
    found: dict[str, list[object]] = defaultdict(list)
    for key, part in _named(bom):
        found[key].append(part)
    return found


def _named(bom: Bom) -> Iterator[tuple[str, object]]:
    if bom.model is not None:
        yield "model", _Model(bom.model)
        yield from ((f"file {path}", digest) for path, digest in bom.model.files.items())
    if bom.code is not None:
        yield "code", bom.code
    yield from ((f"data {part.role}:{part.name}", part) for part in bom.data)
    yield from ((f"source {part.relation}:{part.name}", part) for part in bom.sources)
    yield from ((f"image {part.name}", part) for part in bom.images)
    yield from ((f"package {_name(part)}", part) for part in bom.packages)
    yield from ((f"attestation {part.stage}", part) for part in bom.attestations)
    yield from ((f"step {part.stage}", part) for part in bom.steps)
    yield from ((f"assessment {part.id}", part) for part in bom.assessments)


def _name(part: Package) -> str:
    """Return what a package is called in every version."""
    if part.purl:
        path, mark, rest = part.purl.partition("?")
        head, _, version = path.rpartition("@")
        # An @ before the last slash is a scope of npm, not a version.
        return (head if head and "/" not in version else path) + mark + rest
    full = f"{part.group}/{part.name}" if part.group else part.name
    return f"{part.kind}:{full}"


@dataclass(frozen=True)
class _Model:
    """The model without its files, which are parts of their own."""

    model: ModelPart

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Model) and not _fields(self, other)

    def __hash__(self) -> int:
        return hash(self.model.name)


def _fields(before: object, after: object) -> dict[str, tuple[str, str]]:
    old, new = _values(before), _values(after)
    pairs = {name: (old.get(name, ""), new.get(name, "")) for name in {**old, **new}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _values(part: object) -> dict[str, str]:
    if part is None:
        return {}
    inner = part.model if isinstance(part, _Model) else part
    names = [item.name for item in fields(inner) if item.name != "files"]  # type: ignore[arg-type]
    return {name: _text(getattr(inner, name)) for name in names}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)
