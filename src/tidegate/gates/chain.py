"""The chain behind an artifact: every verified statement that it rests on, gaps included.

The walk goes from statement to statement over what each names as its materials, and takes none
that does not verify again against the log. The projection only says where to look: one that was
edited can hide evidence, and then the chain has a gap, but it can't invent any, nor shorten a path.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from tidegate.core.attest.gate import GatePredicate
from tidegate.core.digest import Digest
from tidegate.core.errors import TidegateError, VerificationError
from tidegate.core.stage import Outcome, Stage
from tidegate.core.verify import LoggedStatement, Verification, VerifiedEntry
from tidegate.graph.rows import ArtifactRow, AttestationRow

CONTEXT_KINDS = frozenset({"code", "environment", "order", "policy", "report", "image"})
"""Kinds that accompany data and models: named by digest in statements, admitted by no gate."""


@dataclass(frozen=True, slots=True)
class Link:
    """One verified gate statement about one artifact."""

    digest: str
    verified: VerifiedEntry
    gate: GatePredicate

    @property
    def stage(self) -> Stage:
        """Whose statement it is."""
        return self.gate.gate.stage


@dataclass(frozen=True, slots=True)
class Broken:
    """A statement that should count and does not verify."""

    index: int
    digest: str
    why: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Everything under some artifacts."""

    nodes: tuple[str, ...]
    """Digests of data and models, the asked ones first, then nearest first."""
    links: tuple[Link, ...]
    """Newest statement a stage, action and node."""
    broken: tuple[Broken, ...] = ()
    erased: tuple[str, ...] = ()
    """Digests whose evidence was erased."""
    edges: tuple[tuple[str, str], ...] = ()
    """``(from, to)`` among all artifacts, context included."""
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, stage: Stage) -> tuple[Link, ...]:
        """Return the statements of a stage."""
        return tuple(link for link in self.links if link.stage is stage)

    def about(self, digest: str) -> tuple[Link, ...]:
        """Return the statements about an artifact, in log order."""
        found = (link for link in self.links if link.digest == digest)
        return tuple(sorted(found, key=lambda link: link.verified.index))

    @property
    def unattested(self) -> tuple[str, ...]:
        """The nodes about which no gate said allow."""
        allowed = {link.digest for link in self.links if link.gate.outcome is Outcome.ALLOW}
        return tuple(digest for digest in self.nodes if digest not in allowed)

    @property
    def raw(self) -> tuple[str, ...]:
        """The nodes that were made from no other node."""
        inner = set(self.nodes)
        made = {target for source, target in self.edges if source in inner}
        return tuple(digest for digest in self.nodes if digest not in made)

    @property
    def complete(self) -> bool:
        """Whether every path ends at a source that the ingest gate admitted."""
        return self.complete_without(frozenset())

    def complete_without(self, new: AbstractSet[str]) -> bool:
        """Return the same, leaving out artifacts that are only now being made."""
        admitted = {
            link.digest for link in self.of(Stage.INGEST) if link.gate.outcome is Outcome.ALLOW
        }
        raw = [digest for digest in self.raw if digest not in new]
        return bool(raw) and all(digest in admitted for digest in raw)


class StatementIndex(Protocol):
    """Says where to look; nothing that it says is believed."""

    def attestations_about(self, digest: str) -> list[AttestationRow]:
        """Return the statements about a digest, oldest first."""
        ...

    def artifact(self, digest: str) -> ArtifactRow | None:
        """Return an artifact's kind and name."""
        ...


