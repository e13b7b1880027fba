"""CycloneDX 1.6 and 1.7 as plain JSON (ECMA-424), written from the one model.

>>> from tidegate.interop.bom.model import ModelPart
>>> bom = Bom(ModelPart("credit", "3", (Digest("sha256", "0" * 64),)), made_at=Micros(0))
>>> document = write_cyclonedx(bom)
>>> document["metadata"]["component"]["type"], document["specVersion"]
('machine-learning-model', '1.6')

The same model gives the same bytes: the serial number is a UUID of version 5 of the content, and
the time is the model's. Where CycloneDX has no field, a property ``tidegate:…`` holds it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from tidegate.core.canonical import Json, dumps
from tidegate.core.clock import Micros, iso
from tidegate.core.digest import Digest, sha256
from tidegate.interop.bom.model import (
    BASE,
    Assessment,
    Attestation,
    Bom,
    CodePart,
    Considerations,
    DataPart,
    ImagePart,
    Metric,
    ModelPart,
    Package,
    SourceModel,
    Step,
)

HASHES: Final[Mapping[str, str]] = {
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
    "blake2b": "BLAKE2b-512",
    "blake3": "BLAKE3",
}
"""Our names of algorithms and CycloneDX's."""
VERSIONS: Final = ("1.6", "1.7")
"""Versions that are written."""
NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://tidegate.dev/bom")
"""Namespace of the serial numbers."""
_TASKS: Final = {
    "ingest": "scan",
    "prepare": "build",
    "train": "build",
    "validate": "test",
    "registry": "release",
    "serve": "deploy",
}


def write_cyclonedx(bom: Bom, version: str = "1.6") -> dict[str, Json]:
    """Return the document.

    Args:
        bom: The model.
        version: ``1.6`` or ``1.7``.
    """
    bom = bom.ordered()
    refs = _Refs()
    own = None if bom.model is None else refs.unique(bom.model.ref)
    components = [*_components(bom, refs)]
    out: dict[str, Json] = {"bomFormat": "CycloneDX", "specVersion": version, "version": 1}
    metadata = _metadata(bom, refs)
    _put(out, "metadata", metadata)
    _put(out, "components", components)
    if own is not None:
        edges = [part["bom-ref"] for part in components]
        out["dependencies"] = [
            {"ref": own, "dependsOn": edges} if edges else {"ref": own},
            *({"ref": ref} for ref in edges),
        ]
    flows = [_workflow(step, place) for place, step in enumerate(bom.steps)]
    _put(out, "formulation", [{"workflows": flows}] if flows else None)
    _put(out, "vulnerabilities", [_assessment(item) for item in bom.assessments])
    return {**out, "serialNumber": serial(dumps(out))}


def serial(content: bytes) -> str:
    """Derive a serial number from a document's content (RFC 9562, section 5.5)."""
    return f"urn:uuid:{uuid5(NAMESPACE, sha256(content).hex)}"


