"""SPDX 3.0.1 with the AI, Dataset, Build and Software profiles, as JSON-LD, from the one model.

>>> from tidegate.core.digest import Digest
>>> from tidegate.interop.bom.model import ModelPart
>>> bom = Bom(ModelPart("credit", "3", (Digest("sha256", "0" * 64),)), made_at=Micros(0))
>>> [item["type"] for item in write_spdx(bom)["@graph"]][:3]
['CreationInfo', 'SpdxDocument', 'software_Sbom']

The same model gives the same bytes; the namespace is a UUID of version 5 of the content. SPDX
counts time in seconds, so that parts of a second are lost. Assessments (VEX) have another document:
CycloneDX. A profile is claimed only when all that it demands is there.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from tidegate.core.canonical import Json, dumps
from tidegate.core.clock import SECOND, Micros, iso
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError
from tidegate.interop.bom.cyclonedx import serial
from tidegate.interop.bom.model import (
    BASE,
    MODEL_KIND,
    Attestation,
    Bom,
    CodePart,
    DataPart,
    ImagePart,
    ModelPart,
    Package,
    SourceModel,
    Step,
)
from tidegate.interop.bom.reading import Loss
from tidegate.interop.bom.spdx_terms import (
    BUILD_TYPE,
    CONTEXT,
    HASHES,
    LEVELS,
    NO_LICENCE,
    PURPOSES,
    ROLES,
    considerations_text,
    lines,
    metric_entries,
    metrics_text,
)

_DRAFT: Final = "urn:uuid:00000000-0000-0000-0000-000000000000"
_INFO: Final = "_:creationInfo"
_Element = dict[str, Json]


def write_spdx(bom: Bom) -> dict[str, Json]:
    """Return the document.

    Raises:
        SubjectError: The time is not known: SPDX wants one.
    """
    if bom.made_at is None:
        raise SubjectError(
            "SPDX wants to know when the document was made",
            next_step="set made_at, the time of the bill of materials",
            slug="bom-time",
        )
    made_at, bom = bom.made_at, bom.ordered()
    # The names of elements hold the namespace, which is made from the content without it.
    draft = _Graph(bom, made_at, _DRAFT).document()
    return _Graph(bom, made_at, serial(dumps(draft))).document()


def spdx_losses(bom: Bom) -> tuple[Loss, ...]:
    """Return what SPDX can't hold of a model."""
    gone = [Loss("assessments", count=len(bom.assessments))] if bom.assessments else []
    times = [bom.made_at, *(part.built_at for part in bom.data), *(step.at for step in bom.steps)]
    times += [part.released_at for part in bom.sources]
    parts = sum(1 for time in times if time is not None and time % SECOND)
    return (*gone, *([Loss("time", "parts of a second", parts)] if parts else []))


