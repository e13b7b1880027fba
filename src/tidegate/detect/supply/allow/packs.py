"""Allow packs: which globals a pickle may use, how, and why that is harmless.

Default deny: what no pack lists is a finding. An entry names one global whole (there is no trust in
a namespace) and the uses that were vetted:

- ``data``: it may lie in the object, uncalled (whoever loads the model may call it later);
- ``new``: its ``__new__`` may be asked for an instance (no ``__init__`` runs);
- ``reduce``: it may be called, with arguments of a listed shape;
- ``build``: state may be handed to an instance of it.

>>> allow = Allowlist(load_packs(["python"]))
>>> allow.permits("collections:OrderedDict", Use.REDUCE), allow.permits("os:system", Use.DATA)
(True, False)
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources
from typing import Any, Self

from tidegate.core.canonical import Json, dumps
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import ConfigError
from tidegate.detect.supply.pickles import shapes
from tidegate.detect.supply.pickles.shapes import Shape

PACKS = (
    *("python", "numpy", "scipy", "joblib", "sklearn", "pandas", "torch"),
    *("xgboost", "lightgbm", "imblearn", "category_encoders"),
)
"""The packs that ship, in order."""


class Use(StrEnum):
    """What a pickle does with a global."""

    DATA = "data"
    NEW = "new"
    REDUCE = "reduce"
    BUILD = "build"


@dataclass(frozen=True, slots=True)
class Entry:
    """One vetted global."""

    name: str
    """``module:qualified.name``"""
    uses: frozenset[Use]
    why: str
    """Why these uses are harmless."""
    args: tuple[Shape, ...] | None = None
    """Shapes for ``new`` and ``reduce``; ``None``: no arguments."""
    makes: str | None = None
    """The global that a result counts as an instance of, where that is another; ``arg0`` for the
    class that is handed in first."""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], name: str) -> Self:
        """Read one entry under one of its names.

        Raises:
            ConfigError: Something is missing or unknown; a callable without shapes.
        """
        try:
            uses = frozenset(Use(use) for use in raw["uses"])
            why = raw["why"]
        except (KeyError, ValueError) as error:
            raise ConfigError(
                "bad pack entry", where=name, cause=str(error), slug="bad-pack"
            ) from None
        if ":" not in name or not why or (Use.REDUCE in uses and "args" not in raw):
            raise ConfigError(
                "a pack entry needs module:name, a reason, and shapes to be called with",
                where=name,
                slug="bad-pack",
            )
        args = shapes.parse_all(raw["args"]) if "args" in raw else None
        return cls(name, uses, why, args, raw.get("makes"))

    def to_json(self) -> dict[str, Json]:
        """Return an approval as JSON: name, uses and reason.

        Raises:
            ConfigError: It has shapes to be called with, so it is no approval.
        """
        if self.args is not None or self.makes is not None or Use.REDUCE in self.uses:
            raise ConfigError("a call can't be approved", where=self.name, slug="bad-pack")
        return {"global": self.name, "uses": sorted(self.uses), "why": self.why}

    @classmethod
    def approve(cls, text: str, why: str) -> Self:
        """Read an approval: ``module:Class``, or ``module:name=data,new,build``.

        An approval never allows a call: that takes a pack entry with argument shapes.

        Raises:
            ConfigError: Not of this form.
        """
        name, _, listed = text.partition("=")
        raw = {"uses": (listed or "data,new,build").split(","), "why": why}
        if Use.REDUCE in raw["uses"]:
            raise ConfigError(
                "a call can't be approved without its shapes", where=text, slug="bad-pack"
            )
        return cls.from_json(raw, name)


@dataclass(frozen=True, slots=True)
class Pack:
    """A named set of entries."""

    name: str
    versions: str
    """The releases that it was vetted on."""
    digest: Digest
    """SHA-256 of its canonical JSON: what a verdict names."""
    entries: tuple[Entry, ...]
    source: Mapping[str, Json] = field(default_factory=dict[str, Json], repr=False, compare=False)
    """The JSON that it was read from."""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Read a pack.

        Raises:
            ConfigError: It is not a pack.
        """
        if not isinstance(raw.get("name"), str) or not isinstance(raw.get("entries"), list):
            raise ConfigError("not a pack", slug="bad-pack")
        entries: list[Entry] = []
        for item in raw["entries"]:
            names = item["global"] if isinstance(item.get("global"), list) else [item.get("global")]
            entries += [Entry.from_json(item, str(name)) for name in names]
        digest = sha256(dumps(dict(raw)))
        return cls(raw["name"], str(raw.get("versions", "")), digest, tuple(entries), raw)


class Allowlist:
    """What several packs and approvals allow together.

    Args:
        packs: Packs; a later one adds uses to an earlier one's global, and replaces its shapes
            only where it brings some.
        approved: Further entries.
    """

    def __init__(self, packs: Iterable[Pack], approved: Iterable[Entry] = ()) -> None:
        self.packs = tuple(packs)
        self.approved = tuple(approved)
        self._entries: dict[str, Entry] = {}
        for entry in (*(e for pack in self.packs for e in pack.entries), *self.approved):
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        old = self._entries.get(entry.name)
        if old is None:
            self._entries[entry.name] = entry
            return
        known = [args for args in (old.args, entry.args) if args is not None]
        args = tuple(dict.fromkeys(shape for part in known for shape in part)) if known else None
        self._entries[entry.name] = Entry(
            entry.name, old.uses | entry.uses, old.why, args, old.makes or entry.makes
        )

    @property
    def digest(self) -> Digest:
        """What a verdict rests on beside the engine: the packs, and what was approved."""
        approved = sorted((entry.to_json() for entry in self.approved), key=dumps)
        return sha256(dumps([[str(pack.digest) for pack in self.packs], approved]))

    def get(self, name: str) -> Entry | None:
        """Return the entry for a global."""
        return self._entries.get(name)

    def permits(self, name: str, use: Use) -> bool:
        """Tell whether a use of a global is listed."""
        entry = self._entries.get(name)
        return entry is not None and use in entry.uses

    def __len__(self) -> int:
        return len(self._entries)


def ruleset_digest(packs: Iterable[Pack]) -> Digest:
    """Return one digest over several packs: what a verdict rests on beside the engine."""
    return sha256(dumps([str(pack.digest) for pack in packs]))


def load_packs(names: Sequence[str] = PACKS) -> tuple[Pack, ...]:
    """Read packs that ship with Tidegate.

    Raises:
        ConfigError: No such pack, or it can't be read.
    """
    folder = resources.files("tidegate.detect.supply.allow") / "data"
    out: list[Pack] = []
    for name in names:
        if name not in PACKS:
            raise ConfigError(
                f"no pack {name!r}", next_step=f"one of {', '.join(PACKS)}", slug="no-pack"
            )
        out.append(Pack.from_json(json.loads((folder / f"{name}.json").read_text("utf-8"))))
    return tuple(out)
