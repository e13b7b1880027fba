"""The registry's models: what the log says of each, and what was kept to be asked about later.

Names come from the directives in force, admissions from verified statements, documents from blobs
whose digests those statements name. Nothing rests on a table that somebody could edit.

::

    for holding in Holdings.read(workspace).models:
        print(holding.versions, holding.stages)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final, TypeVar

from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import TidegateError
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.stage import Outcome, Stage
from tidegate.gates.chain import Chain, ChainReader
from tidegate.gates.history import Query, Spoken, newest
from tidegate.gates.registry.kept import CodeNames, Likeness
from tidegate.gates.registry.shadow import Registered
from tidegate.interop.bom import Reading, read_bom
from tidegate.interop.bundle import Bundle
from tidegate.tensors.manifest import TensorManifest

_Read = TypeVar("_Read")
_PACKS: Final = "allow-pack/"
_ADMIT: Final = "admit"


class NotKept(Exception):  # noqa: N818 - an answer, which every caller turns into data
    """What was asked for is not there; the text says why."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One model of the registry."""

    digest: str
    versions: tuple[str, ...]
    """``NAME@VERSION``, each of which means it for ever."""
    stages: tuple[str, ...]
    """``NAME/STAGE`` that mean it now."""
    left: tuple[str, ...]
    """``NAME/STAGE`` that meant it once."""
    held: str
    """``quarantined``, ``revoked``, or empty."""


@dataclass(frozen=True)
class Holdings:
    """All models of a workspace's registry, and a way to read what is kept of each."""

    workspace: Workspace
    models: tuple[Holding, ...]
    chains: ChainReader
    _chains: dict[str, Chain] = field(default_factory=dict[str, Chain])
    _admissions: dict[str, Spoken | None] = field(default_factory=dict[str, Spoken | None])

    @classmethod
    def read(cls, workspace: Workspace) -> "Holdings":
        """Read which models there are.

        Raises:
            TidegateError: The log can't be verified.
        """
        chains = workspace.chains()
        return cls(workspace, tuple(_models(workspace, workspace.directives())), chains)

    def chain(self, model: Holding) -> Chain:
        """Return everything under a model, verified."""
        if model.digest not in self._chains:
            self._chains[model.digest] = self.chains.read([model.digest])
        return self._chains[model.digest]

    def admission(self, model: Holding) -> Spoken:
        """Return the newest statement that admitted it.

        Raises:
            NotKept: None verifies.
        """
        if model.digest not in self._admissions:
            query = Query({Stage.REGISTRY}, _ADMIT)
            self._admissions[model.digest] = newest(self.chains, model.digest, query)
        found = self._admissions[model.digest]
        if found is None:
            raise NotKept("no admission of it verifies")
        return found

    def names(self, model: Holding) -> CodeNames:
        """Return which code its files name.

        Raises:
            NotKept: Nothing of it is kept.
        """
        return self._kept(model, self._fact(model, "scan", "names"), CodeNames.parse)

    def likeness(self, model: Holding) -> Likeness:
        """Return what it can be told by.

        Raises:
            NotKept: Nothing of it is kept.
        """
        return self._kept(model, self._fact(model, "shadow", "likeness"), Likeness.parse)

    def bom(self, model: Holding) -> Reading:
        """Return its bill of materials.

        Raises:
            NotKept: It is not kept.
        """
        return self._kept(model, self.admission(model).gate.parameters.get("bom"), read_bom)

    def signature(self, model: Holding) -> Bundle:
        """Return the signature over its files.

        Raises:
            NotKept: It is not kept.
        """
        told = self.admission(model).gate.parameters.get("signature")
        return self._kept(model, told, Bundle.parse)

    def registered(self) -> Iterator[Registered]:
        """Yield every model as something to compare another with."""
        return map(self.comparable, self.models)

    def comparable(self, model: Holding) -> Registered:
        """Return a model as something to compare another with."""
        try:
            likeness: Likeness | None = self.likeness(model)
        except NotKept:
            likeness = None
        manifest = _manifest(self.workspace, likeness)
        return Registered(model.digest, model.versions, bool(model.held), likeness, manifest)

    def _fact(self, model: Holding, check: str, name: str) -> Json:
        for told in self.admission(model).gate.checks:
            facts = told.get("facts")
            if told.get("id") == check and isinstance(facts, dict):
                return facts.get(name)
        return None

    def _kept(self, model: Holding, told: Json, parse: Callable[[bytes], _Read]) -> _Read:
        if not isinstance(told, str):
            raise NotKept("it was admitted before this was kept")
        try:
            return parse(read_blob(self.workspace, Digest.parse(told)))
        except TidegateError as error:
            where = f"log {self.admission(model).index}"
            raise NotKept(f"what {where} names as {told[:19]}: {error.problem}") from None


def keeper(workspace: Workspace) -> Callable[[bytes], Digest]:
    """Return what keeps a document as a blob."""
    return lambda data: workspace.blobs.put(BytesIO(data))


def read_blob(workspace: Workspace, digest: Digest) -> bytes:
    """Return a kept document.

    Raises:
        StoreError: It is not there.
        VerificationError: It is damaged.
    """
    return b"".join(workspace.blobs.get(digest))


def _manifest(
    workspace: Workspace, likeness: Likeness | None
) -> Callable[[], TensorManifest | None]:
    def read() -> TensorManifest | None:
        if likeness is None or likeness.tensors is None:
            return None
        try:
            return TensorManifest.parse(read_blob(workspace, likeness.tensors.manifest))
        except TidegateError:
            return None  # what else is kept of it is compared instead

    return read


def _models(workspace: Workspace, state: DirectiveState) -> Iterator[Holding]:
    versions: dict[str, list[str]] = {}
    stages: dict[str, list[str]] = {}
    left: dict[str, list[str]] = {}
    for alias, history in sorted(state.aliases.items()):
        if alias.startswith(_PACKS):
            continue
        now = history[-1].digest
        if "@" in alias:
            versions.setdefault(now, []).append(alias)
            continue
        stages.setdefault(now, []).append(alias)
        for digest in {one.digest for one in history} - {now}:
            left.setdefault(digest, []).append(alias)
    # An admission whose name was never written (the process died) counts, too.
    rows = workspace.projections.attestations(stage=Stage.REGISTRY.value, limit=100_000)
    admitted = {
        row.subject_digest
        for row in rows
        if row.action == _ADMIT and row.outcome == Outcome.ALLOW and not row.drill
    }
    for digest in sorted({*versions, *stages, *left, *admitted}):
        held = "revoked" if state.is_revoked(digest) else ""
        held = "quarantined" if state.is_quarantined(digest) else held
        yield Holding(
            digest,
            tuple(versions.get(digest, ())),
            tuple(stages.get(digest, ())),
            tuple(left.get(digest, ())),
            held,
        )
