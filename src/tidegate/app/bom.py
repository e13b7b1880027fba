"""Make bills of materials: from a model's chain of evidence, or from its files alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.artifact.reference import Resolved, resolve
from tidegate.core.clock import Clock, Micros, SystemClock
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.chain import Chain
from tidegate.gates.registry.bom_packages import installed_packages, locked_packages
from tidegate.interop.bom import (
    ADAPTER,
    BASE,
    Attestation,
    Bom,
    CodePart,
    Considerations,
    DataPart,
    ImagePart,
    Metric,
    ModelPart,
    Reading,
    SourceModel,
    Step,
    read_bom,
)
from tidegate.interop.bom.reading import MAX_BYTES
from tidegate.version import __version__

_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What only people know about a model."""

    owner: str | None = None
    licence: str | None = None
    task: str | None = None
    architecture: str | None = None
    uses: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    url: str | None = None
    """Where the model can be had."""


def chain_bom(
    found: Resolved,
    chain: Chain,
    *,
    name: str,
    version: str,
    card: ModelCard,
    made_at: Micros,
) -> Bom:
    """Make a model's bill of materials from what the gates signed about it and all under it."""
    return Bom(
        model=_model(found, name, version, card, tuple(_metrics(chain))),
        made_at=made_at,
        data=tuple(_data(chain)),
        code=_code(chain),
        packages=installed_packages(),
        tool=__version__,
        sources=tuple(_sources(found, chain)),
        images=tuple(_images(chain)),
        attestations=tuple(_attestations(chain)),
        steps=tuple(_steps(chain)),
    )


def make_bom(
    path: Path,
    *,
    name: str,
    version: str,
    card: ModelCard = ModelCard(),
    data: Mapping[str, Path] | None = None,
    bases: tuple[str, ...] = (),
    adapters: tuple[str, ...] = (),
    images: tuple[str, ...] = (),
    lock: Path | None = None,
    clock: Clock = _CLOCK,
) -> Bom:
    """Make the bill of materials of files, without a workspace: what can be seen, and what is said.

    Args:
        path: The model file or folder; it is hashed, not loaded.
        name: The model's name.
        version: Its version.
        card: What only people know.
        data: Data sets by role (``training``, ``validation``, ``test``); they are hashed.
        bases: Base models: ``NAME`` or ``NAME@sha256:…``.
        adapters: Adapters, written like bases.
        images: Container images: ``NAME[:TAG][@sha256:…]``.
        lock: A lock file of the environment, or a folder of them; this environment without one.
        clock: Says when it is made.

    Raises:
        SubjectError: A file can't be read, or what is said to be a digest is none.
    """
    sources = [_named(text, BASE) for text in bases] + [_named(text, ADAPTER) for text in adapters]
    packages = installed_packages() if lock is None else locked_packages(lock)
    parts = [(role, resolve(place)) for role, place in sorted((data or {}).items())]
    return Bom(
        model=_model(resolve(path, kind="model"), name, version, card, ()),
        made_at=clock.now(),
        data=tuple(DataPart(part.name, part.digest, role) for role, part in parts),
        packages=packages,
        tool=__version__,
        sources=tuple(sources),
        images=tuple(_image(text) for text in images),
    ).ordered()


def load_bom(path: Path) -> Reading:
    """Read a bill of materials from a file.

    Raises:
        SubjectError: There is no such file, or it is no bill of materials.
    """
    return read_bom(bom_bytes(path))


