"""Evidence files: what proves one artifact's chain, for a machine that has nothing else.

One JSON file holds the signed head, each statement of the chain with its log entry and inclusion
proof, and all directives, so that revocations count offline, too. What it can't show is what was
logged after its head: its age is part of the answer.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidegate.app.workspace import Workspace
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.uris import GATE
from tidegate.core.attest.verifier import VerifiedSigner
from tidegate.core.canonical import Json, dumps, loads
from tidegate.core.clock import Micros
from tidegate.core.errors import TidegateError, VerificationError
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.ledger.entry import Entry
from tidegate.core.policy.directive_state import DirectiveState
from tidegate.core.stage import Stage
from tidegate.core.verify import LoggedStatement, Verification, open_head
from tidegate.gates.chain import Chain, ChainReader
from tidegate.gates.custody import Custody, custody
from tidegate.graph.acts import fold, revocations
from tidegate.graph.project import Collected
from tidegate.graph.rows import ArtifactRow, AttestationRow, DirectiveRow, Rows

SCHEMA = "tidegate/evidence/v1"
MAX_STATEMENTS = 100_000
_MAX_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Evidence:
    """The content of an evidence file."""

    digest: str
    """What it is about."""
    checkpoint: bytes
    statements: tuple[LoggedStatement, ...]
    """Gate statements and directives."""

    def to_bytes(self) -> bytes:
        """Return the file."""
        return dumps(
            {
                "schema": SCHEMA,
                "digest": self.digest,
                "checkpoint": self.checkpoint.decode(),
                "statements": [_statement_json(item) for item in self.statements],
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
        items = fields.array("statements", limit=MAX_STATEMENTS)
        return cls(
            str(fields.digest("digest")),
            fields.text("checkpoint", limit=65_536).encode(),
            tuple(map(_read_statement, items)),
        )


def export_evidence(workspace: Workspace, digest: str) -> Evidence:
    """Collect everything that proves an artifact's chain.

    Raises:
        VerificationError: The log contradicts itself.
    """
    reader = workspace.chains()
    chain = reader.read([digest])
    wanted = {link.verified.index for link in chain.links}
    wanted |= {row.index for row in workspace.projections.directives()}
    found = (reader.statements.logged(index) for index in sorted(wanted))
    statements = tuple(item for item in found if item is not None)
    return Evidence(digest, reader.verification.head.note, statements)


def verify_evidence(evidence: Evidence, trust: TrustRoot, *, now: Micros) -> Custody:
    """Verify a chain from the file in hand and a trust root: no store, no network.

    Raises:
        VerificationError: The head does not verify.
    """
    head = open_head(evidence.checkpoint, trust)
    index = EvidenceIndex(evidence.statements)
    first = Verification(trust, head)
    state = fold(index.directives(first), trust)
    verification = Verification(trust, head, revocations(state), now)
    chain = ChainReader(index, index, verification).read([evidence.digest])
    return custody(chain, evidence.digest, state=state, now=now, wanted=wanted_stages(chain))


def custody_of(workspace: Workspace, digest: str) -> Custody:
    """Verify an artifact's chain in its workspace."""
    chain = workspace.chains().read([digest])
    state: DirectiveState = workspace.directives()
    return custody(
        chain, digest, state=state, now=workspace.clock.now(), wanted=wanted_stages(chain)
    )


def wanted_stages(chain: Chain) -> tuple[Stage, ...] | None:
    """A model that was served must still be allowed to be."""
    if chain.of(Stage.SERVE):
        return (Stage.INGEST, Stage.PREPARE, Stage.TRAIN, Stage.VALIDATE, Stage.REGISTRY,
                Stage.SERVE)  # fmt: skip
    return None


class EvidenceIndex:
    """Statements of a file by subject; what they say is believed only after verification."""

    def __init__(self, statements: Sequence[LoggedStatement]) -> None:
        self._statements = {item.index: item for item in statements}
        self._about: dict[str, list[AttestationRow]] = {}
        self._artifacts: dict[str, ArtifactRow] = {}
        for item in sorted(statements, key=lambda item: item.index):
            self._index(item)

    def attestations_about(self, digest: str) -> list[AttestationRow]:
        """Return the statements about a digest, oldest first."""
        return self._about.get(digest, [])

    def artifact(self, digest: str) -> ArtifactRow | None:
        """Return an artifact's kind and name."""
        return self._artifacts.get(digest)

    def logged(self, index: int) -> LoggedStatement | None:
        """Return a statement."""
        return self._statements.get(index)

    def directives(self, verification: Verification) -> Iterable[DirectiveRow]:
        """Yield the rows of the directives that verify, in log order."""
        for index in sorted(self._statements):
            item = self._statements[index]
            entry = Entry.parse(item.entry)
            if entry.kind == "directive":
                verified = verification.verify(item)
                rows = Collected()
                rows.add(index, entry, verified.statement, verified.signers[0])
                yield from rows.freeze().directives

    def _index(self, item: LoggedStatement) -> None:
        try:
            rows = _rows(item)
        except TidegateError:
            return  # it can't be read: the chain will have a gap where it should be
        for row in rows.artifacts:
            self._artifacts.setdefault(row.digest, row)
        for attestation in rows.attestations:
            self._about.setdefault(attestation.subject_digest, []).append(attestation)


def _rows(item: LoggedStatement) -> Rows:
    """Read, without belief, what a statement is about."""
    statement = Statement.parse(Envelope.parse(item.envelope).payload)
    rows = Collected()
    if statement.predicate_type == GATE:
        signer = VerifiedSigner("", "", frozenset())
        rows.add(item.index, Entry.parse(item.entry), statement, signer)
    return rows.freeze()


def _statement_json(item: LoggedStatement) -> dict[str, Json]:
    return {
        "index": item.index,
        "entry": b64encode(item.entry).decode(),
        "envelope": b64encode(item.envelope).decode(),
        "proof": [b64encode(node).decode() for node in item.proof],
    }


def _read_statement(value: Json) -> LoggedStatement:
    fields = Fields(value, "evidence")
    try:
        proof = tuple(b64decode(text, validate=True) for text in fields.texts("proof", limit=64))
    except ValueError as error:
        raise VerificationError("not an inclusion proof", cause=str(error)[:100]) from None
    return LoggedStatement(
        fields.integer("index"),
        fields.base64("entry", limit=65_536),
        fields.base64("envelope", limit=64 << 20),
        proof,
    )
