"""Evidence files: what proves one artifact's chain, for a machine that has nothing else.

One JSON file holds the signed head, every entry of the log, and the envelopes of all directives and
of all gate statements about the chain's artifacts. The entries together give the head's root, so
nothing can be left out of the file: neither a refusal nor a quarantine nor a revocation. What it
can't show is what was logged after its head: its age is part of the answer.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.app.workspace import Workspace
from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.clock import Micros
from tidegate.core.errors import ProofError, TrustError, UsageError
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.ledger.checkpoint import VerifiedCheckpoint
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.merkle import CompactRange, inclusion_path
from tidegate.core.merkle import leaf_hash
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.stage import Stage
from tidegate.core.verify import LoggedStatement, Verification, open_head
from tidegate.gates.chain import Chain, ChainReader
from tidegate.gates.custody import MODEL_STAGES, Custody, custody
from tidegate.graph.acts import fold, original, revocations
from tidegate.graph.places import Places
from tidegate.graph.project import read_directive
from tidegate.graph.rows import DirectiveRow

SCHEMA = "tidegate/evidence/v1"
MAX_ENTRIES = 500_000
_MAX_BYTES = 512 << 20
_MAX_ENVELOPE = 64 << 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """The content of an evidence file."""

    digest: str
    """What it is about."""
    checkpoint: bytes
    entries: tuple[bytes, ...]
    """The whole log, in order."""
    statements: Mapping[int, bytes]
    """Log index to envelope: gate statements and directives."""

    def to_bytes(self) -> bytes:
        """Return the file."""
        return dumps(
            {
                "schema": SCHEMA,
                "digest": self.digest,
                "checkpoint": self.checkpoint.decode(),
                "entries": [entry.decode() for entry in self.entries],
                "statements": [
                    {"index": index, "envelope": b64encode(envelope).decode()}
                    for index, envelope in sorted(self.statements.items())
                ],
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Evidence":
        """Read a file of untrusted origin.

        Raises:
            VerificationError: It is no evidence file.
        """
        fields = Fields(loads(data, what="the evidence", limit=_MAX_BYTES), "evidence")
        if fields.text("schema", limit=100) != SCHEMA:
            raise fields.refuse("this version can't read it", where="schema")
        entries = fields.array("entries", limit=MAX_ENTRIES)
        if not all(isinstance(entry, str) for entry in entries):
            raise fields.refuse("an entry is no text", where="entries")
        items = fields.array("statements", limit=MAX_ENTRIES)
        return cls(
            str(fields.digest("digest")),
            fields.text("checkpoint", limit=65_536).encode(),
            tuple(entry.encode("utf-8", "replace") for entry in entries),
            dict(map(_read_statement, items)),
        )


def export_evidence(workspace: Workspace, digest: str) -> Evidence:
    """Collect everything that proves an artifact's chain.

    Raises:
        UsageError: The log is longer than a file can show.
        VerificationError: The log contradicts itself.
    """
    reader = workspace.chains()
    head, places = reader.verification.head, workspace.places
    size = head.checkpoint.size
    if size > MAX_ENTRIES:
        raise UsageError(
            f"the log has {size} entries, and an evidence file shows at most {MAX_ENTRIES}",
            next_step="have it verified where the log is: `tidegate verify`",
            slug="log-too-long",
        )
    wanted = {index for index in places.directives if index < size}
    for node in reader.read([digest]).nodes:
        wanted.update(reader.statements.about(node, drill=False))
    found = {index: reader.statements.logged(index) for index in sorted(wanted)}
    statements = {index: item.envelope for index, item in found.items() if item is not None}
    return Evidence(digest, head.note, tuple(workspace.ledger.entries(0, size)), statements)


def verify_evidence(evidence: Evidence, trust: TrustRoot, *, now: Micros) -> Custody:
    """Verify a chain from the file in hand and a trust root: no store, no network.

    Raises:
        VerificationError: The head does not verify, or the file is not all that it proves.
        LedgerError: A directive's envelope is missing from the file.
        TrustError: The log knows of a newer trust root than the one in hand.
    """
    head = open_head(evidence.checkpoint, trust)
    log = EvidenceLog(evidence, head)
    _check_current(trust, log.places)
    state = fold(log.directives(trust), trust)
    verification = Verification(trust, head, revocations(state), now)
    chain = ChainReader(log, log, verification).read([evidence.digest])
    return custody(
        chain, evidence.digest, state=state, now=now, wanted=wanted_stages(chain, evidence.digest)
    )


def custody_of(workspace: Workspace, digest: str) -> Custody:
    """Verify an artifact's chain in its workspace."""
    chain = workspace.chains().read([digest])
    state: DirectiveState = workspace.directives()
    return custody(
        chain, digest, state=state, now=workspace.clock.now(), wanted=wanted_stages(chain, digest)
    )


