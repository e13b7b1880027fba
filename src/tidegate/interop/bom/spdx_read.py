"""Reading SPDX 3.0.1 (JSON-LD) into the one model, whoever wrote it.

Elements are found by type and relationship. The root that is an AI package is the model; where none
is, the root package is what the document is about. Nothing is fetched: an element that the document
names and does not hold is a loss.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.interop.bom.model import (
    BASE,
    MODEL_KIND,
    Bom,
    CodePart,
    DataPart,
    ImagePart,
    ModelPart,
    Package,
    SourceModel,
    Step,
)
from tidegate.interop.bom.reading import Losses, Node, parse_digest, stage_of, whole
from tidegate.interop.bom.spdx_fields import (
    Properties,
    attestations,
    considerations,
    hashes,
    metrics,
    one_hash,
)
from tidegate.interop.bom.spdx_terms import BUILD_TYPE, LEVELS, NO_LICENCE, PURPOSES, ROLES

_AI: Final = "ai_AIPackage"
_DATA: Final = "dataset_DatasetPackage"
_PACKAGE: Final = "software_Package"
_FILE: Final = "software_File"
_BUILD: Final = "build_Build"
_COLLECTIONS: Final = ("SpdxDocument", "software_Sbom", "Bom", "Bundle")
_AGENTS: Final = ("Agent", "Organization", "Person", "SoftwareAgent")
_LICENCES: Final = {
    "simplelicensing_LicenseExpression": "simplelicensing_licenseExpression",
    "simplelicensing_SimpleLicensingText": "simplelicensing_licenseText",
    "expandedlicensing_ListedLicense": "name",
}
_NOTHING: Final = frozenset(
    {NO_LICENCE, "expandedlicensing_NoneLicense", "NoAssertionElement", "NoneElement",
     "https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoAssertionLicense",
     "https://spdx.org/rdf/3.0.1/terms/ExpandedLicensing/NoneLicense"}
)  # fmt: skip
_LISTED: Final = "https://spdx.org/licenses/"
_KINDS: Final = {theirs: ours for ours, theirs in PURPOSES.items()}
_LABELS: Final = {theirs: ours for ours, theirs in LEVELS.items()}
_DATA_ROLES: Final = {theirs: ours for ours, theirs in ROLES.items()}
_USED: Final = frozenset(
    {"contains", "dependsOn", "descendantOf", "generates", "hasConcludedLicense",
     "hasDeclaredLicense", "hasInput", "hasOutput", "testedOn", "trainedOn"}
)  # fmt: skip
_IO: Final = frozenset({"hasInput", "hasOutput"})


def read_spdx(document: Json, losses: Losses) -> Bom:
    """Read a document that is JSON already.

    Raises:
        SubjectError: A field has another type than SPDX gives it.
    """
    root = Node(document, "", losses)
    root.skip("@context")
    graph = list(root.each("@graph")) if root.raw("@graph") is not None else [root]
    return _Reader(graph, losses).read().ordered()


class _Reader:
    """The elements of one document, by name and type."""

    def __init__(self, graph: list[Node], losses: Losses) -> None:
        self._losses = losses
        self._kinds: dict[str, list[tuple[str, Node]]] = defaultdict(list)
        self._type_of: dict[str, str] = {}
        self._node_of: dict[str, Node] = {}
        self._out: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._into: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for place, node in enumerate(graph):
            self._take(node, place)
        agents = [pair for kind in _AGENTS for pair in self._kinds[kind]]
        self._agents = {ref: node.text("name") or "" for ref, node in agents}

    def read(self) -> Bom:
        """Read all of it."""
        for _, node in self._kinds["Relationship"] + self._kinds["LifecycleScopedRelationship"]:
            self._relate(node)
        top = self._top()
        code = self._code(top)
        model = None if top is None else self._model(top)
        packages, images = self._software({top, code})
        steps = [self._step(ref, node) for ref, node in self._kinds[_BUILD]]
        bom = Bom(
            model=model,
            made_at=self._made_at(),
            data=tuple(self._data(ref, node, top) for ref, node in self._kinds[_DATA]),
            code=self._code_part(code) if model and code else None,
            packages=tuple(packages),
            tool=self._tool(),
            sources=tuple(self._source(r, n, top) for r, n in self._kinds[_AI] if r != top),
            images=tuple(images),
            attestations=tuple(attestations(self._node_of[top])) if top else (),
            steps=tuple(step for _, step in sorted(steps, key=lambda pair: pair[0])),
        )
        self._close()
        return bom

    def _take(self, node: Node, place: int) -> None:
        kind = node.text("type") or node.text("@type") or ""
        ref = node.text("spdxId") or node.text("@id") or f"#{place}"
        node.where = kind[:60] or "@graph[]"
        node.skip("creationInfo")
        self._kinds[kind].append((ref, node))
        self._type_of[ref], self._node_of[ref] = kind, node

    def _relate(self, node: Node) -> None:
        kind, start = node.text("relationshipType") or "", node.text("from") or ""
        node.skip("spdxId", "scope", "completeness")
        for end in node.texts("to"):
            if kind in _USED:
                self._out[start, kind].append(end)
                self._into[end].add((kind, start))
            else:
                self._losses.add("Relationship", f"{kind[:40]} is not kept")
            if end not in self._type_of and end not in _NOTHING and not end.startswith(_LISTED):
                self._losses.add("Relationship.to", "an element that the document does not hold")

    def _top(self) -> str | None:
        roots: list[str] = []
        for kind in _COLLECTIONS:
            for _, node in self._kinds[kind]:
                roots += node.texts("rootElement")
        for kind in (_AI, _PACKAGE):
            for ref in roots:
                if self._type_of.get(ref) == kind:
                    return ref
        if any(self._kinds[kind] for kind in _COLLECTIONS):
            return None
        # Elements without a document around them: the AI package can only be what they are about.
        return next((ref for ref, _ in self._kinds[_AI]), None)

    def _model(self, top: str) -> ModelPart:
        node, trained = self._node_of[top], self._type_of[top] == _AI
        told = Properties(node)
        licence, licence_name = self._licence(top)
        native, models = node.texts("ai_domain"), node.texts("ai_typeOfModel")
        for key, texts in (("ai_domain", native), ("ai_typeOfModel", models)):
            if len(texts) > 1:
                node.lose(key, "further ones are not kept")
        purpose = node.text("software_primaryPurpose") or ""
        kind = MODEL_KIND if trained else told.one("tidegate:kind") or _KINDS.get(purpose)
        # When a model is released is when its list was made, here; for others it is lost.
        if node.text("releaseTime") not in {None, self._created()}:
            node.lose("releaseTime")
        model = ModelPart(
            name=node.text("name") or "",
            version=node.text("software_packageVersion") or "",
            hashes=hashes(node),
            files=self._files(top),
            description=node.text("description"),
            owner=self._agent(node, "suppliedBy"),
            licence=licence,
            task=told.one("tidegate:task") or (native[0] if native else None),
            family=told.one("tidegate:family"),
            architecture=told.one("tidegate:architecture") or (models[0] if models else None),
            approach=told.one("tidegate:approach"),
            metrics=metrics(node, told),
            considerations=considerations(node, told),
            index=whole(told.one("tidegate:log-index")),
            kind=kind or "application",
            purl=node.text("software_packageUrl"),
            licence_name=licence_name,
            url=node.text("software_downloadLocation"),
        )
        told.close()
        return model

    def _files(self, top: str) -> dict[str, Digest]:
        found: dict[str, Digest] = {}
        held = set(self._out[top, "contains"])
        for ref, node in self._kinds[_FILE]:
            kinds = {kind for kind, _ in self._into[ref]}
            if kinds and kinds <= _IO:
                continue
            name, digest = node.text("name") or "", one_hash(node)
            node.skip("software_primaryPurpose")
            if digest is None or name in found:
                why = "a second file of one name" if digest else "a file without a hash that counts"
                self._losses.add(_FILE, why)
                continue
            if ref not in held:
                self._losses.add(_FILE, "which part holds which is not kept")
            found[name] = digest
        return found

    def _software(self, rest: set[str | None]) -> tuple[list[Package], list[ImagePart]]:
        packages, images = [], []
        for ref, node in self._kinds[_PACKAGE]:
            if ref in rest:
                continue
            if node.text("software_primaryPurpose") == "container":
                name, version = node.text("name") or "", node.text("software_packageVersion")
                images.append(ImagePart(name, one_hash(node), version))
            else:
                packages.append(self._package(ref, node))
        return packages, images

    def _package(self, ref: str, node: Node) -> Package:
        told = Properties(node)
        licence, licence_name = self._licence(ref)
        purpose = node.text("software_primaryPurpose") or "library"
        archives = [parse_digest(text) for text in told.every("tidegate:archive")]
        part = Package(
            name=node.text("name") or "",
            version=node.text("software_packageVersion") or "",
            licence=licence,
            licence_name=licence_name,
            archives=tuple(digest for digest in archives if digest),
            purl=node.text("software_packageUrl"),
            kind=told.one("tidegate:kind") or _KINDS.get(purpose, "library"),
            hashes=hashes(node),
            group=told.one("tidegate:group"),
            owner=self._agent(node, "suppliedBy"),
        )
        told.close()
        return part

    def _data(self, ref: str, node: Node, top: str | None) -> DataPart:
        told = Properties(node)
        licence, name = self._licence(ref)
        if name:
            self._losses.add(_DATA, "a licence that is no expression")
        if node.raw("dataset_datasetType") not in (["noAssertion"], None):
            node.lose("dataset_datasetType")
        level = node.text("dataset_confidentialityLevel")
        kinds = sorted(kind for kind, start in self._into[ref] if start == top)
        native = next((_DATA_ROLES[kind] for kind in kinds if kind in _DATA_ROLES), "data")
        built_at = node.time("builtTime")
        if node.time("releaseTime") != built_at:
            node.lose("releaseTime")
        node.skip("software_primaryPurpose")
        part = DataPart(
            name=node.text("name") or "",
            digest=one_hash(node),
            role=told.one("tidegate:role") or native,
            index=whole(told.one("tidegate:log-index")),
            label=told.one("tidegate:label") or _LABELS.get(level or "", level),
            owner=self._agent(node, "originatedBy"),
            licence=licence,
            source=node.text("software_downloadLocation"),
            built_at=built_at,
        )
        told.close()
        return part

    def _source(self, ref: str, node: Node, top: str | None) -> SourceModel:
        told = Properties(node)
        licence, name = self._licence(ref)
        if name:
            self._losses.add(_AI, "a licence that is no expression")
        native = BASE if ("descendantOf", top or "") in self._into[ref] else "part"
        node.skip("software_primaryPurpose")
        part = SourceModel(
            name=node.text("name") or "",
            relation=told.one("tidegate:relation") or native,
            version=node.text("software_packageVersion"),
            hashes=hashes(node),
            licence=licence,
            owner=self._agent(node, "suppliedBy"),
            url=node.text("software_downloadLocation"),
            released_at=node.time("releaseTime"),
        )
        told.close()
        return part

    def _code(self, top: str | None) -> str | None:
        found = [start for kind, start in sorted(self._into[top or ""]) if kind == "generates"]
        code = next((ref for ref in found if self._type_of.get(ref) == _PACKAGE), None)
        return code if code != top else None

    def _code_part(self, ref: str) -> CodePart:
        node = self._node_of[ref]
        node.skip("name", "software_primaryPurpose")
        version = node.text("software_packageVersion")
        return CodePart(version, node.text("software_downloadLocation"), one_hash(node))

    def _step(self, ref: str, node: Node) -> tuple[int, Step]:
        told = Properties(node)
        name = (node.text("build_buildType") or "").removeprefix(BUILD_TYPE)
        if stage_of(name) is None:
            node.lose("build_buildType", "no name of a stage: read as other")
            name = "other"
        if node.text("name") not in {name, None}:
            node.lose("name")
        place = whole(node.text("build_buildId")) or 0
        step = Step(
            stage=name,
            inputs=tuple(self._things(ref, "hasInput")),
            outputs=tuple(self._things(ref, "hasOutput")),
            index=whole(told.one("tidegate:log-index")),
            at=node.time("build_buildStartTime"),
        )
        told.close()
        return place, step

    def _things(self, ref: str, kind: str) -> Iterator[Digest]:
        for end in self._out[ref, kind]:
            node = self._node_of.get(end)
            found = hashes(node) if node else ()
            if not found:
                self._losses.add(f"{_BUILD}.{kind}", "something without a hash that counts")
            yield from found[:1]

    def _licence(self, ref: str) -> tuple[str | None, str | None]:
        """Return a declared expression, or what is declared in other words."""
        declared = self._out[ref, "hasDeclaredLicense"]
        concluded = [end for end in self._out[ref, "hasConcludedLicense"] if end not in _NOTHING]
        said = [end for end in declared if end not in _NOTHING]
        if concluded and concluded != said:
            self._losses.add("Relationship", "a concluded licence beside a declared one")
        found = said or concluded
        if len(found) > 1:
            self._losses.add("Relationship", "further licences are not kept")
        if not found:
            return None, None
        if found[0].startswith(_LISTED):
            return found[0].removeprefix(_LISTED), None
        node = self._node_of.get(found[0])
        field = _LICENCES.get(self._type_of.get(found[0], ""))
        text = node.text(field) if node and field else None
        plain = self._type_of.get(found[0]) == "simplelicensing_SimpleLicensingText"
        return (None, text) if plain else (text, None)

    def _agent(self, node: Node, field: str) -> str | None:
        value = node.raw(field)
        refs = [value] if isinstance(value, str) else node.texts(field)
        names = [self._agents[ref] for ref in refs if ref in self._agents]
        if len(refs) > 1 or len(names) < len(refs):
            node.lose(field, "further agents, or some that the document does not hold")
        return names[0] or None if names else None

    def _created(self) -> str | None:
        infos = [node for _, node in self._kinds["CreationInfo"]]
        return infos[0].text("created") if infos else None

    def _made_at(self) -> Micros | None:
        infos = [node for _, node in self._kinds["CreationInfo"]]
        for node in infos:
            node.skip("specVersion", "createdBy", "createdUsing")
        if len(infos) > 1:
            self._losses.add("CreationInfo", "further ones are not kept")
        return infos[0].time("created") if infos else None

    def _tool(self) -> str:
        names = [node.text("name") or "" for _, node in self._kinds["Tool"]]
        ours = [name.removeprefix("tidegate ") for name in names if name.startswith("tidegate ")]
        for _ in names[len(ours) :]:
            self._losses.add("Tool")
        return ours[0] if ours else "0"

    def _close(self) -> None:
        """Count the elements and fields that nobody asked for."""
        structural = {*_COLLECTIONS, *_AGENTS, "Tool", "CreationInfo", "Relationship", *_LICENCES}
        read = {*structural, "LifecycleScopedRelationship", _AI, _DATA, _PACKAGE, _FILE, _BUILD}
        for kind, pairs in self._kinds.items():
            for ref, node in pairs:
                if kind not in read:
                    self._losses.add(kind[:60] or "an element without a type")
                    continue
                if kind in _COLLECTIONS:
                    node.skip("element", "profileConformance", "software_sbomType")
                if kind == _FILE and {k for k, _ in self._into[ref]} <= _IO:
                    node.skip("name", "software_primaryPurpose")
                node.close()
