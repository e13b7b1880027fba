"""From the ledger to rows: what each entry says, and nothing that it does not.

A statement becomes rows only when its envelope is there and verifies by the trust root; anything
else is noted as *unknown*, and nothing rests on it. The same ledger always gives the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tidegate.core.attest.directive import Directive
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import DIRECTIVE, GATE, TRUST
from tidegate.core.attest.verifier import VerifiedSigner, verify_envelope
from tidegate.core.canonical import Json, dumps
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import BusyError, LedgerError, VerificationError
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.ledger.entry import Entry
from tidegate.core.stage import Outcome
from tidegate.core.verify import check_belongs
from tidegate.graph.rows import (
    ArtifactRow,
    AttestationRow,
    DirectiveRow,
    EdgeRow,
    ProjectionStore,
    Rows,
    UnknownRow,
)

_BATCH = 512
_ATTEMPTS = 100_000
"""Batches in one call, lost races included: 51 million entries."""
_SILENT = frozenset({"genesis", "gap", "close"})


class LedgerView(Protocol):
    """The committed log and the envelopes that it names."""

    def size(self) -> int:
        """Return the number of committed entries."""
        ...

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entries in order, each proved."""
        ...

    def envelope(self, digest: str) -> bytes | None:
        """Return an envelope's bytes; ``None`` where it is missing or was erased."""
        ...


@dataclass(frozen=True, slots=True)
class Projector:
    """Keeps a store's projections in step with its ledger."""

    ledger: LedgerView
    store: ProjectionStore
    trust: TrustRoot

    def catch_up(self) -> int:
        """Project the entries that are new; return how many there were.

        Raises:
            BusyError: Other processes kept moving the projection for too long.
        """
        done = 0
        for attempt in range(_ATTEMPTS):
            first, size = self.store.next_index(), self.ledger.size()
            if first >= size:
                return done
            last = min(first + _BATCH, size)
            rows = Collected()
            for index, data in enumerate(self.ledger.entries(first, last), first):
                self._project(rows, index, data)
            try:
                self.store.apply(rows.freeze(), last, start=first)
            except BusyError as error:
                # Another process was faster: go on from where it stands. One that holds the
                # store was waited for already.
                if error.slug != "projection-moved" or attempt + 1 == _ATTEMPTS:
                    raise
                continue
            done += last - first
        return done

    def rebuild(self) -> int:
        """Drop every row and project the whole ledger anew."""
        self.store.reset()
        return self.catch_up()

    def _project(self, rows: "Collected", index: int, data: bytes) -> None:
        try:
            entry = Entry.parse(data)
            if not entry.known:
                rows.note(index, f"entry kind {entry.kind[:40]!r} is not known to this version")
            elif entry.kind == "trust":
                rows.add_trust(index, entry)
            elif entry.kind not in _SILENT:
                rows.add(index, entry, *self._read(index, entry))
        except VerificationError as error:
            rows.note(index, f"{error.code}: {error}"[:300])

    def _read(self, index: int, entry: Entry) -> tuple[Statement, VerifiedSigner]:
        data = None if entry.envelope is None else self.ledger.envelope(entry.envelope)
        return read_statement(index, entry, data, self.trust)


def read_statement(
    index: int, entry: Entry, envelope: bytes | None, trust: TrustRoot
) -> tuple[Statement, VerifiedSigner]:
    """Verify the envelope of a proved entry by the trust root; return what it says, and who.

    Revocations are left out: they are read from such statements.

    Raises:
        VerificationError: The envelope is missing or another one, its signature does not count, or
            it contradicts its entry.
    """
    if envelope is None:
        raise VerificationError("the envelope is missing or was erased", slug="no-envelope")
    if str(sha256(envelope)) != entry.envelope:
        raise VerificationError("the envelope was changed", slug="envelope-changed")
    signed = verify_envelope(Envelope.parse(envelope), trust, at=Micros(entry.time), index=index)
    check_belongs(entry, signed.statement, signed.signers, index)
    return signed.statement, signed.signers[0]


def directive_row(
    index: int, entry: Entry, statement: Statement, signer: VerifiedSigner
) -> DirectiveRow:
    """Return the row of a verified directive.

    Raises:
        VerificationError: It is none, or malformed.
    """
    act = Directive.of(statement)
    payload = dumps(dict(act.payload)).decode()
    return DirectiveRow(
        index, act.kind, act.target, signer.principal, signer.key_id, act.expires, entry.time,
        payload,
    )  # fmt: skip