def wanted_stages(chain: Chain, digest: str) -> tuple[Stage, ...] | None:
    """A model that was served must still be allowed to be."""
    return (*MODEL_STAGES, Stage.SERVE) if chain.words(Stage.SERVE, digest) else None


class EvidenceLog:
    """The whole log as a file shows it, held against a verified head.

    Raises:
        ProofError: The entries are not the ones that the head commits to.
    """

    def __init__(self, evidence: Evidence, head: VerifiedCheckpoint) -> None:
        self._entries, self._statements = evidence.entries, evidence.statements
        self._rows: list[list[bytes]] = []
        tree = CompactRange(on_node=self._keep)
        for entry in self._entries:
            tree.append(leaf_hash(entry))
        signed = head.checkpoint
        if (tree.size, tree.root) != (signed.size, signed.root):
            raise ProofError(
                "the entries are not the ones that the signed head commits to",
                where=f"{tree.size} entries, and {signed.size} were signed",
                next_step="export the evidence again",
                slug="entries-changed",
            )
        self.places = Places()
        self.places.extend(self._entries)

    def about(self, digest: str, *, drill: bool) -> Sequence[int]:
        """Return where gate statements about a digest are, oldest first."""
        return self.places.about(digest, drill=drill)

    def artifact(self, digest: str) -> None:  # noqa: ARG002 - the protocol's signature
        """Know no artifact but from verified statements."""
        return

    def logged(self, index: int) -> LoggedStatement | None:
        """Return a statement with its inclusion proof; ``None`` where the file lacks it."""
        envelope = self._statements.get(index)
        if envelope is None:
            return None
        proof = inclusion_path(lambda row, at: self._rows[row][at], index, len(self._entries))
        return LoggedStatement(index, self._entries[index], envelope, proof)

    def directives(self, trust: TrustRoot) -> list[DirectiveRow]:
        """Return the verified directives, in log order.

        Raises:
            LedgerError: The file lacks one.
        """
        rows = (
            read_directive(
                index, Entry.parse(self._entries[index]), self._statements.get(index), trust
            )
            for index in self.places.directives
        )
        return original(rows, self.places.backdated)

    def _keep(self, height: int, node: bytes) -> None:
        if height == len(self._rows):
            self._rows.append([])
        self._rows[height].append(node)


def _check_current(trust: TrustRoot, places: Places) -> None:
    """Refuse a trust root that is older than what the log knows: its keys may be retired."""
    versions = list(dict.fromkeys(places.trust))
    if str(trust.digest) not in versions[-1:] and trust.version <= len(versions):
        raise TrustError(
            "the log knows of another trust root than the one in hand",
            where=f"version {trust.version}, and the log has {len(versions)}",
            next_step="get the present trust root: `tidegate evidence export --trust-file`",
            slug="trust-behind",
        )


def _read_statement(value: Json) -> tuple[int, bytes]:
    fields = Fields(value, "evidence")
    return fields.integer("index"), fields.base64("envelope", limit=_MAX_ENVELOPE)