class _Refs:
    """Gives each part a reference of its own."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def unique(self, wanted: str) -> str:
        ref, number = wanted, 1
        while ref in self._given:
            number += 1
            ref = f"{wanted}#{number}"
        self._given.add(ref)
        return ref


def _components(bom: Bom, refs: _Refs) -> Iterable[dict[str, Json]]:
    files = {} if bom.model is None else bom.model.files
    yield from (_dataset(part, refs) for part in bom.data)
    yield from (_source(part, refs) for part in bom.sources if part.relation != BASE)
    yield from (_image(part, refs) for part in bom.images)
    yield from (_package(part, refs) for part in bom.packages)
    yield from (_file(path, files[path], refs) for path in sorted(files))


def _metadata(bom: Bom, refs: _Refs) -> dict[str, Json]:
    tool = {"type": "application", "name": "tidegate", "version": bom.tool}
    out: dict[str, Json] = {}
    _put(out, "timestamp", _time(bom.made_at))
    _put(out, "lifecycles", [{"phase": "post-build"}] if bom.model else None)
    out["tools"] = {"components": [tool]}
    _put(out, "component", _model(bom.model, bom, refs) if bom.model else None)
    return out


def _model(model: ModelPart, bom: Bom, refs: _Refs) -> dict[str, Json]:
    out: dict[str, Json] = {"type": model.kind, "bom-ref": model.ref, "name": model.name}
    _put(out, "version", model.version)
    _put(out, "hashes", _hashes(model.hashes))
    card = _card(model, bom.data)
    _put(out, "modelCard", card)
    _put(out, "description", model.description)
    _put(out, "supplier", {"name": model.owner} if model.owner else None)
    _put(out, "licenses", _licences(model.licence, model.licence_name))
    _put(out, "purl", model.purl)
    _put(out, "pedigree", _pedigree(bom, refs))
    _put(out, "externalReferences", _references(model, bom))
    code = bom.code or CodePart()
    told = [
        ("tidegate:log-index", _text(model.index)),
        ("tidegate:code-tree", str(code.tree) if code.tree else None),
    ]
    _put(out, "properties", _properties(told))
    return out


def _pedigree(bom: Bom, refs: _Refs) -> dict[str, Json]:
    out: dict[str, Json] = {}
    _put(out, "ancestors", [_source(part, refs) for part in bom.sources if part.relation == BASE])
    commit = bom.code.commit if bom.code else None
    _put(out, "commits", [{"uid": commit}] if commit else None)
    return out


def _references(model: ModelPart, bom: Bom) -> list[Json]:
    repository = bom.code.repository if bom.code else None
    return [
        *([{"type": "distribution", "url": model.url}] if model.url else []),
        *([{"type": "vcs", "url": repository}] if repository else []),
        *(_attestation(part) for part in bom.attestations),
    ]


def _attestation(part: Attestation) -> dict[str, Json]:
    place = "" if part.index is None else f"; log {part.index}"
    return {
        "type": "attestation",
        "url": str(part.digest),
        "comment": part.stage + place,
        "hashes": _hashes([part.digest]),
    }


def _card(model: ModelPart, data: Sequence[DataPart]) -> dict[str, Json]:
    parameters: dict[str, Json] = {}
    _put(parameters, "approach", {"type": model.approach} if model.approach else None)
    _put(parameters, "task", model.task)
    _put(parameters, "architectureFamily", model.family)
    _put(parameters, "modelArchitecture", model.architecture)
    refs = dict.fromkeys(part.ref for part in data)
    _put(parameters, "datasets", [{"ref": ref} for ref in refs])
    out: dict[str, Json] = {}
    _put(out, "modelParameters", parameters)
    metrics = [_metric(metric) for metric in model.metrics]
    _put(out, "quantitativeAnalysis", {"performanceMetrics": metrics} if metrics else None)
    _put(out, "considerations", _considerations(model.considerations))
    return out


def _metric(metric: Metric) -> dict[str, Json]:
    out: dict[str, Json] = {"type": metric.name, "value": metric.value}
    _put(out, "slice", metric.part)
    interval: dict[str, Json] = {}
    _put(interval, "lowerBound", metric.low)
    _put(interval, "upperBound", metric.high)
    _put(out, "confidenceInterval", interval)
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


def _dataset(part: DataPart, refs: _Refs) -> dict[str, Json]:
    data: dict[str, Json] = {"type": "dataset", "name": part.name}
    _put(data, "classification", part.label)
    _put(data, "contents", {"url": part.source} if part.source else None)
    owners = [{"organization": {"name": part.owner}}] if part.owner else []
    _put(data, "governance", {"owners": owners} if owners else None)
    out: dict[str, Json] = {"type": "data", "bom-ref": refs.unique(part.ref), "name": part.name}
    _put(out, "hashes", _hashes([part.digest] if part.digest else []))
    out["data"] = [data]
    _put(out, "licenses", _licences(part.licence, None))
    told = [
        ("tidegate:role", part.role),
        ("tidegate:log-index", _text(part.index)),
        ("tidegate:built-at", _time(part.built_at)),
    ]
    _put(out, "properties", _properties(told))
    return out


def _source(part: SourceModel, refs: _Refs) -> dict[str, Json]:
    out: dict[str, Json] = {
        "type": "machine-learning-model",
        "bom-ref": refs.unique(part.ref),
        "name": part.name,
    }
    _put(out, "version", part.version)
    _put(out, "hashes", _hashes(part.hashes))
    _put(out, "supplier", {"name": part.owner} if part.owner else None)
    _put(out, "licenses", _licences(part.licence, None))
    distribution = [{"type": "distribution", "url": part.url}] if part.url else None
    _put(out, "externalReferences", distribution)
    told = [("tidegate:relation", part.relation), ("tidegate:released-at", _time(part.released_at))]
    _put(out, "properties", _properties(told))
    return out


def _image(part: ImagePart, refs: _Refs) -> dict[str, Json]:
    ref = refs.unique(part.ref)
    out: dict[str, Json] = {"type": "container", "bom-ref": ref, "name": part.name}
    _put(out, "version", part.version)
    _put(out, "hashes", _hashes([part.digest] if part.digest else []))
    return out


def _package(part: Package, refs: _Refs) -> dict[str, Json]:
    out: dict[str, Json] = {"type": part.kind, "bom-ref": refs.unique(part.ref), "name": part.name}
    _put(out, "group", part.group)
    _put(out, "version", part.version)
    _put(out, "purl", part.purl)
    _put(out, "hashes", _hashes(part.hashes))
    _put(out, "supplier", {"name": part.owner} if part.owner else None)
    _put(out, "licenses", _licences(part.licence, part.licence_name))
    _put(out, "properties", _properties([("tidegate:archive", str(d)) for d in part.archives]))
    return out


def _file(path: str, digest: Digest, refs: _Refs) -> dict[str, Json]:
    ref = refs.unique(f"file:{path}")
    return {"type": "file", "bom-ref": ref, "name": path, "hashes": _hashes([digest])}


def _workflow(step: Step, place: int) -> dict[str, Json]:
    out: dict[str, Json] = {
        "bom-ref": f"step:{place}:{step.stage}",
        "uid": f"{place}:{step.stage}",
        "name": step.stage,
        "taskTypes": [_TASKS.get(step.stage, "other")],
    }
    _put(out, "inputs", [{"resource": _resource(digest)} for digest in step.inputs])
    outputs = [{"type": "artifact", "resource": _resource(digest)} for digest in step.outputs]
    _put(out, "outputs", outputs)
    _put(out, "timeStart", _time(step.at))
    _put(out, "properties", _properties([("tidegate:log-index", _text(step.index))]))
    return out


def _resource(digest: Digest) -> dict[str, Json]:
    reference = {"type": "other", "url": str(digest), "hashes": _hashes([digest])}
    return {"externalReference": reference}


def _assessment(item: Assessment) -> dict[str, Json]:
    analysis: dict[str, Json] = {"state": str(item.state)}
    _put(analysis, "justification", str(item.justification) if item.justification else None)
    _put(analysis, "response", list(item.responses))
    _put(analysis, "detail", item.detail)
    _put(analysis, "lastUpdated", _time(item.at))
    source: dict[str, Json] = {}
    _put(source, "name", item.source)
    _put(source, "url", item.url)
    out: dict[str, Json] = {"id": item.id}
    _put(out, "source", source)
    _put(out, "description", item.description)
    out["analysis"] = analysis
    _put(out, "affects", [{"ref": ref} for ref in dict.fromkeys(item.affects)])
    return out


def _hashes(digests: Sequence[Digest]) -> list[Json]:
    return [{"alg": HASHES[digest.algorithm], "content": digest.hex} for digest in digests]


def _licences(expression: str | None, name: str | None) -> list[Json] | None:
    if expression:
        return [{"expression": expression}]
    return [{"license": {"name": name}}] if name else None


def _properties(pairs: Sequence[tuple[str, str | None]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs if value is not None]


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _time(at: Micros | None) -> str | None:
    return None if at is None else iso(at)


def _put(target: dict[str, Json], key: str, value: Json) -> None:
    """Set what is there: an empty field would claim that it was looked at."""
    if value:
        target[key] = value
