"""The log as people read it: entries with what their statements say, proofs, and a full check."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tidegate.app.workspace import Workspace
from tidegate.core.attest.directive import Directive
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.uris import DIRECTIVE, GATE, TRUST
from tidegate.core.attest.verifier import verify_envelope
from tidegate.core.canonical import Json
from tidegate.core.clock import Micros, iso
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import LedgerError, SubjectError, TrustError, VerificationError
from tidegate.core.identity.trust import Purpose, TrustRoot
from tidegate.core.ledger.checkpoint import VerifiedCheckpoint, open_checkpoint
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.proof import TlogProof, export_proof
from tidegate.core.ledger.storage import Erased
from tidegate.core.verify import note_keys, open_head
from tidegate.logbook.fsck import Damage, FsckReport, fsck
from tidegate.logbook.monitor import Memory

_TEXT = 200


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry, and whether what it names is there and verifies."""

    index: int
    kind: str
    time: int
    actor: str
    says: str
    """What the statement says, in one line; text from artifacts, not to be trusted."""
    state: str
    """``verified``; ``erased`` on purpose; ``unsigned`` where there is nothing to sign; ``unknown``
    to this version; else what is wrong."""
    subjects: tuple[str, ...]
    envelope: str | None

    @property
    def damaged(self) -> bool:
        """Whether something is missing or does not verify."""
        return self.state not in _FINE

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        return {
            "index": self.index,
            "kind": self.kind,
            "time": iso(self.time),
            "actor": self.actor,
            "says": self.says,
            "state": self.state,
            "subjects": list(self.subjects),
            "envelope": self.envelope,
        }


_FINE = frozenset({"verified", "erased", "unsigned", "unknown"})


def read_log(workspace: Workspace, start: int, limit: int) -> Iterator[LogLine]:
    """Yield entries in order, each proved under the committed head.

    Raises:
        ProofError: An entry was changed in the store, or there is none at ``start``.
        LedgerError: The store contradicts itself.
    """
    stop = min(start + limit, workspace.log.head.size)
    for index, data in enumerate(workspace.log.entries(min(start, stop), stop), start):
        yield _line(workspace, index, Entry.parse(data))


def _line(workspace: Workspace, index: int, entry: Entry) -> LogLine:
    says, state = _told(workspace, index, entry)
    return LogLine(
        index, entry.kind, entry.time, entry.actor, says, state, entry.subjects, entry.envelope
    )


def _told(workspace: Workspace, index: int, entry: Entry) -> tuple[str, str]:
    if not entry.known:
        return "of a version that this one does not know", "unknown"
    if entry.envelope is None:
        facts = (f"{name} {str(value)[:_TEXT]}" for name, value in entry.extra.items())
        return ", ".join(facts), "unsigned"
    try:
        body = workspace.storage.envelope(entry.envelope)
        if isinstance(body, Erased):
            return f"the statement was erased at {iso(body.time)}", "erased"
        if body is None:
            return "", "the envelope is missing"
        return summary(_statement(workspace, index, entry, Envelope.parse(body))), "verified"
    except (VerificationError, LedgerError) as error:
        return "", f"{error.code}: {error.problem}"


def _statement(workspace: Workspace, index: int, entry: Entry, signed: Envelope) -> Statement:
    if entry.kind == "trust":  # its chain was verified when the workspace was opened
        return Statement.parse(signed.payload)
    at = Micros(entry.time)
    return verify_envelope(signed, workspace.trust, at=at, index=index).statement


def summary(statement: Statement) -> str:
    """Say in one line what a statement says."""
    names = ", ".join(one.name or "?" for one in statement.subjects[:3])
    if len(statement.subjects) > 3:  # noqa: PLR2004 - as many as are named
        names += f" and {len(statement.subjects) - 3} more"
    if statement.predicate_type == GATE:
        gate = GatePredicate.of(statement)
        drill = " (drill)" if gate.drill else ""
        return f"{gate.gate.stage.value}/{gate.gate.action} {gate.outcome.value}{drill}: {names}"
    if statement.predicate_type == DIRECTIVE:
        act = Directive.of(statement)
        return f"{act.kind} {act.target[:_TEXT]}: {act.reason[:_TEXT]}"
    if statement.predicate_type == TRUST:
        trust = TrustRoot.from_json(statement.predicate)
        return f"trust root version {trust.version}, {len(trust.keys)} keys"
    return f"{statement.predicate_type}: {names}"


def signed_by(workspace: Workspace, key_id: str, start: int) -> list[int]:
    """Return the entries from an index on whose envelope a key signed."""
    first = min(start, workspace.log.head.size)
    entries = enumerate(workspace.log.entries(first), first)
    return [index for index, data in entries if Entry.parse(data).key_id == key_id]


