"""The one model behind every bill of materials, whatever format it is written in or read from.

>>> bom = Bom(ModelPart("credit", "3", (Digest("sha256", "0" * 64),)), made_at=Micros(0))
>>> bom.model.kind, bom.packages
('machine-learning-model', ())

Parts are values: no part refers to another, so a document can be taken apart, merged and compared
part by part. Numbers are decimal strings, as in everything that is signed.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self, TypeVar
from urllib.parse import quote

from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError

STAGE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
"""How the name of a stage is written."""

MODEL_KIND: Final = "machine-learning-model"
BASE: Final = "base"
"""The relation of a model that another was fine-tuned, quantised or distilled from."""
ADAPTER: Final = "adapter"
"""The relation of a small model that is applied on top of another."""

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured figure with its interval."""

    name: str
    """Such as ``accuracy`` or ``false-positive-rate``."""
    value: str
    """Decimal string."""
    low: str | None = None
    """Lower bound of the interval, as a decimal string."""
    high: str | None = None
    """Upper bound."""
    part: str | None = None
    """The subgroup or validation set that it was measured on."""


@dataclass(frozen=True, slots=True)
class Considerations:
    """What a user of the model should know."""

    users: tuple[str, ...] = ()
    use_cases: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    tradeoffs: tuple[str, ...] = ()
    ethics: tuple[tuple[str, str], ...] = ()
    """Risk and mitigation."""
    fairness: tuple[tuple[str, str], ...] = ()
    """Group at risk and mitigation."""


@dataclass(frozen=True, slots=True)
class Package:
    """A piece of software, such as a library, an application, an operating system."""

    name: str
    version: str
    """Empty where none is stated."""
    licence: str | None = None
    """SPDX expression, where the distribution states one."""
    licence_name: str | None = None
    """Any other statement about its licence."""
    archives: tuple[Digest, ...] = ()
    """Digests of the archives that a lock allows; any one of them may be installed."""
    purl: str | None = None
    """Its package URL."""
    kind: str = "library"
    """CycloneDX's type of component: ``library``, ``framework``, ``operating-system``…"""
    hashes: tuple[Digest, ...] = ()
    """Digests of the one file that it is."""
    group: str | None = None
    """The namespace that its ecosystem puts before the name."""
    owner: str | None = None
    """Who supplies it."""

    @classmethod
    def pypi(
        cls,
        name: str,
        version: str,
        licence: str | None = None,
        licence_name: str | None = None,
        archives: tuple[Digest, ...] = (),
    ) -> Self:
        """Return a Python distribution with its package URL; the name is normalized already."""
        purl = f"pkg:pypi/{name}@{quote(version, safe='.')}"
        return cls(name, version, licence, licence_name, archives, purl)

    @property
    def ref(self) -> str:
        """What other parts of a document call it."""
        full = f"{self.group}/{self.name}" if self.group else self.name
        return self.purl or f"{self.kind}:{full}@{self.version}"


@dataclass(frozen=True, slots=True)
class DataPart:
    """A dataset that the model was trained or validated on."""

    name: str
    digest: Digest | None
    role: str
    """``training``, ``validation``, ``test``."""
    index: int | None = None
    """Log index of the attestation that admitted it."""
    label: str | None = None
    """Classification: ``public``, ``internal``, ``confidential``."""
    owner: str | None = None
    licence: str | None = None
    """SPDX expression."""
    source: str | None = None
    """Where it came from, as a URL."""
    built_at: Micros | None = None
    """When it was made."""

    @property
    def ref(self) -> str:
        """What other parts of a document call it."""
        return f"data:{self.role}:{self.digest or self.name}"


@dataclass(frozen=True, slots=True)
class CodePart:
    """The code that trained the model."""

    commit: str | None = None
    """Git commit id."""
    repository: str | None = None
    """URL."""
    tree: Digest | None = None
    """Digest of the code tree, where there is no commit or beside it."""