class _Graph:
    """Makes the elements of one document under one namespace."""

    def __init__(self, bom: Bom, made_at: Micros, namespace: str) -> None:
        self._bom = bom
        self._time = _seconds(made_at)
        self._namespace = namespace
        self._elements: list[_Element] = []
        self._relations: list[_Element] = []
        self._agents: dict[str, str] = {}
        self._licences: dict[tuple[str, bool], str] = {}
        self._given: set[str] = set()
        self._by_digest: dict[Digest, str] = {}

    def document(self) -> dict[str, Json]:
        """Return the whole."""
        bom = self._bom
        tool = self._add("Tool", "tool", {"name": f"tidegate {bom.tool}"})
        maker = self._add("SoftwareAgent", "maker", {"name": "tidegate"})
        model = None if bom.model is None else self._model(bom.model)
        self._parts(model)
        for place, step in enumerate(bom.steps):
            self._step(step, place)
        info: _Element = {
            "@id": _INFO,
            "type": "CreationInfo",
            "specVersion": "3.0.1",
            "created": self._time,
            "createdBy": [maker],
            "createdUsing": [tool],
        }
        every = [*self._elements, *self._relations]
        profiles = _profiles(every, bom)
        roots = [model] if model else []
        content = [item["spdxId"] for item in every]
        sbom = self._element("software_Sbom", "sbom", {"software_sbomType": ["build"]})
        top = self._element("SpdxDocument", "document", {})
        # Without a model there is nothing that the list is about: no part is the root.
        for item, root in ((sbom, roots), (top, [sbom["spdxId"]])):
            item["profileConformance"] = profiles
            _put(item, "rootElement", root)
        _put(sbom, "element", content)
        top["element"] = [sbom["spdxId"], *content]
        return {"@context": CONTEXT, "@graph": [info, top, sbom, *every]}

    def _parts(self, model: str | None) -> None:
        bom = self._bom
        for data in bom.data:
            self._relate(model, ROLES.get(data.role, "testedOn"), self._data(data))
        for source in bom.sources:
            relation = "descendantOf" if source.relation == BASE else "dependsOn"
            self._relate(model, relation, self._source(source))
        for image in bom.images:
            self._relate(model, "dependsOn", self._image(image))
        for package in bom.packages:
            self._relate(model, "dependsOn", self._package(package))
        files = {} if bom.model is None else bom.model.files
        for path in sorted(files):
            self._relate(model, "contains", self._file(path, files[path]))
        if bom.code is not None:
            code = self._code(bom.code)
            if model:
                self._relate(code, "generates", model)

    def _model(self, model: ModelPart) -> str:
        trained = model.kind == MODEL_KIND
        own: _Element = {"name": model.name, "releaseTime": self._time}
        told = [
            ("tidegate:log-index", _text(model.index)),
            ("tidegate:task", model.task if not trained else None),
            ("tidegate:family", model.family),
            ("tidegate:architecture", model.architecture if not trained else None),
            ("tidegate:approach", model.approach),
            ("tidegate:metrics", metrics_text(model.metrics, native=trained)),
            ("tidegate:considerations", considerations_text(model.considerations, native=trained)),
            ("tidegate:kind", model.kind if not trained and model.kind not in PURPOSES else None),
        ]
        _put(own, "software_packageVersion", model.version)
        _put(own, "description", model.description)
        _put(own, "software_packageUrl", model.purl)
        _put(own, "software_downloadLocation", model.url)
        _put(own, "externalRef", [_reference(part) for part in self._bom.attestations])
        own["software_primaryPurpose"] = "model" if trained else PURPOSES.get(model.kind, "other")
        self._supply(own, "suppliedBy", model.owner)
        _verify(own, model.hashes)
        if trained:
            _put(own, "ai_domain", [model.task] if model.task else None)
            _put(own, "ai_typeOfModel", [model.architecture] if model.architecture else None)
            entries = metric_entries(model.metrics)
            _put(own, "ai_metric", [_entry(name, value) for name, value in entries])
            _put(own, "ai_limitation", lines(model.considerations.limitations))
            _put(own, "ai_informationAboutApplication", lines(model.considerations.use_cases))
        _extend(own, told)
        ref = self._add("ai_AIPackage" if trained else "software_Package", "model", own)
        self._license(ref, model.licence, model.licence_name)
        self._remember(ref, model.hashes)
        return ref

    def _data(self, part: DataPart) -> str:
        level, alone = LEVELS.get(part.label or ""), self._bom.model is None
        told = [
            ("tidegate:role", part.role if part.role not in ROLES or alone else None),
            ("tidegate:label", None if level else part.label),
            ("tidegate:log-index", _text(part.index)),
        ]
        own: _Element = {"name": part.name, "dataset_datasetType": ["noAssertion"]}
        own["software_primaryPurpose"] = "data"
        _put(own, "dataset_confidentialityLevel", level)
        _put(own, "software_downloadLocation", part.source)
        if part.built_at is not None:
            own["builtTime"] = own["releaseTime"] = _seconds(part.built_at)
        if part.owner:
            own["originatedBy"] = [self._agent(part.owner)]
        hashes = (part.digest,) if part.digest else ()
        _verify(own, hashes)
        _extend(own, told)
        ref = self._add("dataset_DatasetPackage", part.ref, own)
        self._license(ref, part.licence, None)
        self._remember(ref, hashes)
        return ref

    def _source(self, part: SourceModel) -> str:
        own: _Element = {"name": part.name, "software_primaryPurpose": "model"}
        _put(own, "software_packageVersion", part.version)
        _put(own, "software_downloadLocation", part.url)
        self._supply(own, "suppliedBy", part.owner)
        if part.released_at is not None:
            own["releaseTime"] = _seconds(part.released_at)
        _verify(own, part.hashes)
        alone = self._bom.model is None
        named = part.relation if part.relation != BASE or alone else None
        _extend(own, [("tidegate:relation", named)])
        ref = self._add("ai_AIPackage", part.ref, own)
        self._license(ref, part.licence, None)
        self._remember(ref, part.hashes)
        return ref

    def _image(self, part: ImagePart) -> str:
        own: _Element = {"name": part.name, "software_primaryPurpose": "container"}
        _put(own, "software_packageVersion", part.version)
        _verify(own, (part.digest,) if part.digest else ())
        return self._add("software_Package", part.ref, own)

    def _package(self, part: Package) -> str:
        own: _Element = {"name": part.name}
        _put(own, "software_packageVersion", part.version)
        _put(own, "software_packageUrl", part.purl)
        own["software_primaryPurpose"] = PURPOSES.get(part.kind, "other")
        self._supply(own, "suppliedBy", part.owner)
        _verify(own, part.hashes)
        told = [("tidegate:archive", str(digest)) for digest in part.archives]
        kind = part.kind if part.kind not in PURPOSES else None
        _extend(own, [*told, ("tidegate:group", part.group), ("tidegate:kind", kind)])
        ref = self._add("software_Package", part.ref, own)
        if part.licence or part.licence_name:
            self._license(ref, part.licence, part.licence_name)
        return ref

    def _file(self, path: str, digest: Digest) -> str:
        own: _Element = {"name": path, "software_primaryPurpose": "file"}
        _verify(own, (digest,))
        return self._add("software_File", f"file:{path}", own)

    def _code(self, code: CodePart) -> str:
        own: _Element = {"name": "training code", "software_primaryPurpose": "source"}
        _put(own, "software_packageVersion", code.commit)
        _put(own, "software_downloadLocation", code.repository)
        _verify(own, (code.tree,) if code.tree else ())
        return self._add("software_Package", "code", own)

    def _step(self, step: Step, place: int) -> None:
        own: _Element = {"name": step.stage, "build_buildType": f"{BUILD_TYPE}{step.stage}"}
        own["build_buildId"] = str(place)
        _put(own, "build_buildStartTime", None if step.at is None else _seconds(step.at))
        _extend(own, [("tidegate:log-index", _text(step.index))])
        ref = self._add("build_Build", f"step:{place}:{step.stage}", own)
        for relation, digests in (("hasInput", step.inputs), ("hasOutput", step.outputs)):
            for digest in digests:
                self._relate(ref, relation, self._thing(digest))

    def _thing(self, digest: Digest) -> str:
        if digest not in self._by_digest:
            own: _Element = {"name": str(digest), "software_primaryPurpose": "other"}
            _verify(own, (digest,))
            self._by_digest[digest] = self._add("software_File", f"digest:{digest}", own)
        return self._by_digest[digest]

    def _remember(self, ref: str, hashes: Sequence[Digest]) -> None:
        # By its first digest alone, since that is the one which a reader takes.
        for digest in hashes[:1]:
            self._by_digest.setdefault(digest, ref)

    def _license(self, ref: str, expression: str | None, name: str | None) -> None:
        said = self._licence(expression or name or "", spdx=bool(expression))
        # What applies in the end is for a lawyer to conclude.
        self._relate(ref, "hasConcludedLicense", NO_LICENCE)
        self._relate(ref, "hasDeclaredLicense", said)

    def _licence(self, text: str, *, spdx: bool) -> str:
        if not text:
            return NO_LICENCE
        key = (text, spdx)
        if key not in self._licences:
            kind = "LicenseExpression" if spdx else "SimpleLicensingText"
            field = "licenseExpression" if spdx else "licenseText"
            own: _Element = {f"simplelicensing_{field}": text}
            ref = self._add(f"simplelicensing_{kind}", f"licence:{len(self._licences)}", own)
            self._licences[key] = ref
        return self._licences[key]

    def _supply(self, own: _Element, field: str, name: str | None) -> None:
        if name:
            own[field] = self._agent(name)

    def _agent(self, name: str) -> str:
        if name not in self._agents:
            ref = f"agent:{len(self._agents)}"
            self._agents[name] = self._add("Organization", ref, {"name": name})
        return self._agents[name]

    def _relate(self, start: str | None, kind: str, end: str) -> None:
        if start is not None:
            ref = f"relationship:{len(self._relations)}"
            own: _Element = {"from": start, "relationshipType": kind, "to": [end]}
            self._relations.append(self._element("Relationship", ref, own))

    def _add(self, kind: str, ref: str, own: _Element) -> str:
        element = self._element(kind, ref, own)
        self._elements.append(element)
        return str(element["spdxId"])

    def _element(self, kind: str, ref: str, own: _Element) -> _Element:
        name = f"{self._namespace}#{quote(ref, safe=':@')}"
        place, number = name, 1
        while place in self._given:
            number += 1
            place = f"{name}.{number}"
        self._given.add(place)
        return {"type": kind, "spdxId": place, "creationInfo": _INFO, **own}


