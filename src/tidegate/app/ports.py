"""Small adapters between what gates and graph ask for, and what core and store give."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tidegate.core.artifact.hashing import Hasher, hash_fd
from tidegate.core.artifact.reference import KINDS, resolve
from tidegate.core.clock import Clock
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import Log, PendingEntry
from tidegate.core.policy.evaluate import Evaluation, evaluate
from tidegate.core.policy.facts import FactSet
from tidegate.core.policy.model import PolicyBundle
from tidegate.core.policy.result import Mode
from tidegate.core.policy.waiver import Waiver
from tidegate.core.verify import LoggedStatement
from tidegate.gates.contract import Artifact, GateRequest, Target
from tidegate.graph.acts import original
from tidegate.graph.places import Places
from tidegate.graph.project import read_directive
from tidegate.graph.rows import DirectiveRow
from tidegate.store.log import SqlLogStorage
from tidegate.tables.describe import describe
from tidegate.tables.schema import TableSchema

_STRENGTH = (Mode.SHADOW, Mode.WARN, Mode.ENFORCE)


@dataclass(frozen=True, slots=True)
class PathResolver:
    """Resolves targets by hashing what lies at their path."""

    schemas: Mapping[str, TableSchema] = field(default_factory=dict[str, TableSchema])
    """Table schemas by target name: such a table also gets its content digest."""
    hasher: Hasher = hash_fd

    def resolve(self, target: Target) -> Artifact:
        """Return the artifact; a path whose bytes have another digest than asked is refused."""
        if target.path is None:
            if target.digest is None:
                raise SubjectError(
                    "neither a path nor a digest", where=target.name, slug="nothing-named"
                )
            return Artifact(target.name, target.kind, target.digest, annotations=target.annotations)
        schema = self.schemas.get(target.name)
        found = resolve(
            target.path,
            kind=target.kind if target.kind in KINDS else None,
            describe=describe(schema) if schema else None,
            hasher=self.hasher,
        )
        if target.digest is not None and found.digest != target.digest:
            raise SubjectError(
                "the bytes are not the ones that were asked for",
                where=str(target.path),
                cause=f"{target.digest.short} was asked for, {found.digest.short} is there",
                next_step="fetch the artifact again",
                slug="other-bytes",
            )
        return Artifact(
            target.name,
            target.kind,
            found.digest,
            target.path,
            found.also,
            {**found.annotations, **target.annotations},
        )


@dataclass(frozen=True, slots=True)
class PolicyJudge:
    """Judges by one bundle, with the waivers that the log holds."""

    bundle: PolicyBundle
    reach: Mode
    """The workspace's mode: no rule reaches farther."""
    waivers: Callable[[], tuple[Waiver, ...]]
    clock: Clock

    @property
    def policy(self) -> str:
        """``name@version sha256:…``."""
        return self.bundle.label

    def judge(self, request: GateRequest, facts: FactSet) -> Evaluation:
        """Evaluate the rules that stand at this gate."""
        evaluation = evaluate(
            self.bundle, facts, gate=request.gate, now=self.clock.now(), waivers=self.waivers()
        )
        if self.reach is Mode.ENFORCE:
            return evaluation
        # A softened policy shows what it would have said, and says that it did not decide.
        limit = _STRENGTH.index(self.reach)
        softened = tuple(
            replace(result, mode=_STRENGTH[min(limit, _STRENGTH.index(result.mode))])
            for result in evaluation.results
        )
        return replace(evaluation, results=softened)


@dataclass(frozen=True, slots=True)
class StoredLedger:
    """A log and its envelopes, as the projector and the chain walk read them."""

    log: Log
    storage: SqlLogStorage

    def size(self) -> int:
        """Return the number of committed entries."""
        return self.log.head.size

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entries in order, each proved."""
        return self.log.entries(start, stop)

    def envelope(self, digest: str) -> bytes | None:
        """Return an envelope's bytes; ``None`` where it is missing or was erased."""
        found = self.storage.envelope(digest)
        return found if isinstance(found, bytes) else None

    def append(self, item: PendingEntry) -> int:
        """Append one entry and return its index."""
        return self.log.append([item])[0].index


@dataclass(frozen=True, slots=True)
class StoredDirectives:
    """The directives of a log, from its own entries: no table can keep one back."""

    ledger: StoredLedger
    places: Places
    trust: TrustRoot
    known: dict[int, tuple[DirectiveRow, Digest] | None] = field(
        default_factory=dict[int, "tuple[DirectiveRow, Digest] | None"]
    )

    def rows(self) -> list[DirectiveRow]:
        """Return those that verify, in log order.

        Raises:
            LedgerError: One is missing from the store.
        """
        for index in self.places.directives:
            if index not in self.known:
                entry = Entry.parse(self.ledger.log.entry(index))
                body = None if entry.envelope is None else self.ledger.envelope(entry.envelope)
                self.known[index] = read_directive(index, entry, body, self.trust)
        return original(map(self.known.get, self.places.directives), self.places.backdated)


@dataclass(frozen=True, slots=True)
class StatementsAt:
    """Logged statements with their proofs in one head."""

    ledger: StoredLedger
    places: Places
    size: int

    def about(self, digest: str, *, drill: bool) -> Sequence[int]:
        """Return where gate statements about a digest are, oldest first."""
        return [index for index in self.places.about(digest, drill=drill) if index < self.size]

    def logged(self, index: int) -> LoggedStatement | None:
        """Return it, or ``None`` where its envelope is missing or was erased."""
        if not 0 <= index < self.size:
            return None
        entry = self.ledger.log.entry(index)
        digest = _envelope_digest(entry)
        body = None if digest is None else self.ledger.envelope(digest)
        if body is None:
            return None
        return LoggedStatement(
            index, entry, body, self.ledger.log.prove_inclusion(index, self.size)
        )


def _envelope_digest(entry: bytes) -> str | None:
    return Entry.parse(entry).envelope