@dataclass(frozen=True, slots=True)
class SourceModel:
    """Another model that this one was made from, or works with."""

    name: str
    relation: str = BASE
    """``base``, ``adapter``, or another word for what it is to the model."""
    version: str | None = None
    hashes: tuple[Digest, ...] = ()
    licence: str | None = None
    """SPDX expression."""
    owner: str | None = None
    url: str | None = None
    """Where it can be had."""
    released_at: Micros | None = None
    """When it was published."""

    @property
    def ref(self) -> str:
        """What other parts of a document call it."""
        return f"model:{self.relation}:{self.hashes[0] if self.hashes else self.name}"


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A container image that the model was trained or is served in."""

    name: str
    digest: Digest | None = None
    """Digest of its manifest."""
    version: str | None = None
    """Its tag, which says nothing about the bytes."""

    @property
    def ref(self) -> str:
        """What other parts of a document call it."""
        return f"image:{self.name}@{self.digest or self.version or ''}"


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signed statement about the model or what it was made from.

    Raises:
        SubjectError: The stage is no short lower-case word.
    """

    stage: str
    """Whose word it is: ``ingest``, ``train``…"""
    digest: Digest
    """Digest of the envelope, by which it is found."""
    index: int | None = None
    """Where it stands in the log."""

    def __post_init__(self) -> None:
        _stage(self.stage)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of how the model came to be.

    Raises:
        SubjectError: The stage is no short lower-case word.
    """

    stage: str
    inputs: tuple[Digest, ...] = ()
    outputs: tuple[Digest, ...] = ()
    index: int | None = None
    """Log index of the attestation that says so."""
    at: Micros | None = None
    """When it began."""

    def __post_init__(self) -> None:
        _stage(self.stage)


class State(StrEnum):
    """What is known about a flaw in a part (CycloneDX's words)."""

    RESOLVED = "resolved"
    RESOLVED_WITH_PEDIGREE = "resolved_with_pedigree"
    EXPLOITABLE = "exploitable"
    IN_TRIAGE = "in_triage"
    FALSE_POSITIVE = "false_positive"
    NOT_AFFECTED = "not_affected"


class Justification(StrEnum):
    """Why a part is not affected (CycloneDX's words)."""

    CODE_NOT_PRESENT = "code_not_present"
    CODE_NOT_REACHABLE = "code_not_reachable"
    REQUIRES_CONFIGURATION = "requires_configuration"
    REQUIRES_DEPENDENCY = "requires_dependency"
    REQUIRES_ENVIRONMENT = "requires_environment"
    PROTECTED_BY_COMPILER = "protected_by_compiler"
    PROTECTED_AT_RUNTIME = "protected_at_runtime"
    PROTECTED_AT_PERIMETER = "protected_at_perimeter"
    PROTECTED_BY_MITIGATING_CONTROL = "protected_by_mitigating_control"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a flaw means for parts of the model (VEX).

    Raises:
        SubjectError: It says that nothing is affected, and not why.
    """

    id: str
    """``CVE-2026-0001``, ``GHSA-…``, ``PYSEC-…``."""
    state: State
    affects: tuple[str, ...] = ()
    """References of the parts that it is about, as ``Bom.refs`` has them."""
    justification: Justification | None = None
    detail: str | None = None
    """The reason in words."""
    responses: tuple[str, ...] = ()
    """``can_not_fix``, ``will_not_fix``, ``update``, ``rollback``, ``workaround_available``."""
    source: str | None = None
    """Who published the flaw."""
    url: str | None = None
    """Where."""
    description: str | None = None
    """What the flaw is."""
    at: Micros | None = None
    """When this was last said."""

    def __post_init__(self) -> None:
        if self.state is State.NOT_AFFECTED and not (self.justification or self.detail):
            raise SubjectError(
                "not_affected without a reason",
                where=self.id[:100],
                next_step="give a justification, such as code_not_reachable, or say why in words",
                slug="vex-reason",
            )


@dataclass(frozen=True, slots=True)
class ModelPart:
    """The model itself, or whatever else a document is about."""

    name: str
    version: str
    hashes: tuple[Digest, ...]
    """Digests of the whole model: SHA-256 first."""
    files: Mapping[str, Digest] = field(default_factory=dict[str, Digest])
    """Digest of each file by its path."""
    description: str | None = None
    owner: str | None = None
    """The organisation or team that answers for it."""
    licence: str | None = None
    """SPDX expression."""
    task: str | None = None
    """``classification``, ``regression``, ``text-generation``…"""
    family: str | None = None
    """Architecture family: ``gradient boosting``, ``transformer``…"""
    architecture: str | None = None
    """``HistGradientBoostingClassifier``…"""
    approach: str | None = None
    """``supervised``, ``unsupervised``, ``reinforcement-learning``, ``semi-supervised``,
    ``self-supervised``."""
    metrics: tuple[Metric, ...] = ()
    considerations: Considerations = Considerations()
    index: int | None = None
    """Log index of the attestation that admitted it."""
    kind: str = MODEL_KIND
    """CycloneDX's type of component; documents of others may be about applications."""
    purl: str | None = None
    """Its package URL."""
    licence_name: str | None = None
    """Any statement about its licence that is no SPDX expression."""
    url: str | None = None
    """Where it can be had."""

    @property
    def ref(self) -> str:
        """What other parts of a document call it."""
        return "model"


@dataclass(frozen=True, slots=True)
class Bom:
    """All that a bill of materials is made from.

    Raises:
        SubjectError: There is no model, and something that only a model has.
    """

    model: ModelPart | None
    """What it is about; ``None`` in a document of assessments alone."""
    made_at: Micros | None
    """When it was made; ``None`` where another's document does not say."""
    data: tuple[DataPart, ...] = ()
    code: CodePart | None = None
    packages: tuple[Package, ...] = ()
    tool: str = "0"
    """Version of Tidegate that wrote it."""
    sources: tuple[SourceModel, ...] = ()
    """Base models and adapters."""
    images: tuple[ImagePart, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    steps: tuple[Step, ...] = ()
    """How the model came to be, in order."""
    assessments: tuple[Assessment, ...] = ()

    def __post_init__(self) -> None:
        if self.model is None and (self.code or self.attestations):
            raise SubjectError(
                "code and attestations without the model that they belong to",
                next_step="name the model",
                slug="bom-subject",
            )

    def ordered(self) -> Self:
        """Return it with the order in which it is written, and each part once."""
        return replace(
            self,
            data=_once(self.data, lambda part: (part.role, part.name)),
            packages=_once(self.packages, lambda part: (part.ref,)),
            sources=_once(self.sources, lambda part: (part.relation, part.name)),
            images=_once(self.images, lambda part: (part.name,)),
            attestations=_once(self.attestations, lambda part: (str(part.index or 0).zfill(20),)),
            assessments=_once(self.assessments, lambda part: (part.id,)),
        )

    @property
    def refs(self) -> tuple[str, ...]:
        """The references of all parts that an assessment can be about."""
        named: list[DataPart | Package | SourceModel | ImagePart]
        named = [*self.data, *self.packages, *self.sources, *self.images]
        files = [] if self.model is None else [f"file:{path}" for path in self.model.files]
        own = [] if self.model is None else [self.model.ref]
        return tuple(dict.fromkeys([*own, *(part.ref for part in named), *files]))


def _once(parts: Iterable[_Part], key: Callable[[_Part], tuple[str, ...]]) -> tuple[_Part, ...]:
    # The text form breaks ties between parts of one name, so that the order is total.
    return tuple(sorted(set(parts), key=lambda part: (*key(part), repr(part))))


def _stage(stage: str) -> None:
    if not STAGE.fullmatch(stage):
        raise SubjectError(
            "not the name of a stage",
            where=stage[:100],
            next_step="write it in lower-case letters, digits and dashes, as in `train`",
            slug="bad-stage",
        )