def read_directive(
    index: int, entry: Entry, envelope: bytes | None, trust: TrustRoot
) -> tuple[DirectiveRow, Digest] | None:
    """Return the row of a directive's proved entry, and the digest of the bytes that were signed.

    It is ``None`` where its signature does not count.

    Raises:
        LedgerError: What it says is not there, and nobody can tell what it forbade.
    """
    if envelope is None or str(sha256(envelope)) != entry.envelope:
        raise LedgerError(
            "a directive is missing",
            where=f"log {index}",
            cause="it may be a quarantine or a revocation",
            next_step="restore the store from a backup that holds it, or get the file again",
            slug="directive-missing",
        )
    try:
        row = directive_row(index, entry, *read_statement(index, entry, envelope, trust))
        return row, sha256(Envelope.parse(envelope).payload)
    except VerificationError:
        return None


class Collected:
    """Rows of one batch while it is read."""

    def __init__(self) -> None:
        self._artifacts: dict[str, ArtifactRow] = {}
        self._attestations: list[AttestationRow] = []
        self._edges: dict[tuple[str, str], EdgeRow] = {}
        self._directives: list[DirectiveRow] = []
        self._unknown: list[UnknownRow] = []

    def freeze(self) -> Rows:
        """Return what was collected."""
        return Rows(
            tuple(self._artifacts.values()),
            tuple(self._attestations),
            tuple(self._edges.values()),
            tuple(self._directives),
            tuple(self._unknown),
        )

    def note(self, index: int, why: str) -> None:
        """Note an entry that nothing rests on."""
        self._unknown.append(UnknownRow(index, why))

    def add(self, index: int, entry: Entry, statement: Statement, signer: VerifiedSigner) -> None:
        """Add what a verified statement says."""
        if statement.predicate_type == DIRECTIVE and entry.kind == "directive":
            self._directives.append(directive_row(index, entry, statement, signer))
        elif statement.predicate_type == GATE:
            self._add_gate(index, entry, statement, signer)
        else:
            self._add_other(index, entry, statement, signer)

    def add_trust(self, index: int, entry: Entry) -> None:
        """Add a version of the trust root by its digest; who loads it verifies it."""
        for digest in entry.subjects:
            self._attestations.append(
                AttestationRow(
                    index, digest, TRUST, "", "", "", entry.actor, entry.key_id, entry.time,
                    drill=False,
                )
            )  # fmt: skip

    def _add_gate(
        self, index: int, entry: Entry, statement: Statement, signer: VerifiedSigner
    ) -> None:
        predicate = GatePredicate.of(statement)
        gate = predicate.gate
        drill = predicate.drill or entry.kind == "drill"
        for subject in statement.subjects:
            digest = _digest(subject)
            facts = dict(predicate.annotations.get(subject.name, {}))
            self._artifact(digest, subject.name, str(facts.get("kind", "artifact")), index, facts)
            self._attestations.append(
                AttestationRow(
                    index, digest, GATE, gate.stage.value, gate.action, predicate.outcome.value,
                    signer.principal, signer.key_id, entry.time, drill,
                )
            )  # fmt: skip
            # What was refused made nothing: only an allowed statement is an edge of the lineage.
            if predicate.outcome is Outcome.ALLOW and not drill:
                for material in predicate.materials:
                    self._edge(str(material.digest), digest, index, gate.stage.value)
        for material in predicate.materials:
            self._artifact(str(material.digest), material.name, material.kind, index, {})

    def _add_other(
        self, index: int, entry: Entry, statement: Statement, signer: VerifiedSigner
    ) -> None:
        for subject in statement.subjects:
            digest = _digest(subject)
            self._artifact(digest, subject.name, "artifact", index, {})
            self._attestations.append(
                AttestationRow(
                    index, digest, statement.predicate_type, "", "", "", signer.principal,
                    signer.key_id, entry.time, entry.kind == "drill",
                )
            )  # fmt: skip

    def _artifact(
        self, digest: str, name: str, kind: str, index: int, facts: dict[str, Json]
    ) -> None:
        if digest not in self._artifacts:
            body = dumps(facts).decode()
            self._artifacts[digest] = ArtifactRow(digest, name, kind, index, body)

    def _edge(self, source: str, target: str, index: int, stage: str) -> None:
        if source != target:
            self._edges.setdefault((source, target), EdgeRow(source, target, index, stage))


def _digest(subject: Subject) -> str:
    value = subject.digests.get("sha256")
    if value is None:
        raise VerificationError("a subject has no SHA-256", where=subject.name[:100], slug="sha256")
    return f"sha256:{value}"
