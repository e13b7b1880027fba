"""The chain behind an artifact: every verified statement that it rests on, gaps included.

The walk goes from statement to statement over what each names as its materials. Where statements
are is read from the log's own entries, which its head proves, so that none can be kept back: a
newer refusal counts, whoever edited which table. Each is verified again against the log.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.attest.statement import Statement
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import TidegateError, VerificationError
from tidegate.core.ledger.entry import Entry
from tidegate.core.stage import Outcome, Stage
from tidegate.core.verify import LoggedStatement, Verification, VerifiedEntry
from tidegate.graph.rows import ArtifactRow

PROMOTE = "promote"
CONTEXT_KINDS = frozenset({"code", "environment", "order", "policy", "report", "image"})
"""Kinds that accompany data and models: named by digest in statements, admitted by no gate."""
MAKING = (Stage.INGEST, Stage.PREPARE, Stage.TRAIN)
"""Stages that admit or make an artifact; what the others say of it is not where it comes from."""


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

    @property
    def facts(self) -> Mapping[str, Json]:
        """What it says about its artifact: name, kind, label, size, rows."""
        value = self.digest.partition(":")[2]
        for subject in self.verified.statement.subjects:
            if subject.digests.get("sha256") == value:
                return {"name": subject.name, **self.gate.annotations.get(subject.name, {})}
        return {}


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

    def words(self, stage: Stage, digest: str) -> tuple[Link, ...]:
        """Return a stage's statements that count for an artifact.

        Its data may be admitted and prepared under other digests; but it is itself what must have
        been trained, validated, admitted and promoted: the word for a model under it is not enough.
        """
        links = self.of(stage)
        if stage in {Stage.INGEST, Stage.PREPARE}:
            return links
        return tuple(link for link in links if link.digest == digest)

    @property
    def unattested(self) -> tuple[str, ...]:
        """The nodes that no gate admitted or made: a later gate's word is no admission.

        So are those of which evidence is gone: it may have been the refusal of what is left.
        """
        allowed = {
            link.digest
            for link in self.links
            if link.stage in MAKING and link.gate.outcome is Outcome.ALLOW
        }
        known = allowed - {*self.erased}
        return tuple(digest for digest in self.nodes if digest not in known)

    @property
    def raw(self) -> tuple[str, ...]:
        """The nodes that were made from no other node."""
        inner = set(self.nodes)
        made = {
            link.digest
            for link in self.links
            if link.stage in MAKING
            and link.gate.outcome is Outcome.ALLOW
            and any(str(item.digest) in inner - {link.digest} for item in link.gate.materials)
        }
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


class ArtifactNames(Protocol):
    """Says how artifacts are called where no statement of the chain does."""

    def artifact(self, digest: str) -> ArtifactRow | None:
        """Return an artifact's kind and name."""
        ...


