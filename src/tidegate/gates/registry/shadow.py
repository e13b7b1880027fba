"""Whether a model that asks to be admitted is the shadow of one that is registered.

A shadow has a name that reads like another's, a version that only looks new, or weights that are
registered under another name, whole or in part. Names are compared as names of packages are
(:mod:`tidegate.detect.dependencies.names`), weights tensor by tensor where there are safetensors
(:mod:`tidegate.tensors.compare`), other bytes by sketches (:mod:`tidegate.stats.resemblance`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from tidegate.core.digest import Digest
from tidegate.core.finding import Coverage, Detector, Finding, Location
from tidegate.detect.dependencies.model import normal
from tidegate.detect.dependencies.names import KnownNames
from tidegate.detect.dependencies.names import Likeness as Passing
from tidegate.gates.contract import Check, CheckResult, Scalar
from tidegate.gates.registry.kept import Likeness
from tidegate.gates.registry.likeness import Taken, take_likeness
from tidegate.gates.registry.shadow_rules import RULES
from tidegate.tensors.compare import Kinship, compare
from tidegate.tensors.manifest import TensorManifest

ALIKE: Final = 0.5
"""Share of pieces in common from which other bytes than tensors are kin."""
COPY: Final = 0.98
"""The same from which they are a copy: a stamp or a name inside may differ."""
_DETECTOR: Final = Detector("shadow-models", "1")
_SEVERITY: Final = {rule.id: rule.severity for rule in RULES}
_SHARED: Final = 0.1
"""As :func:`compare` has it: the share of common tensors from which two models are kin."""
_SHOWN: Final = 20
_RULES: Final = {
    Kinship.SAME: "renamed-copy",
    Kinship.DERIVED: "undeclared-base",
    Kinship.SAME_SHAPE: "same-shape",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """The model that asks."""

    path: Path
    name: str
    version: str
    digest: str
    made_from: Collection[str]
    """Digests under it, by its lineage."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A model that was admitted before."""

    digest: str
    versions: tuple[str, ...]
    """``NAME@VERSION`` of each."""
    held: bool
    """Whether it is in quarantine or revoked."""
    likeness: Likeness | None
    """``None`` where none is kept."""
    manifest: Callable[[], TensorManifest | None]
    """Reads its tensor manifest; ``None`` where that is gone."""

    @property
    def names(self) -> frozenset[str]:
        """Its names, without the version."""
        return frozenset(one.partition("@")[0] for one in self.versions)


def shadow_check(
    candidate: Candidate,
    registered: Callable[[], Sequence[Registered]],
    keep: Callable[[bytes], Digest],
) -> Check:
    """Return the check.

    Args:
        candidate: What asks to be admitted.
        registered: Reads what was admitted before.
        keep: Keeps the candidate's own likeness; its digest is signed with the verdict.
    """

    def run() -> CheckResult:
        taken = take_likeness(candidate.path, keep)
        others = registered()
        findings = [*_by_name(candidate, others), *_by_weights(candidate, taken, others)]
        counts = Counter(one.rule.partition("/")[2] for one in findings)
        tensors = taken.likeness.tensors
        facts: dict[str, Scalar] = {
            "confusable": counts["confusable-name"] + counts["same-version"],
            "held": counts["held-weights"],
            "copies": counts["renamed-copy"],
            "derived": counts["undeclared-base"],
            "compared": sum(one.likeness is not None for one in others),
            "likeness": str(keep(taken.likeness.to_bytes())),
            "tensors": "" if tensors is None else tensors.root,
        }
        # What every model of a family resembles is told once a rule, not once a model.
        shown = [one for kind in counts for one in _of(findings, kind)[:_SHOWN]]
        return CheckResult(Coverage(1, 1, unit="model"), tuple(shown), facts)

    return Check("shadow", "TG-REG-07", _DETECTOR, run)


def _of(findings: Sequence[Finding], kind: str) -> list[Finding]:
    return [one for one in findings if one.rule == f"TG-REG-07/{kind}"]


def _by_name(candidate: Candidate, others: Sequence[Registered]) -> Iterator[Finding]:
    known = {name for one in others for name in one.names}
    if candidate.name in known:
        yield from _by_version(candidate, others)
        return
    twin = next((one for one in sorted(known) if normal(one) == normal(candidate.name)), None)
    passing = (
        KnownNames(known).nearest(candidate.name)
        if twin is None
        else Passing(twin, "the same letters, other separators", confusable=True)
    )
    # Versions and families differ by a digit or a letter honestly; what reads the same does not.
    if passing is None or passing.weak:
        return
    rule = "confusable-name" if passing.confusable else "similar-name"
    text = f"{candidate.name} passes for the registered {passing.name}: {passing.how}"
    yield _finding(rule, text, candidate)


