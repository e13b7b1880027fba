"""Which registered models use a thing, asked after an advisory, a lost key or a bad data set.

::

    answer = who_uses(workspace, "torch<2.6")
    for model in answer.models:
        print(model.holding.versions, [use.how for use in model.uses])

What the text can mean is asked all at once. The answer has three parts, as everything here: models
that use it, models of which it can't be told, and the rest.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tidegate.app.holdings import Holding, Holdings, NotKept
from tidegate.app.question import Kind, Question, ask
from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.digest import sha256
from tidegate.gates.registry.likeness import take_likeness
from tidegate.gates.registry.shadow import Registered, kin
from tidegate.interop.bundle import KeyHint
from tidegate.tensors.compare import Kinship

_Told = tuple[str, int | None]
"""How a model uses it, and the log index of the statement that says so."""
_Seek = Callable[[Holding], Iterator[_Told]]
_SHOWN = 20
"""Names of code that are told of one model."""


@dataclass(frozen=True, slots=True)
class Use:
    """One way in which a model uses the thing."""

    kind: Kind
    how: str
    """``model.pkl names os:system``"""
    index: int | None
    """Log index of the statement that says so; ``None`` where several together do."""

    def to_json(self) -> dict[str, Json]:
        """Return the three fields."""
        return {"kind": self.kind.value, "how": self.how, "index": self.index}


@dataclass(frozen=True, slots=True)
class Answered:
    """A model, how it uses the thing, and what could not be told of it."""

    holding: Holding
    uses: tuple[Use, ...]
    gaps: tuple[str, ...]
    """Why one of the kinds can't be told."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer over the whole registry."""

    question: Question
    models: tuple[Answered, ...]
    """Those that use it."""
    unknown: tuple[Answered, ...]
    """Those that are not known to use it, nor not to."""
    asked: int
    """How many models there are."""


def who_uses(workspace: Workspace, text: str, kind: Kind | None = None) -> Answer:
    """Say which models use something.

    Args:
        workspace: Whose registry.
        text: A callable or module, a digest, a name, a file, a key or its principal, a package
            with or without versions.
        kind: What it is; all that it can be where it is ``None``.

    Raises:
        UsageError: It can't be what it is said to be.
        TidegateError: The log can't be verified.
    """
    question = ask(workspace, text, kind)
    holdings = Holdings.read(workspace)
    seeker = _Seeker(holdings, question)
    found = [seeker.about(model) for model in holdings.models]
    return Answer(
        question,
        tuple(one for one in found if one.uses),
        tuple(one for one in found if one.gaps and not one.uses),
        len(found),
    )


