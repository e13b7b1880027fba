"""What a gate is made of: the request, the checks, and the result of each check.

A stage contributes a :class:`Gate`: which checks it runs over the resolved subjects. Everything
else (requiring earlier evidence, deciding, attesting, appending) is the runner's, in one place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.finding import Coverage, Detector, Finding
from tidegate.core.stage import Stage

__all__ = [
    "Artifact",
    "Check",
    "CheckResult",
    "Detector",
    "Gate",
    "GateRequest",
    "Order",
    "Scalar",
    "Target",
]

Scalar = bool | int | float | str
"""A fact's value, as policy sees it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A subject that was resolved: its bytes have a digest, and may have a place on disk."""

    name: str
    """How people call it: a path, ``credit-model@3``, ``partner-a/2026-11``."""
    kind: str
    """dataset, table, transform, code, environment, model, index, policy, image, report."""
    digest: Digest
    """SHA-256: the root of the manifest for a tree, of the bytes for a file."""
    path: Path | None = None
    """Where the bytes are now; checks read them here."""
    also: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further digests by algorithm (``blake3``, ``tidegate-table-v1``), in hexadecimal."""
    annotations: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Facts about it that are signed with it: size, files, rows, label, source."""


@dataclass(frozen=True, slots=True)
class Target:
    """A subject or material before it is resolved: a place, or a digest that is known already."""

    name: str
    kind: str
    path: Path | None = None
    digest: Digest | None = None
    """What it must be; a path whose bytes have another digest is refused."""
    annotations: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a gate, before anything is resolved."""

    action: str
    """``admit``, ``order``, ``promote``, ``check``…"""
    subjects: tuple[Target, ...]
    """What the statement will be about."""
    materials: tuple[Target, ...] = ()
    """What it was made from: the edges of the lineage graph."""
    parameters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Signed with the verdict: source id, command, seed, alias…"""
    assurance: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """What the verdict rests on and can't prove: the isolation tier, no version control…"""
    environment: str = "default"
    """Deployment environment that policy may distinguish."""
    dry_run: bool = False
    """Decide and report, write nothing."""
    drill: bool = False
    """Marks the statement as made in a drill."""


@dataclass(frozen=True, slots=True)
class GateRequest:
    """An order whose subjects and materials are resolved to digests."""

    stage: Stage
    order: Order
    subjects: tuple[Artifact, ...]
    materials: tuple[Artifact, ...] = ()

    @property
    def gate(self) -> str:
        """``stage/action``, as policy names gates."""
        return f"{self.stage.value}/{self.order.action}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found, measured and covered."""

    coverage: Coverage
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Measurements for policy, as ``check.<id>.<name>``. Floats are allowed here: they are signed
    as decimal strings."""
    byproducts: tuple[Artifact, ...] = ()
    """Reports and files that the check wrote, whose digests are signed with the verdict."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a gate looks at.

    ``run`` returns a result or raises; what it raises makes the gate undecided.
    """

    id: str
    """Snake case: it names facts in policy (``check.pii.findings``)."""
    control: str
    """The control that it serves, such as ``TG-ING-06``."""
    detector: Detector
    run: Callable[[], CheckResult]
    resume_key: Mapping[str, Json] | None = None
    """What the result depends on beside the subjects, the materials and the detector's version.
    ``None``: it depends on more (time, another system), so it always runs anew."""


class Gate(Protocol):
    """A stage's own part of a gate run."""

    @property
    def stage(self) -> Stage:
        """Which stage it guards."""
        ...

    def checks(self, request: GateRequest) -> Sequence[Check]:
        """Return the checks to run over the request's subjects."""
        ...