def _profiles(every: Sequence[_Element], bom: Bom) -> list[Json]:
    """Return the profiles that hold: a claim that is not kept would be worse than none."""
    claimed = ["core", "software", "simpleLicensing"]
    for name, kind in (("ai", "ai_AIPackage"), ("dataset", "dataset_DatasetPackage")):
        found = [item for item in every if item["type"] == kind]
        if found and all(field in item for item in found for field in DEMANDED[name]):
            claimed.append(name)
    if bom.steps:
        claimed.append("build")
    if any("extension" in item for item in every):
        claimed.append("extension")
    return list(claimed)


DEMANDED: Final[Mapping[str, tuple[str, ...]]] = {
    "ai": (
        "suppliedBy",
        "software_downloadLocation",
        "software_packageVersion",
        "software_primaryPurpose",
        "releaseTime",
    ),
    "dataset": (
        "builtTime",
        "originatedBy",
        "releaseTime",
        "software_downloadLocation",
        "software_primaryPurpose",
    ),
}
"""What the AI and Dataset profiles demand of their packages, beyond the schema."""


def _reference(part: Attestation) -> _Element:
    place = "" if part.index is None else f"; log {part.index}"
    return {
        "type": "ExternalRef",
        "externalRefType": "secureSoftwareAttestation",
        "locator": [str(part.digest)],
        "comment": part.stage + place,
    }


def _verify(own: _Element, digests: Sequence[Digest]) -> None:
    found = [
        {"type": "Hash", "algorithm": HASHES[digest.algorithm], "hashValue": digest.hex}
        for digest in digests
    ]
    _put(own, "verifiedUsing", found)


def _entry(key: str, value: str) -> _Element:
    return {"type": "DictionaryEntry", "key": key, "value": value}


def _extend(own: _Element, pairs: Sequence[tuple[str, str | None]]) -> None:
    entries = [
        {
            "type": "extension_CdxPropertyEntry",
            "extension_cdxPropName": name,
            "extension_cdxPropValue": value,
        }
        for name, value in pairs
        if value is not None
    ]
    if entries:
        kind = "extension_CdxPropertiesExtension"
        own["extension"] = [{"type": kind, "extension_cdxProperty": entries}]


def _seconds(at: Micros) -> str:
    return iso(at)[:19] + "Z"


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _put(target: _Element, key: str, value: Json) -> None:
    if value:
        target[key] = value