def index_of(workspace: Workspace, text: str) -> int:
    """Return the entry that an index, an envelope's digest, or the newest about a digest means.

    Raises:
        SubjectError: There is no such entry.
    """
    if text.isdecimal() and len(text) < 16:  # noqa: PLR2004 - digits of 2**53
        return within(workspace, int(text))
    digest = str(Digest.parse(text))
    found = workspace.storage.envelope_indices(digest)
    if not found:
        workspace.catch_up()
        found = [row.index for row in workspace.projections.attestations_about(digest)]
    if not found:
        raise SubjectError(
            "no entry of the log is about this digest",
            where=digest,
            next_step="see `tidegate log show`, or name an index",
            slug="no-such-entry",
        )
    return found[-1]


def within(workspace: Workspace, index: int) -> int:
    """Return an index that the log has.

    Raises:
        SubjectError: It has none such.
    """
    if not 0 <= index < (size := workspace.log.head.size):
        raise SubjectError(
            f"the log has {size} entries",
            where=f"log {index}",
            next_step="see `tidegate log show`",
            slug="no-such-entry",
        )
    return index


def prove(workspace: Workspace, index: int) -> TlogProof:
    """Prove an entry; its bytes travel as extra data, so that the file alone can be verified.

    Raises:
        ProofError: There is no such entry, or the store was changed.
    """
    return replace(export_proof(workspace.log, index), extra=workspace.log.entry(index))


def verify_proof(data: bytes, trust: TrustRoot) -> tuple[TlogProof, Entry, VerifiedCheckpoint]:
    """Verify a file that :func:`prove` made, by a trust root alone.

    Raises:
        VerificationError: It is no proof, holds no entry, or does not verify.
        TrustError: No trusted key signed its head, or too few witnesses did.
    """
    proof = TlogProof.parse(data)
    if not proof.extra:
        raise VerificationError(
            "the proof does not hold its entry",
            next_step="make it with `tidegate log prove`",
            slug="no-entry",
        )
    head = open_head(proof.checkpoint, trust)
    proof.verify(proof.extra, note_keys(trust, Purpose.LOG))
    return proof, Entry.parse(proof.extra), head


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What reading all of a log again found."""

    report: FsckReport
    envelopes: int
    """Envelopes that are there and have their digest."""
    erased: int
    damages: tuple[Damage, ...]
    """Of log, envelopes, and of what this client remembers."""

    def to_json(self) -> dict[str, Json]:
        """Return all fields."""
        return {
            "ok": not self.damages,
            "entries": self.report.entries,
            "tiles": self.report.tiles,
            "checkpoint": self.report.checkpoint,
            "unknown": self.report.unknown,
            "envelopes": self.envelopes,
            "erased": self.erased,
            "damages": [
                {"slug": one.slug, "where": one.where, "what": one.what} for one in self.damages
            ],
        }


def check_log(workspace: Workspace) -> LogCheck:
    """Read all of the log and its envelopes again, and compare it with the remembered head.

    Raises:
        StoreError: The store can't be read.
    """
    report = fsck(workspace.storage, note_keys(workspace.trust, Purpose.LOG))
    damages = list(report.damages)
    if report.checkpoint is None and report.entries and not damages:
        damages.append(Damage("unsigned", "head", "no signed head vouches for the entries"))
    there = erased = 0
    for index, data in enumerate(workspace.storage.entries(0, report.entries)):
        state = _envelope_state(workspace, data)
        there, erased = there + (state == "there"), erased + (state == "erased")
        if state not in {"there", "erased", ""}:
            damages.append(Damage("envelope", f"entry {index}", state))
    if not damages:
        damages += _remembered(workspace)
    return LogCheck(report, there, erased, tuple(damages))


def _envelope_state(workspace: Workspace, data: bytes) -> str:
    try:
        digest = Entry.parse(data).envelope
        if digest is None:
            return ""
        body = workspace.storage.envelope(digest)
    except (VerificationError, LedgerError) as error:
        return error.problem
    if isinstance(body, Erased):
        return "erased"
    if body is None:
        return "its envelope is missing"
    return "there" if str(sha256(body)) == digest else "its envelope was changed"


def _remembered(workspace: Workspace) -> Iterator[Damage]:
    """Compare the head with the newest one that this client saw."""
    if workspace.state is None or workspace.storage.checkpoint() is None:
        return
    try:
        head = newest_head(workspace)
        Memory(workspace.state).check(head, workspace.log.prove_consistency)
    except (LedgerError, VerificationError) as error:
        yield Damage(error.slug or "fork", workspace.origin, f"{error.problem} ({error.cause})")


def newest_head(workspace: Workspace) -> VerifiedCheckpoint:
    """Return the newest signed head with what cosignatures it has, whatever the threshold.

    Raises:
        LedgerError: There is none, or the log contradicts it.
        TrustError: No trusted key signed it.
    """
    try:
        return open_checkpoint(
            workspace.log.checkpoint(),
            note_keys(workspace.trust, Purpose.LOG),
            witnesses=note_keys(workspace.trust, Purpose.WITNESS),
        )
    except TrustError as error:
        error.next_step = error.next_step or "run `tidegate trust pull`"
        raise
