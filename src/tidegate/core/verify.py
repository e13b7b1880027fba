"""The one place that joins signature, inclusion, cosignatures, revocation and freshness.

::

    judge = Verification(trust_root, open_head(note, trust_root), revocations, now)
    verified = judge.verify(logged, stage=Stage.TRAIN, about=digest)

Nothing else in Tidegate decides whether a statement counts. It fails closed: every error says which
of the links broke, and none of them can be switched off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.verifier import VerifiedSigner, verify_envelope
from tidegate.core.clock import SECOND, Micros, iso
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import FreshnessError, ProofError, TrustError, VerificationError
from tidegate.core.identity.roles import SIGNERS
from tidegate.core.identity.trust import Purpose, Revocation, TrustRoot
from tidegate.core.ledger.checkpoint import VerifiedCheckpoint, check_enough, open_checkpoint
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.merkle import verify_inclusion
from tidegate.core.ledger.note import COSIGNATURE, ED25519, NoteKey
from tidegate.core.merkle import leaf_hash
from tidegate.core.stage import Stage


@dataclass(frozen=True, slots=True)
class LoggedStatement:
    """A statement as the log and the store give it, or as an evidence file carries it."""

    index: int
    entry: bytes
    envelope: bytes
    proof: tuple[bytes, ...]
    """Inclusion proof of the entry in the head that is verified against."""


@dataclass(frozen=True, slots=True)
class VerifiedEntry:
    """A statement of which every link was checked."""

    index: int
    entry: Entry
    statement: Statement
    envelope: Digest
    signers: tuple[VerifiedSigner, ...]

    @property
    def time(self) -> Micros:
        """Log time of the entry."""
        return Micros(self.entry.time)


def note_keys(trust: TrustRoot, purpose: Purpose) -> tuple[NoteKey, ...]:
    """Return the trust root's keys for signed notes."""
    kind = COSIGNATURE if purpose is Purpose.WITNESS else ED25519
    return tuple(
        NoteKey(trusted.name, kind, trusted.key.raw) for trusted in trust.keys_for(purpose)
    )


def open_head(note: bytes, trust: TrustRoot) -> VerifiedCheckpoint:
    """Verify a checkpoint by the trust root's log keys and its witness threshold.

    Witnesses count once, whatever keys they have, and not by a key that had ended.

    Raises:
        VerificationError: It is no checkpoint of this workspace's log, or too few witnesses
            cosigned it.
    """
    verified = open_checkpoint(
        note, note_keys(trust, Purpose.LOG), witnesses=note_keys(trust, Purpose.WITNESS)
    )
    at = {one.key.public_key: one.seconds * SECOND for one in verified.cosignatures}
    counted = {
        trusted.principal
        for trusted in trust.keys_for(Purpose.WITNESS)
        if trusted.key.raw in at
        and (trusted.valid_until is None or at[trusted.key.raw] < trusted.valid_until)
    }
    check_enough(verified.checkpoint, len(counted), trust.witness_threshold)
    return verified


@dataclass(frozen=True, slots=True)
class Verification:
    """What statements are verified against."""

    trust: TrustRoot
    head: VerifiedCheckpoint
    revocations: tuple[Revocation, ...] = ()
    now: Micros | None = None
    """Log time that freshness is judged by; ``None`` judges none."""

    def verify(
        self,
        logged: LoggedStatement,
        *,
        stage: Stage | None = None,
        about: Digest | None = None,
        max_age: Micros | None = None,
    ) -> VerifiedEntry:
        """Check every link.

        Args:
            logged: What was found.
            stage: Whose signers must have signed; any trusted principal where absent.
            about: A digest that must be among the subjects.
            max_age: Greatest age of the entry, in microseconds of log time.

        Raises:
            ProofError: The entry is not in the head's tree.
            SignatureError: A signature does not verify.
            TrustError: A key is unknown, expired, revoked, or lacks the role.
            FreshnessError: The entry is older than ``max_age``.
            VerificationError: Entry and envelope do not belong together, or are of an unknown kind.
        """
        entry = self._included(logged)
        digest = sha256(logged.envelope)
        if entry.envelope != str(digest):
            raise VerificationError(
                "the envelope is not the one that the log names",
                where=f"entry {logged.index}",
                cause=f"the log has {entry.envelope}, here is {digest}",
                slug="envelope-changed",
            )
        roles = () if stage is None else SIGNERS[stage]
        signed = verify_envelope(
            Envelope.parse(logged.envelope),
            self.trust,
            at=Micros(entry.time),
            index=logged.index,
            revocations=self.revocations,
            roles=roles,
        )
        check_belongs(entry, signed.statement, signed.signers, logged.index)
        if about is not None and not signed.statement.speaks_of(about):
            raise VerificationError(
                "the statement is about something else",
                where=f"entry {logged.index}",
                cause=f"{about.short} is not among its subjects",
                slug="other-subject",
            )
        self._fresh(entry, logged.index, max_age)
        return VerifiedEntry(logged.index, entry, signed.statement, digest, signed.signers)

    def _included(self, logged: LoggedStatement) -> Entry:
        checkpoint = self.head.checkpoint
        if not 0 <= logged.index < checkpoint.size:
            raise ProofError(
                "the entry is beyond the head",
                where=f"entry {logged.index} of {checkpoint.size}",
                next_step="use a newer checkpoint",
                slug="beyond-head",
            )
        leaf = leaf_hash(logged.entry)
        verify_inclusion(leaf, logged.index, checkpoint.size, logged.proof, checkpoint.root)
        entry = Entry.parse(logged.entry)
        if not entry.known:
            raise VerificationError(
                "the entry is of a kind that this version does not know",
                where=f"entry {logged.index}",
                next_step="use a newer version of Tidegate",
                slug="unknown-entry",
            )
        if entry.workspace != self.trust.workspace:
            raise TrustError(
                "the entry belongs to another workspace",
                where=f"entry {logged.index}",
                slug="other-workspace",
            )
        return entry

    def _fresh(self, entry: Entry, index: int, max_age: Micros | None) -> None:
        if max_age is None or self.now is None:
            return
        if self.now - entry.time > max_age:
            raise FreshnessError(
                "the evidence is too old",
                where=f"entry {index}",
                cause=f"it was logged at {iso(entry.time)}",
                next_step="run the gate again",
                slug="stale",
            )


def check_belongs(
    entry: Entry, statement: Statement, signers: Sequence[VerifiedSigner], index: int
) -> None:
    """Check that an entry says of its statement what the statement and its signatures say.

    Raises:
        VerificationError: They name different artifacts, predicates, principals or keys (slug
            ``contradiction``).
    """
    digests = [subject.digests for subject in statement.subjects]
    named = {f"{algorithm}:{value}" for each in digests for algorithm, value in each.items()}
    # A statement that its entry does not announce would be found by nobody who looks for it.
    silent = {f"sha256:{each['sha256']}" for each in digests if "sha256" in each}
    strange = sorted((set(entry.subjects) - named) | (silent - set(entry.subjects)))
    actors = {(signer.principal, signer.key_id) for signer in signers}
    cause = ""
    if strange:
        cause = f"only one of them names {strange[0][:80]}"
    elif entry.predicate_type != statement.predicate_type:
        cause = "they name different predicates"
    elif (entry.actor, entry.key_id) not in actors:
        cause = f"the entry names {entry.actor[:80]}, who has not signed it by that key"
    if cause:
        raise VerificationError(
            "the log's entry and the statement contradict each other",
            where=f"entry {index}",
            cause=cause,
            slug="contradiction",
        )
