"""Reading CycloneDX 1.4 to 1.7 (JSON) into the one model, whoever wrote it.

What the model has no place for becomes a loss, by its place in the document: nesting, evidence,
services, weak hashes. An assessment that says ``not_affected`` without a reason is read as
``in_triage``, and listed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.interop.bom import cyclonedx_fields as fields
from tidegate.interop.bom.model import (
    BASE,
    MODEL_KIND,
    Assessment,
    Attestation,
    Bom,
    CodePart,
    Considerations,
    DataPart,
    ImagePart,
    Justification,
    ModelPart,
    Package,
    SourceModel,
    State,
)
from tidegate.interop.bom.reading import Losses, Node, bad, parse_digest, whole

READ: Final = ("1.4", "1.5", "1.6", "1.7")
"""Versions that are read."""
_PHASES: Final = [{"phase": "post-build"}]


def read_cyclonedx(document: Json, losses: Losses) -> Bom:
    """Read a document that is JSON already.

    Raises:
        SubjectError: A field has another type than CycloneDX gives it, or the version is unknown.
    """
    root = Node(document, "", losses)
    version = root.text("specVersion")
    if version not in READ:
        raise bad(f"CycloneDX {version or 'of no version'}", cause=f"read are {', '.join(READ)}")
    if root.text("bomFormat") != "CycloneDX":
        raise bad("its bomFormat is not CycloneDX")
    root.skip("$schema", "version", "serialNumber")
    bom = _Reader(losses).read(root)
    root.close()
    return bom.ordered()


@dataclass
class _Reader:
    """Collects the parts of one document."""

    losses: Losses
    data: list[DataPart] = field(default_factory=list[DataPart])
    sources: list[SourceModel] = field(default_factory=list[SourceModel])
    images: list[ImagePart] = field(default_factory=list[ImagePart])
    packages: list[Package] = field(default_factory=list[Package])
    files: dict[str, Digest] = field(default_factory=dict[str, Digest])
    attestations: list[Attestation] = field(default_factory=list[Attestation])
    code: CodePart = field(default_factory=CodePart)
    refs: dict[str, str] = field(default_factory=dict[str, str])
    """Their references of parts, and ours."""

    def read(self, root: Node) -> Bom:
        """Read a whole document."""
        metadata = root.child("metadata") or Node({}, "metadata", self.losses)
        tool = fields.tool(metadata)
        model = self._subject(metadata)
        made_at = metadata.time("timestamp")
        if metadata.raw("lifecycles") not in (None, _PHASES):
            metadata.lose("lifecycles")
        metadata.close()
        for node in root.each("components"):
            self._component(node)
        steps = tuple(
            step for formula in root.each("formulation") for step in fields.steps(formula)
        )
        self._dependencies(root)
        assessments = tuple(self._assessment(node) for node in root.each("vulnerabilities"))
        if model is None and self.files:
            self.losses.add("components[]", "files of no model")
        return Bom(
            model=model and replace(model, files=self.files),
            made_at=made_at,
            data=tuple(self.data),
            code=None if self.code == CodePart() else self.code,
            packages=tuple(self.packages),
            tool=tool,
            sources=tuple(self.sources),
            images=tuple(self.images),
            attestations=tuple(self.attestations),
            steps=steps,
            assessments=assessments,
        )

    def _subject(self, metadata: Node) -> ModelPart | None:
        node = metadata.child("component")
        if node is None:
            return None
        name, kind = node.text("name") or "", node.text("type") or "application"
        told = fields.Properties(node)
        tree = parse_digest(told.one("tidegate:code-tree"))
        repository, url = self._references(node)
        commit = self._pedigree(node)
        self.code = CodePart(commit, repository, tree)
        licence, licence_name = fields.licence(node)
        card = node.child("modelCard")
        model = ModelPart(
            name=name,
            version=node.text("version") or "",
            hashes=fields.hashes(node),
            description=node.text("description"),
            owner=fields.owner(node),
            licence=licence,
            index=whole(told.one("tidegate:log-index")),
            kind=kind,
            purl=node.text("purl"),
            licence_name=licence_name,
            url=url,
        )
        told.close(node)
        self._known(node, model.ref)
        self._nested(node)
        node.close()
        return model if card is None else self._card(card, model)

    def _references(self, node: Node) -> tuple[str | None, str | None]:
        found: dict[str, str] = {}
        for reference in node.each("externalReferences"):
            kind, url = reference.text("type") or "", reference.text("url") or ""
            if kind in {"vcs", "distribution"} and kind not in found:
                found[kind] = url
            elif kind == "attestation" and (part := fields.attestation(reference, url)):
                self.attestations.append(part)
            else:
                self.losses.add(reference.where, f"a reference of type {kind[:40]}")
                continue
            reference.close()
        return found.get("vcs"), found.get("distribution")

    def _pedigree(self, node: Node) -> str | None:
        pedigree = node.child("pedigree")
        if pedigree is None:
            return None
        for ancestor in pedigree.each("ancestors"):
            self.sources.append(self._source(ancestor, BASE))
        commits = list(pedigree.each("commits"))
        uid = commits[0].text("uid") if commits else None
        for commit in commits[:1]:
            commit.close()
        if len(commits) > 1:
            pedigree.lose("commits", "further commits are not kept")
        pedigree.close()
        return uid

    def _card(self, card: Node, model: ModelPart) -> ModelPart:
        parameters = card.child("modelParameters") or Node({}, card.where, self.losses)
        approach = parameters.child("approach")
        for item in parameters.each("datasets"):
            if item.text("ref") is None:
                self.data.append(fields.inline(item))
            item.close()
        analysis = card.child("quantitativeAnalysis") or Node({}, card.where, self.losses)
        metrics = tuple(fields.metrics(analysis))
        told = card.child("considerations")
        out = replace(
            model,
            task=parameters.text("task"),
            family=parameters.text("architectureFamily"),
            architecture=parameters.text("modelArchitecture"),
            approach=approach.text("type") if approach else None,
            metrics=metrics,
            considerations=fields.considerations(told) if told else Considerations(),
        )
        card.skip("bom-ref")
        for node in (parameters, analysis, card, *([approach] if approach else [])):
            node.close()
        return out

    def _component(self, node: Node) -> None:
        kind = node.text("type") or ""
        read: dict[str, Callable[[Node], None]] = {
            "data": self._dataset,
            MODEL_KIND: self._model,
            "container": self._image,
            "file": self._file,
        }
        self._nested(node)
        read.get(kind, self._package)(node)
        node.close()

    def _nested(self, node: Node) -> None:
        nested = list(node.each("components"))
        if nested:
            node.lose("components", "which part holds which is not kept")
        for part in nested:
            self._component(part)

    def _model(self, node: Node) -> None:
        self.sources.append(self._source(node, "part"))

    def _source(self, node: Node, relation: str) -> SourceModel:
        told = fields.Properties(node)
        url = None
        for reference in node.each("externalReferences"):
            if reference.text("type") == "distribution" and url is None:
                url = reference.text("url")
                reference.close()
            else:
                self.losses.add(reference.where)
        licence, name = fields.licence(node)
        if name:
            node.lose("licenses", "a licence that is no expression")
        node.skip("type")
        part = SourceModel(
            name=node.text("name") or "",
            relation=told.one("tidegate:relation") or relation,
            version=node.text("version"),
            hashes=fields.hashes(node),
            licence=licence,
            owner=fields.owner(node),
            url=url,
            released_at=told.time("tidegate:released-at"),
        )
        told.close(node)
        self._known(node, part.ref)
        node.close()
        return part

    def _dataset(self, node: Node) -> None:
        told = fields.Properties(node)
        hashes = fields.hashes(node)
        if len(hashes) > 1:
            node.lose("hashes", "further hashes are not kept")
        licence, name = fields.licence(node)
        if name:
            node.lose("licenses", "a licence that is no expression")
        inner = list(node.each("data"))
        facts = fields.facts(inner[0]) if inner else fields.Facts()
        for rest in inner[1:]:
            self.losses.add(rest.where, "further contents are not kept")
        part = DataPart(
            name=node.text("name") or "",
            digest=hashes[0] if hashes else None,
            role=told.one("tidegate:role") or "data",
            index=whole(told.one("tidegate:log-index")),
            label=facts.label,
            owner=facts.owner or fields.owner(node),
            licence=licence,
            source=facts.source,
            built_at=told.time("tidegate:built-at"),
        )
        if facts.name not in {None, part.name}:
            self.losses.add(f"{node.where}.data[].name")
        told.close(node)
        self._known(node, part.ref)
        self.data.append(part)

    def _image(self, node: Node) -> None:
        hashes = fields.hashes(node)
        if len(hashes) > 1:
            node.lose("hashes", "further hashes are not kept")
        part = ImagePart(
            node.text("name") or "", hashes[0] if hashes else None, node.text("version")
        )
        self._known(node, part.ref)
        self.images.append(part)

    def _file(self, node: Node) -> None:
        name, hashes = node.text("name") or "", fields.hashes(node)
        first = next(iter(hashes), None)
        if first is None or name in self.files:
            why = "a second file of one name" if first else "a file without a hash that counts"
            self.losses.add(node.where, why)
            return
        if len(hashes) > 1:
            node.lose("hashes", "further hashes are not kept")
        self.files[name] = first
        self._known(node, f"file:{name}")

    def _package(self, node: Node) -> None:
        told = fields.Properties(node)
        licence, licence_name = fields.licence(node)
        archives = [parse_digest(text) for text in told.all("tidegate:archive")]
        part = Package(
            name=node.text("name") or "",
            version=node.text("version") or "",
            licence=licence,
            licence_name=licence_name,
            archives=tuple(digest for digest in archives if digest),
            purl=node.text("purl"),
            kind=node.text("type") or "library",
            hashes=fields.hashes(node),
            group=node.text("group"),
            owner=fields.owner(node),
        )
        told.close(node)
        self._known(node, part.ref)
        self.packages.append(part)

    def _known(self, node: Node, ours: str) -> None:
        theirs = node.text("bom-ref")
        if theirs:
            self.refs[theirs] = ours

    def _dependencies(self, root: Node) -> None:
        top = {theirs for theirs, ours in self.refs.items() if ours == "model"}
        for node in root.each("dependencies"):
            ref, edges = node.text("ref"), node.texts("dependsOn")
            if edges and ref not in top:
                node.lose("dependsOn", "which part needs which is not kept")
            node.close()

    def _assessment(self, node: Node) -> Assessment:
        analysis = node.child("analysis")
        if analysis is None:
            self.losses.add(node.place("analysis"), "there is none: read as in_triage")
            analysis = Node({}, node.place("analysis"), self.losses)
        source = node.child("source")
        state = fields.word(analysis, "state", State) or State.IN_TRIAGE
        justification = fields.word(analysis, "justification", Justification)
        detail = analysis.text("detail")
        if state is State.NOT_AFFECTED and not (justification or detail):
            analysis.lose("state", "not_affected without a reason is read as in_triage")
            state = State.IN_TRIAGE
        out = Assessment(
            id=node.text("id") or "",
            state=state,
            affects=tuple(dict.fromkeys(self._affected(node))),
            justification=justification,
            detail=detail,
            responses=analysis.texts("response"),
            source=source.text("name") if source else None,
            url=source.text("url") if source else None,
            description=node.text("description"),
            at=analysis.time("lastUpdated"),
        )
        node.skip("bom-ref")
        for part in (analysis, node, *([source] if source else [])):
            part.close()
        return out

    def _affected(self, node: Node) -> Iterator[str]:
        for item in node.each("affects"):
            ref = item.text("ref") or ""
            yield self.refs.get(ref, ref)
            item.close()
