"""A statement with the proof that it is logged, in one small file: what admission reads.

Everything in it is a standard of its own, so other people's tools can check each part: the
statement is a Sigstore bundle v0.3, and ``proof`` is a C2SP tlog-proof over ``entry`` with the
log's signed checkpoint and its cosignatures. ``trust`` names the trust root that it was made under.

::

    proved = Proved.parse(path.read_bytes())
    verified = proved.verify(trust_root, stages=[Stage.SERVE], now=clock.now(), max_age=DAY)

The file can't show what was logged after its checkpoint: hand in the revocations that you know, and
say how old it may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tidegate.core.attest.envelope import Envelope
from tidegate.core.canonical import dumps, loads
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.core.errors import TrustError
from tidegate.core.identity.reading import Fields
from tidegate.core.identity.trust import Revocation, TrustRoot
from tidegate.core.ledger.proof import MAX_PROOF, TlogProof
from tidegate.core.stage import Stage
from tidegate.core.verify import LoggedStatement, Verification, VerifiedEntry, open_head
from tidegate.interop.bundle import Bundle, KeyHint

SCHEMA: Final = "tidegate/proved/v1"
MAX_BYTES: Final = 1 << 20
_MAX_ENTRY: Final = 65_536
_WHAT = "proved-statement"


@dataclass(frozen=True, slots=True)
class Proved:
    """A signed statement, its entry in the log, and the proof of that."""

    trust: Digest
    """The trust root's digest when this was written."""
    bundle: Bundle
    entry: bytes
    """The log's leaf, verbatim."""
    proof: TlogProof

    @classmethod
    def of(cls, logged: LoggedStatement, checkpoint: bytes, trust: TrustRoot) -> "Proved":
        """Put a logged statement and a signed head together.

        Args:
            logged: With its inclusion proof in that head.
            checkpoint: The signed note.
            trust: The trust root in force.
        """
        envelope = Envelope.parse(logged.envelope)
        bundle = Bundle(envelope, KeyHint(envelope.signatures[0].key_id))
        proof = TlogProof(logged.index, logged.proof, checkpoint)
        return cls(trust.digest, bundle, logged.entry, proof)

    def to_bytes(self) -> bytes:
        """Return the file."""
        return dumps(
            {
                "schema": SCHEMA,
                "trust": str(self.trust),
                "bundle": self.bundle.to_json(),
                "entry": self.entry.decode(),
                "proof": self.proof.to_bytes().decode(),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Proved":
        """Read a file of untrusted origin.

        Raises:
            VerificationError: It is no such file.
        """
        fields = Fields(loads(data, what="the proved statement", limit=MAX_BYTES), _WHAT)
        if fields.text("schema", limit=100) != SCHEMA:
            raise fields.refuse("this version can't read it", where="schema")
        trust = fields.digest("trust")
        bundle = Bundle.parse(dumps(fields.any("bundle")))
        entry = fields.text("entry", limit=_MAX_ENTRY).encode()
        proof = TlogProof.parse(fields.text("proof", limit=MAX_PROOF).encode())
        fields.done()
        return cls(trust, bundle, entry, proof)

    @property
    def index(self) -> int:
        """The entry's place in the log."""
        return self.proof.index

    def verify(
        self,
        trust: TrustRoot,
        *,
        stages: Sequence[Stage],
        now: Micros,
        max_age: Micros | None = None,
        about: Digest | None = None,
        revocations: Sequence[Revocation] = (),
    ) -> VerifiedEntry:
        """Verify signature, role, inclusion, cosignatures, revocation and age: all of them.

        Args:
            trust: The trust root in hand; the file must have been made under it or an earlier one.
            stages: Whose signers may have signed: a signer of any of these.
            now: For the age.
            max_age: Greatest age of the entry, in microseconds.
            about: A digest that must be among the subjects.
            revocations: What is known to be revoked.

        Raises:
            VerificationError: Any link is broken; the slug tells which.
        """
        head = open_head(self.proof.checkpoint, trust)
        judge = Verification(trust, head, tuple(revocations), now)
        logged = LoggedStatement(
            self.index, self.entry, self.bundle.envelope.to_bytes(), self.proof.path
        )
        refused: TrustError | None = None
        for stage in stages:
            try:
                return judge.verify(logged, stage=stage, about=about, max_age=max_age)
            except TrustError as error:  # another stage's signers may hold the role
                refused = refused or error
        raise refused or TrustError("no stage may vouch for this", slug="no-stage")
