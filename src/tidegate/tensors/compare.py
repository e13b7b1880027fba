"""Two models, tensor by tensor: what stayed, what changed, and what that says of their kinship.

>>> from tidegate.tensors.manifest import Entry, TensorManifest
>>> base = TensorManifest((Entry("a", "F32", (1,), "00" * 32), Entry("b", "F32", (2,), "11" * 32)))
>>> tuned = TensorManifest((Entry("a", "F32", (1,), "00" * 32), Entry("b", "F32", (2,), "22" * 32)))
>>> compare(base, tuned).kinship.value
'derived'
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tidegate.tensors.manifest import TensorManifest

_SHARED: Final = 0.1
"""Share of common tensors, or of common shapes, from which two models are kin."""


class Kinship(StrEnum):
    """What two models are to each other, as far as their tensors tell."""

    SAME = "same"
    """Every tensor is the same: a renamed or re-packed copy."""
    DERIVED = "derived"
    """They share tensors: a fine-tune, a merge, an added head."""
    SAME_SHAPE = "same-shape"
    """Names and shapes agree, and no byte: retrained, fully fine-tuned, or quantised."""
    UNRELATED = "unrelated"


@dataclass(frozen=True, slots=True)
class TensorDiff:
    """How one model differs from a base."""

    same: tuple[str, ...]
    changed: tuple[str, ...]
    """Other bytes, of the same type and shape."""
    recast: tuple[str, ...]
    """The same shape in another type: quantised, for one."""
    reshaped: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """Bytes of the base under another name: (base's, ours)."""

    @property
    def kinship(self) -> Kinship:
        """What the two are to each other."""
        shared = len(self.same) + len(self.renamed)
        alike = shared + len(self.changed) + len(self.recast)
        total = alike + len(self.reshaped) + max(len(self.added), len(self.removed))
        if not (self.changed or self.recast or self.reshaped or self.added or self.removed):
            return Kinship.SAME
        if shared and shared >= _SHARED * total:
            return Kinship.DERIVED
        if alike >= (1 - _SHARED) * total:
            return Kinship.SAME_SHAPE
        return Kinship.UNRELATED


def compare(base: TensorManifest, ours: TensorManifest) -> TensorDiff:
    """Compare a model with a base, by name first, and by content what is left."""
    theirs = base.by_name
    same: list[str] = []
    changed: list[str] = []
    recast: list[str] = []
    reshaped: list[str] = []
    for entry in ours.entries:
        old = theirs.get(entry.name)
        if old is None:
            continue
        if old == entry:
            same.append(entry.name)
        elif old.shape != entry.shape:
            reshaped.append(entry.name)
        else:
            (changed if old.dtype == entry.dtype else recast).append(entry.name)
    added = [entry for entry in ours.entries if entry.name not in theirs]
    gone = {entry.digest: entry for entry in base.entries if entry.name not in ours.by_name}
    renamed = tuple((gone[one.digest].name, one.name) for one in added if one.digest in gone)
    moved = {new for _, new in renamed}
    left = {old for old, _ in renamed}
    return TensorDiff(
        tuple(same),
        tuple(changed),
        tuple(recast),
        tuple(reshaped),
        tuple(one.name for one in added if one.name not in moved),
        tuple(one.name for one in gone.values() if one.name not in left),
        renamed,
    )
