"""A model's bill of materials: CycloneDX 1.6 ML-BOM, made from one internal model.

>>> bom = Bom(ModelPart("credit", "3", (Digest("sha256", "0" * 64),)), made_at=Micros(0))
>>> document = bom.document()
>>> document["metadata"]["component"]["type"], document["specVersion"]
('machine-learning-model', '1.6')
>>> completeness(document).score
'0.21'

The same inputs give the same bytes: the serial number is derived from the content's digest, and
the time is handed in. Numbers are decimal strings, as in everything that is signed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from tidegate.core.canonical import Json, dumps
from tidegate.core.clock import Micros, iso
from tidegate.core.digest import Digest, sha256
from tidegate.gates.registry.bom_packages import Package

_ALGORITHMS: Final = {
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "blake2b": "BLAKE2b-512",
    "blake3": "BLAKE3",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured figure with its interval."""

    name: str
    """``accuracy``, ``false-positive-rate``…"""
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
class DataPart:
    """A dataset that the model was trained or validated on."""

    name: str
    digest: Digest
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
class ModelPart:
    """The model itself."""

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


@dataclass(frozen=True, slots=True)
class Bom:
    """All that a bill of materials is made from."""

    model: ModelPart
    made_at: Micros
    data: tuple[DataPart, ...] = ()
    code: CodePart | None = None
    packages: tuple[Package, ...] = ()
    tool: str = "0"
    """Version of Tidegate that wrote it."""

    def document(self) -> dict[str, Json]:
        """Return the CycloneDX 1.6 document as plain JSON."""
        data = sorted(self.data, key=lambda part: (part.role, part.name, part.digest.hex))
        packages = sorted(self.packages, key=lambda part: part.purl)
        files = [_file(path, self.model.files[path]) for path in sorted(self.model.files)]
        components = [_dataset(part) for part in data] + [_library(p) for p in packages] + files
        out: dict[str, Json] = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": self._metadata(data),
            "components": components,
            "dependencies": [
                {"ref": "model", "dependsOn": [part["bom-ref"] for part in components]},
                *({"ref": part["bom-ref"]} for part in components),
            ],
        }
        return {**out, "serialNumber": _serial(sha256(dumps(out)))}

    def encoded(self) -> bytes:
        """Return the document's canonical bytes: what is hashed, signed and stored."""
        return dumps(self.document())

    def _metadata(self, data: Sequence[DataPart]) -> dict[str, Json]:
        tool = {"type": "application", "name": "tidegate", "version": self.tool}
        return {
            "timestamp": iso(self.made_at),
            "lifecycles": [{"phase": "post-build"}],
            "tools": {"components": [tool]},
            "component": _model(self.model, data, self.code),
        }


def _model(model: ModelPart, data: Sequence[DataPart], code: CodePart | None) -> dict[str, Json]:
    out: dict[str, Json] = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": model.name,
        "version": model.version,
        "hashes": _hashes(model.hashes),
        "modelCard": _card(model, data),
    }
    _put(out, "description", model.description)
    _put(out, "supplier", {"name": model.owner} if model.owner else None)
    _put(out, "licenses", _licences(model.licence))
    properties = [("tidegate:log-index", None if model.index is None else str(model.index))]
    if code is not None:
        commit = {"uid": code.commit} if code.commit else None
        _put(out, "pedigree", {"commits": [commit]} if commit else None)
        vcs = {"type": "vcs", "url": code.repository} if code.repository else None
        _put(out, "externalReferences", [vcs] if vcs else None)
        properties.append(("tidegate:code-tree", str(code.tree) if code.tree else None))
    _put(out, "properties", _properties(properties))
    return out


def _card(model: ModelPart, data: Sequence[DataPart]) -> dict[str, Json]:
    parameters: dict[str, Json] = {}
    _put(parameters, "approach", {"type": model.approach} if model.approach else None)
    _put(parameters, "task", model.task)
    _put(parameters, "architectureFamily", model.family)
    _put(parameters, "modelArchitecture", model.architecture)
    _put(parameters, "datasets", [{"ref": _data_ref(part)} for part in data])
    out: dict[str, Json] = {}
    _put(out, "modelParameters", parameters)
    metrics = [_metric(metric) for metric in model.metrics]
    _put(out, "quantitativeAnalysis", {"performanceMetrics": metrics} if metrics else None)
    _put(out, "considerations", _considerations(model.considerations))
    return out


def _metric(metric: Metric) -> dict[str, Json]:
    out: dict[str, Json] = {"type": metric.name, "value": metric.value}
    _put(out, "slice", metric.part)
    if metric.low is not None and metric.high is not None:
        out["confidenceInterval"] = {"lowerBound": metric.low, "upperBound": metric.high}
    return out