class _Seeker:
    """Looks one thing up in one model after the other."""

    def __init__(self, holdings: Holdings, question: Question) -> None:
        self._holdings = holdings
        self._asked = question
        self._base = _base(holdings, question) if Kind.BASE in question.kinds else None
        self._seekers: dict[Kind, tuple[_Seek, ...]] = {
            Kind.CALLABLE: (self._callables,),
            Kind.PACKAGE: (self._packages,),
            Kind.DATASET: (self._data_under, self._named_data),
            Kind.BASE: (self._models_under, self._named_bases, self._kin),
            Kind.KEY: (self._signers, self._signature),
        }

    def about(self, model: Holding) -> Answered:
        """Return what is known of one model."""
        uses: dict[str, Use] = {}
        gaps: list[str] = []
        for kind in self._asked.kinds:
            for seek in self._seekers[kind]:
                try:
                    for how, index in seek(model):
                        uses.setdefault(how, Use(kind, how, index))
                except NotKept as error:
                    gaps.append(f"{kind.value}: {error}")
        return Answered(model, tuple(uses.values()), tuple(dict.fromkeys(gaps)))

    def _callables(self, model: Holding) -> Iterator[_Told]:
        names, index = self._holdings.names(model), self._admitted(model)
        told = [
            f"{file.path} names {name}"
            for file in names.files
            for name in file.names
            if self._asked.fits_callable(name)
        ]
        yield from ((how, index) for how in told[:_SHOWN])
        if names.cut and not told:
            raise NotKept("its files name more code than is kept")

    def _packages(self, model: Holding) -> Iterator[_Told]:
        packages, index = self._holdings.bom(model).bom.packages, self._admitted(model)
        fits = [(self._asked.fits_package(one), f"{one.name} {one.version}") for one in packages]
        found = [name for fit, name in fits if fit]
        yield from ((f"its environment has {name}", index) for name in found)
        unclear = [name for fit, name in fits if fit is None]
        if unclear and not found:
            raise NotKept(f"the version of {unclear[0]} can't be compared")

    def _data_under(self, model: Holding) -> Iterator[_Told]:
        return self._under(model, models=False)

    def _models_under(self, model: Holding) -> Iterator[_Told]:
        return self._under(model, models=True)

    def _under(self, model: Holding, *, models: bool) -> Iterator[_Told]:
        """Yield what is under a model in the lineage that the gates signed."""
        chain = self._holdings.chain(model)
        for digest in dict.fromkeys((*chain.nodes, *(source for source, _ in chain.edges))):
            name = chain.names.get(digest, "")
            wanted = digest != model.digest and (chain.kinds.get(digest) == "model") is models
            if wanted and self._asked.fits_artifact(digest, name):
                index = max((one.verified.index for one in chain.about(digest)), default=None)
                yield f"made from {name} ({digest[:19]})", index
        if chain.broken or chain.erased:
            raise NotKept("evidence of what it was made from is gone, or does not verify")

    def _named_data(self, model: Holding) -> Iterator[_Told]:
        for part in self._holdings.bom(model).bom.data:
            if self._asked.fits_artifact(str(part.digest or ""), part.name):
                yield f"its bill of materials names the data {part.name}", self._admitted(model)

    def _named_bases(self, model: Holding) -> Iterator[_Told]:
        index = self._admitted(model)
        for part in self._holdings.bom(model).bom.sources:
            digests = [str(one) for one in part.hashes] or [""]
            if any(self._asked.fits_artifact(one, part.name) for one in digests):
                yield f"its bill of materials names the {part.relation} {part.name}", index
        for name in self._holdings.likeness(model).bases:
            if self._asked.fits_artifact("", name):
                yield f"its configuration names {name}", index

    def _kin(self, model: Holding) -> Iterator[_Told]:
        if self._base is None or self._base.likeness is None or self._base.digest == model.digest:
            return
        likeness = self._holdings.likeness(model)
        ours = self._holdings.comparable(model)
        kinship, how = kin(likeness, ours.manifest, self._base)
        if kinship is not Kinship.UNRELATED:
            yield f"{kinship.value}: {how}", self._admitted(model)

    def _signers(self, model: Holding) -> Iterator[_Told]:
        chain = self._holdings.chain(model)
        for link in chain.links:
            for signer in link.verified.signers:
                if signer.key_id in self._asked.keys:
                    name = chain.names.get(link.digest, link.digest[:19])
                    how = f"{signer.principal} signed {link.stage.value} of {name}"
                    yield how, link.verified.index
        if chain.broken or chain.erased:
            raise NotKept("evidence of what it was made from is gone, or does not verify")

    def _signature(self, model: Holding) -> Iterator[_Told]:
        material = self._holdings.signature(model).material
        if isinstance(material, KeyHint) and material.hint in self._asked.hints:
            yield "it signed the files", self._admitted(model)

    def _admitted(self, model: Holding) -> int:
        return self._holdings.admission(model).index


def _base(holdings: Holdings, question: Question) -> Registered | None:
    """Return the model that kinship is asked about: a registered one, or files that are here."""
    for model in holdings.models:
        if model.digest in question.digests:
            return holdings.comparable(model)
    if not question.is_path:
        return None
    taken = take_likeness(Path(question.text), sha256)
    return Registered(
        next(iter(question.digests)),
        (),
        held=False,
        likeness=taken.likeness,
        manifest=lambda: taken.manifest,
    )