class StatementSource(Protocol):
    """Gives a logged statement with its inclusion proof in the head that is verified against."""

    def logged(self, index: int) -> LoggedStatement | None:
        """Return it, or ``None`` where its envelope is missing or was erased.

        Raises:
            VerificationError: The log or the store contradicts itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChainReader:
    """Walks and verifies."""

    store: StatementIndex
    statements: StatementSource
    verification: Verification

    def read(self, digests: Iterable[str], *, drill: bool = False) -> Chain:
        """Return the chain of some artifacts, themselves included.

        Args:
            digests: Where to begin.
            drill: Whether statements that were made in drills count.
        """
        found = _Found()
        queue = deque(dict.fromkeys(digests))
        asked, seen = set(queue), set(queue)
        while queue:
            digest = queue.popleft()
            # What is asked about counts whatever it was once called: data that somebody ran as
            # code before must not pass for code when it comes as data.
            if self._kind(digest, found) in CONTEXT_KINDS and digest not in asked:
                continue
            found.nodes.append(digest)
            for row in self._newest(digest, drill=drill):
                self._read_one(row, found)
            for source in found.sources(digest):
                if source not in seen:
                    seen.add(source)
                    queue.append(source)
        return found.freeze()

    def _kind(self, digest: str, found: "_Found") -> str:
        if digest not in found.kinds:
            row = self.store.artifact(digest)
            if row is not None:
                found.kinds[digest], found.names[digest] = row.kind, row.name
        return found.kinds.get(digest, "artifact")

    def _newest(self, digest: str, *, drill: bool) -> Sequence[AttestationRow]:
        newest: dict[tuple[str, str], AttestationRow] = {}
        for row in self.store.attestations_about(digest):
            # A refused attempt to promote changed nothing; any other newer word replaces the old.
            attempt = row.action == "promote" and row.outcome != Outcome.ALLOW
            if row.stage and row.drill is drill and not attempt:
                newest[row.stage, row.action] = row
        return list(newest.values())

    def _read_one(self, row: AttestationRow, found: "_Found") -> None:
        try:
            logged = self.statements.logged(row.index)
            if logged is None:
                found.erased.append(row.subject_digest)
                return
            verified = self.verification.verify(
                logged, stage=Stage(row.stage), about=Digest.parse(row.subject_digest)
            )
            gate = GatePredicate.of(verified.statement)
            if gate.gate.stage.value != row.stage:
                raise VerificationError("the statement is another stage's", slug="other-stage")
        except TidegateError as error:
            why = f"{error.code}: {error}"[:300]
            found.broken.append(Broken(row.index, row.subject_digest, why))
            return
        found.add(Link(row.subject_digest, verified, gate))


class _Found:
    """What a walk has met so far."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.links: list[Link] = []
        self.broken: list[Broken] = []
        self.erased: list[str] = []
        self.edges: dict[tuple[str, str], None] = {}
        self.kinds: dict[str, str] = {}
        self.names: dict[str, str] = {}

    def add(self, link: Link) -> None:
        """Add a link; the oldest statement about an artifact says what it is called."""
        older = [known.verified.index for known in self.links if known.digest == link.digest]
        self.links.append(link)
        if not older or link.verified.index < min(older):
            algorithm, _, value = link.digest.partition(":")
            subjects = link.verified.statement.subjects
            named = (one.name for one in subjects if one.digests.get(algorithm) == value)
            self.names[link.digest] = next(named, "") or self.names.get(link.digest, "")

    def sources(self, digest: str) -> list[str]:
        """Note and return what the allowed statements about a node name as its materials."""
        found: list[str] = []
        for link in self.links:
            if link.digest != digest or link.gate.outcome is not Outcome.ALLOW:
                continue
            for material in link.gate.materials:
                source = str(material.digest)
                if source == digest:
                    continue
                # The verified statement's word replaces what the projection says.
                self.kinds[source], self.names[source] = material.kind, material.name
                self.edges[source, digest] = None
                found.append(source)
        return found

    def freeze(self) -> Chain:
        """Return the chain."""
        return Chain(
            tuple(self.nodes),
            tuple(self.links),
            tuple(self.broken),
            tuple(dict.fromkeys(self.erased)),
            tuple(self.edges),
            self.kinds,
            self.names,
        )