class StatementSource(Protocol):
    """Gives logged statements with their inclusion proofs in the head that is verified against."""

    def about(self, digest: str, *, drill: bool) -> Sequence[int]:
        """Return where gate statements about a digest are, oldest first, and leave none out."""
        ...

    def logged(self, index: int) -> LoggedStatement | None:
        """Return a statement, or ``None`` where its envelope is missing or was erased.

        Raises:
            VerificationError: The log or the store contradicts itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChainReader:
    """Walks and verifies."""

    store: ArtifactNames
    statements: StatementSource
    verification: Verification

    def read(self, digests: Iterable[str], *, drill: bool = False) -> Chain:
        """Return the chain of some artifacts, themselves included.

        Args:
            digests: Where to begin.
            drill: Whether it is the chain of statements that were made in drills.
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
            self._read_about(digest, found, drill=drill)
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

    def _read_about(self, digest: str, found: "_Found", *, drill: bool) -> None:
        """Take the newest statement of each action; a refused promotion changed nothing."""
        newest: dict[tuple[Stage, str], LoggedStatement] = {}
        for said in originals(self.statements, digest, drill=drill):
            if said.error is not None:
                found.broken.append(_broken(said.index, digest, said.error))
            elif said.logged is None or said.claim is None:
                found.erased.append(digest)
            elif said.claim.drill is drill and not said.claim.idle:
                newest[said.claim.stage, said.claim.action] = said.logged
        for logged in newest.values():
            try:
                found.add(self.verify(logged, digest))
            except TidegateError as error:
                found.broken.append(_broken(logged.index, digest, error))

    def verify(self, logged: LoggedStatement, digest: str) -> Link:
        """Verify a gate statement about an artifact, with whatever it claims of itself.

        Raises:
            TidegateError: A link of it does not hold; see :meth:`Verification.verify`. Or it says
                that somebody else acted than who signed it (slug ``contradiction``).
        """
        stage = claimed(logged).stage
        verified = self.verification.verify(logged, stage=stage, about=Digest.parse(digest))
        gate = GatePredicate.of(verified.statement)
        actor = (gate.actor.principal, gate.actor.key_id)
        if actor not in {(signer.principal, signer.key_id) for signer in verified.signers}:
            raise VerificationError(
                "the statement names another actor than who signed it",
                where=f"entry {logged.index}",
                cause=f"it names {actor[0][:80]}",
                slug="contradiction",
            )
        if gate.outcome is Outcome.ALLOW and not _is_whole(gate):
            raise VerificationError(
                "the statement allows what its checks did not wholly see",
                where=f"entry {logged.index}",
                slug="contradiction",
            )
        return Link(digest, verified, gate)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a gate statement says of itself, before it is verified."""

    stage: Stage
    action: str
    drill: bool
    idle: bool
    """A promotion that was refused: an attempt, which left everything as it was."""
    payload: Digest
    """Of the bytes that are signed."""


def claimed(logged: LoggedStatement) -> Claim:
    """Read what a gate statement says of itself.

    Raises:
        VerificationError: It is not well-formed.
    """
    payload = Envelope.parse(logged.envelope).payload
    gate = GatePredicate.of(Statement.parse(payload))
    return Claim(
        gate.gate.stage,
        gate.gate.action,
        gate.drill or Entry.parse(logged.entry).kind == "drill",
        gate.gate.action == PROMOTE and gate.outcome is not Outcome.ALLOW,
        sha256(payload),
    )


@dataclass(frozen=True, slots=True)
class Said:
    """A statement as the log has it, before it is verified."""

    index: int
    logged: LoggedStatement | None = None
    """``None`` where its envelope is missing or was erased, or it can't be read."""
    claim: Claim | None = None
    error: TidegateError | None = None


def originals(source: StatementSource, digest: str, *, drill: bool) -> Iterator[Said]:
    """Yield the gate statements about an artifact, oldest first, each once.

    Who can write to the store can append an old allow once more: an entry is not signed, and an
    envelope has many spellings (white space, a second signature, the other of two that ECDSA
    knows). What was signed, and so what tells one word from another, is the payload.
    """
    seen: set[Digest] = set()
    for index in source.about(digest, drill=drill):
        try:
            logged = source.logged(index)
            claim = None if logged is None else claimed(logged)
        except TidegateError as error:
            yield Said(index, error=error)
            continue
        if claim is None:
            yield Said(index)
        elif claim.payload not in seen:
            seen.add(claim.payload)
            yield Said(index, logged, claim)


def _broken(index: int, digest: str, error: TidegateError) -> Broken:
    return Broken(index, digest, f"{error.code}: {error}"[:300])


def _is_whole(gate: GatePredicate) -> bool:
    """Tell whether an enforced rule decided, and every check examined all that it planned."""
    enforced = any(rule.get("mode") == "enforce" for rule in gate.rules)
    coverages = [check["coverage"] for check in gate.checks]
    return bool(enforced and coverages) and all(
        0 < seen["examined"] >= seen["planned"] and not (seen["skipped"] or seen["failed"])
        for seen in coverages
    )


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
        self._data: set[str] = set()

    def add(self, link: Link) -> None:
        """Add a link; the oldest statement about an artifact says what it is called."""
        older = [known.verified.index for known in self.links if known.digest == link.digest]
        self.links.append(link)
        if not older or link.verified.index < min(older):
            self._call(link.digest, link.facts.get("kind"), link.facts.get("name"))

    def _call(self, digest: str, kind: Json, name: Json) -> None:
        """Take a verified statement's word for what an artifact is, over the projection's.

        What was data once stays data: nobody makes it pass for code, which no gate admits.
        """
        if isinstance(kind, str) and not (kind in CONTEXT_KINDS and digest in self._data):
            self.kinds[digest] = kind
        if self.kinds.get(digest, "artifact") not in CONTEXT_KINDS:
            self._data.add(digest)
        if isinstance(name, str) and name:
            self.names[digest] = name

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
                self._call(source, material.kind, material.name)
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