def _by_version(candidate: Candidate, others: Sequence[Registered]) -> Iterator[Finding]:
    wanted = _canonical(candidate.version)
    for one in others:
        for name, _, version in (item.partition("@") for item in one.versions):
            other = name == candidate.name and version != candidate.version
            if other and one.digest != candidate.digest and _canonical(version) == wanted:
                text = (
                    f"{candidate.version} is {version} in another spelling, and means other bytes"
                )
                yield _finding("same-version", text, candidate)


def _canonical(version: str) -> str:
    """Return a version as every spelling of it is read (PEP 440), or else its letters."""
    try:
        return str(Version(version)).removesuffix(".0").removesuffix(".0")
    except InvalidVersion:
        return normal(version)


def _by_weights(
    candidate: Candidate, taken: Taken, others: Sequence[Registered]
) -> Iterator[Finding]:
    unknown = 0
    for one in others:
        if one.digest == candidate.digest:
            if candidate.name not in one.names:
                yield _about("renamed-copy", "the same bytes are", one, candidate)
        elif one.likeness is None:
            unknown += 1
        else:
            yield from _by_likeness(candidate, taken, one)
    if unknown:
        text = f"{unknown} registered models were admitted without a likeness to compare with"
        yield _finding("not-compared", text, candidate)


def _by_likeness(candidate: Candidate, taken: Taken, other: Registered) -> Iterator[Finding]:
    kinship, how = kin(taken.likeness, lambda: taken.manifest, other)
    if other.held and kinship in {Kinship.SAME, Kinship.DERIVED}:
        yield _about("held-weights", f"{how} with", other, candidate)
    elif candidate.name in other.names or other.digest in candidate.made_from:
        return  # the next version of a model, or a base that everybody can see
    elif kinship in _RULES:
        yield _about(_RULES[kinship], f"{how} with", other, candidate)


def kin(
    ours: Likeness, manifest: Callable[[], TensorManifest | None], other: Registered
) -> tuple[Kinship, str]:
    """Say what a model is to a registered one, and by what it is seen.

    Args:
        ours: The model's likeness.
        manifest: Reads its tensor manifest, where it comes to that.
        other: The registered one, whose likeness is kept.
    """
    theirs = other.likeness
    if theirs is None:
        return Kinship.UNRELATED, ""
    if ours.tensors is not None and theirs.tensors is not None:
        if ours.tensors.root == theirs.tensors.root:
            return Kinship.SAME, "every tensor in common"
        common = ours.tensors.sketch.similarity(theirs.tensors.sketch)
        if common or ours.tensors.shape == theirs.tensors.shape:
            return _compared(manifest(), other.manifest(), common)
    alike = ours.sketch.similarity(theirs.sketch)
    if alike >= COPY:
        return Kinship.SAME, f"{alike:.0%} of the bytes in common"
    if alike >= ALIKE:
        return Kinship.DERIVED, f"{alike:.0%} of the bytes in common"
    return Kinship.UNRELATED, ""


def _compared(
    ours: TensorManifest | None, base: TensorManifest | None, common: float
) -> tuple[Kinship, str]:
    if ours is None or base is None:  # gone: what was kept of it tells almost as much
        found = Kinship.DERIVED if common >= _SHARED else Kinship.SAME_SHAPE
        return found, f"about {common:.0%} of the tensors in common"
    diff = compare(base, ours)
    if diff.kinship is Kinship.SAME_SHAPE:
        recast = f", {len(diff.recast)} of another type" if diff.recast else ""
        return diff.kinship, f"the same names and shapes{recast}, but no tensor in common"
    shared = len(diff.same) + len(diff.renamed)
    return diff.kinship, f"{shared} of {len(ours.entries)} tensors in common"


def _about(rule: str, how: str, other: Registered, candidate: Candidate) -> Finding:
    called = ", ".join(other.versions[:4]) or other.digest[:19]
    state = " (in quarantine or revoked)" if other.held else ""
    return _finding(rule, f"{how} {called}{state}", candidate, other.digest)


def _finding(rule: str, text: str, candidate: Candidate, other: str = "") -> Finding:
    evidence = {"other": other} if other else {}
    place = Location(candidate.path.name)
    return Finding(f"TG-REG-07/{rule}", _SEVERITY[f"TG-REG-07/{rule}"], text, place, evidence)