def bom_bytes(path: Path) -> bytes:
    """Read a file of at most 64 MiB.

    Raises:
        SubjectError: There is no such file, it can't be read, or it is too big.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SubjectError(
            "the file can't be read",
            where=str(path),
            cause=error.strerror,
            next_step="check the path",
            slug="bom-file",
        ) from None
    if len(data) > MAX_BYTES:
        raise SubjectError(
            "too big for a bill of materials",
            where=str(path),
            cause=f"more than {MAX_BYTES} bytes",
            next_step="name the document itself",
            slug="bom-size",
        )
    return data


def _model(
    found: Resolved, name: str, version: str, card: ModelCard, metrics: tuple[Metric, ...]
) -> ModelPart:
    entries = found.manifest.entries if found.manifest else ()
    return ModelPart(
        name=name,
        version=version,
        hashes=(found.digest,),
        files={item.path: Digest("sha256", item.sha256) for item in entries},
        owner=card.owner,
        licence=card.licence,
        task=card.task,
        family=card.architecture,
        architecture=card.architecture,
        metrics=metrics,
        considerations=Considerations(use_cases=card.uses, limitations=card.limitations),
        url=card.url,
    )


def _data(chain: Chain) -> Iterator[DataPart]:
    for link in chain.of(Stage.INGEST):
        name = chain.names.get(link.digest, link.digest[:19])
        facts = link.gate.annotations.get(name, {})
        known = facts if isinstance(facts, dict) else {}
        yield DataPart(
            name=name,
            digest=Digest.parse(link.digest),
            role="training",
            index=link.verified.index,
            label=known.get("label"),
            owner=known.get("owner"),
            licence=known.get("licence"),
        )


def _code(chain: Chain) -> CodePart | None:
    for link in chain.of(Stage.TRAIN):
        code = link.gate.parameters.get("code")
        if isinstance(code, dict):
            tree = code.get("digest")
            return CodePart(
                commit=code.get("commit"),
                repository=code.get("repository"),
                tree=Digest.parse(tree) if isinstance(tree, str) else None,
            )
    return None


def _metrics(chain: Chain) -> Iterator[Metric]:
    """Yield what the validate gate measured: ``accuracy_<set>`` with ``_low_`` and ``_high_``."""
    for link in chain.of(Stage.VALIDATE):
        for check in link.gate.checks:
            facts = check.get("facts", {})
            if check.get("id") != "metrics":
                continue
            for name, value in facts.items():
                what, _, of = name.partition("_low_")
                high = facts.get(f"{what}_high_{of}")
                if of and high is not None and f"{what}_{of}" in facts:
                    middle = str(facts[f"{what}_{of}"])
                    yield Metric(what, middle, str(value), str(high), part=of)


def _sources(found: Resolved, chain: Chain) -> Iterator[SourceModel]:
    """Yield the models under this one: what it was fine-tuned or converted from."""
    for digest in chain.nodes:
        if chain.kinds.get(digest) == "model" and digest != str(found.digest):
            name = chain.names.get(digest, digest[:19])
            yield SourceModel(name, BASE, hashes=(Digest.parse(digest),))


def _images(chain: Chain) -> Iterator[ImagePart]:
    touched = dict.fromkeys(digest for edge in chain.edges for digest in edge)
    for digest in touched:
        if chain.kinds.get(digest) == "image":
            yield ImagePart(chain.names.get(digest, digest[:19]), Digest.parse(digest))


def _attestations(chain: Chain) -> Iterator[Attestation]:
    for link in chain.links:
        if link.gate.outcome is Outcome.ALLOW:
            entry = link.verified
            yield Attestation(link.stage.value, entry.envelope, entry.index)


def _steps(chain: Chain) -> Iterator[Step]:
    allowed = [link for link in chain.links if link.gate.outcome is Outcome.ALLOW]
    for index in sorted({link.verified.index for link in allowed}):
        links = [link for link in allowed if link.verified.index == index]
        first = links[0]
        inputs = dict.fromkeys(item.digest for item in first.gate.materials)
        outputs = dict.fromkeys(Digest.parse(link.digest) for link in links)
        yield Step(
            first.stage.value, tuple(inputs), tuple(outputs), index, Micros(first.verified.time)
        )


def _named(text: str, relation: str) -> SourceModel:
    name, mark, digest = text.partition("@")
    return SourceModel(name, relation, hashes=(Digest.parse(digest),) if mark else ())


def _image(text: str) -> ImagePart:
    place, mark, digest = text.partition("@")
    name, _, tag = place.rpartition(":")
    # A colon before the last slash is the port of a registry, not a tag.
    known = bool(name) and "/" not in tag
    return ImagePart(
        name if known else place,
        Digest.parse(digest) if mark else None,
        tag if known else None,
    )