def _considerations(told: Considerations) -> dict[str, Json]:
    out: dict[str, Json] = {}
    _put(out, "users", list(told.users))
    _put(out, "useCases", list(told.use_cases))
    _put(out, "technicalLimitations", list(told.limitations))
    _put(out, "performanceTradeoffs", list(told.tradeoffs))
    ethics = [{"name": name, "mitigationStrategy": answer} for name, answer in told.ethics]
    _put(out, "ethicalConsiderations", ethics)
    fair = [{"groupAtRisk": name, "mitigationStrategy": answer} for name, answer in told.fairness]
    _put(out, "fairnessAssessments", fair)
    return out


def _data_ref(part: DataPart) -> str:
    return f"data:{part.role}:{part.digest}"


def _dataset(part: DataPart) -> dict[str, Json]:
    data: dict[str, Json] = {"type": "dataset", "name": part.name}
    _put(data, "classification", part.label)
    _put(data, "contents", {"url": part.source} if part.source else None)
    owners = [{"organization": {"name": part.owner}}] if part.owner else []
    _put(data, "governance", {"owners": owners} if owners else None)
    out: dict[str, Json] = {
        "type": "data",
        "bom-ref": _data_ref(part),
        "name": part.name,
        "hashes": _hashes([part.digest]),
        "data": [data],
    }
    _put(out, "licenses", _licences(part.licence))
    index = None if part.index is None else str(part.index)
    told = [("tidegate:role", part.role), ("tidegate:log-index", index)]
    _put(out, "properties", _properties(told))
    return out


def _library(part: Package) -> dict[str, Json]:
    out: dict[str, Json] = {
        "type": "library",
        "bom-ref": part.purl,
        "name": part.name,
        "version": part.version,
        "purl": part.purl,
    }
    named = {"license": {"name": part.licence_name}} if part.licence_name else None
    _put(out, "licenses", _licences(part.licence) or ([named] if named else None))
    _put(out, "properties", _properties([("tidegate:archive", str(d)) for d in part.archives]))
    return out


def _file(path: str, digest: Digest) -> dict[str, Json]:
    return {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": _hashes([digest])}


def _hashes(digests: Sequence[Digest]) -> list[Json]:
    return [{"alg": _ALGORITHMS[digest.algorithm], "content": digest.hex} for digest in digests]


def _licences(expression: str | None) -> list[Json] | None:
    return [{"expression": expression}] if expression else None


def _properties(pairs: Sequence[tuple[str, str | None]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs if value is not None]


def _put(target: dict[str, Json], key: str, value: Json) -> None:
    """Set what is there: an empty field would claim that it was looked at."""
    if value:
        target[key] = value


def _serial(digest: Digest) -> str:
    """Derive a UUID of version 8 (RFC 9562, section 5.8) from a digest."""
    number = int(digest.hex[:32], 16)
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return f"urn:uuid:{UUID(int=number)}"


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of what a reader asks of an ML-BOM is there."""

    score: str
    """Share of the fields that are there, as a decimal string from 0.00 to 1.00."""
    missing: tuple[str, ...]
    """The others, by name."""


def completeness(document: Mapping[str, Json]) -> Completeness:
    """Score a document, one's own or another's.

    The fields are those that let a reader answer after an advisory: what is it, whose, made from
    what, how good, for whom.
    """
    model = _at(document, "metadata", "component") or {}
    parts = document.get("components") or []
    kinds = {kind: [p for p in parts if p.get("type") == kind] for kind in ("data", "library")}
    card = _at(model, "modelCard") or {}
    metrics = _at(card, "quantitativeAnalysis", "performanceMetrics") or []
    fields = {
        "serial number": document.get("serialNumber"),
        "timestamp": _at(document, "metadata", "timestamp"),
        "model digest": model.get("hashes"),
        "model owner": model.get("supplier") or model.get("manufacturer") or model.get("authors"),
        "model licence": model.get("licenses"),
        "model task": _at(card, "modelParameters", "task"),
        "model architecture": _at(card, "modelParameters", "modelArchitecture"),
        "metrics": metrics,
        "metric intervals": metrics and all("confidenceInterval" in m for m in metrics),
        "considerations": card.get("considerations"),
        "datasets": kinds["data"],
        "dataset digests": _all_have(kinds["data"], "hashes"),
        "code commit": _at(model, "pedigree", "commits"),
        "packages": kinds["library"],
    }
    missing = tuple(name for name, value in fields.items() if not value)
    return Completeness(f"{(len(fields) - len(missing)) / len(fields):.2f}", missing)


def _all_have(parts: Sequence[Mapping[str, Json]], key: str) -> bool:
    return bool(parts) and all(part.get(key) for part in parts)


def _at(value: Json, *keys: str) -> Json:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
