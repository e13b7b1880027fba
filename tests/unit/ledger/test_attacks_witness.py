"""What somebody with one witness's keys tries, so that a fork looks as if many had seen it."""

from dataclasses import replace

import pytest
from tests.unit.ledger.conftest import ORIGIN, Bench

from tidegate.core.clock import SECOND, Micros
from tidegate.core.errors import TrustError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.trust import Purpose, TrustedKey, TrustRoot
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.note import COSIGNATURE, ED25519, Note, NoteKey, NoteSigner
from tidegate.core.verify import open_head

NOW = Micros(1_800_000_000 * SECOND)
LOG, ONE, OTHER, THIRD = (PrivateKey.generate(Scheme.ED25519) for _ in range(4))


def named(key: PrivateKey, principal: str, purpose: Purpose, name: str = "") -> TrustedKey:
    return TrustedKey(key.verifier, principal, purpose=purpose, name=name or principal)


WITNESSES = (
    named(ONE, "w1.example", Purpose.WITNESS),
    named(OTHER, "w1.example", Purpose.WITNESS),
    named(THIRD, "w2.example", Purpose.WITNESS),
)
TRUST = TrustRoot(
    "acme",
    1,
    keys=(named(LOG, "ledger", Purpose.LOG, ORIGIN), *WITNESSES),
    root_keys=(LOG.verifier,),
    witness_threshold=2,
)


def head(bench: Bench, *cosigners: tuple[PrivateKey, str]) -> bytes:
    """Return a signed head with cosignatures of now."""
    log = bench.log()
    bench.fill(log, 3)
    text = Checkpoint(ORIGIN, log.head.size, log.head.root).text
    signer = NoteSigner(NoteKey(ORIGIN, ED25519, LOG.verifier.raw), LOG.sign)
    lines = [signer.sign_note(text)]
    for key, name in cosigners:
        witness = NoteSigner(NoteKey(name, COSIGNATURE, key.verifier.raw), key.sign)
        lines.append(witness.sign_note(text, seconds=NOW // SECOND))
    return Note(text, tuple(lines)).to_bytes()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_two_witnesses_are_enough(bench: Bench) -> None:
    note = head(bench, (ONE, "w1.example"), (THIRD, "w2.example"))
    assert len(open_head(note, TRUST).cosignatures) == 2


def test_a_witness_with_two_keys_is_one_witness(bench: Bench) -> None:
    note = head(bench, (ONE, "w1.example"), (OTHER, "w1.example"))
    with pytest.raises(TrustError) as caught:
        open_head(note, TRUST)
    assert caught.value.slug == "too-few-witnesses"


def test_a_witness_that_signs_twice_is_one_witness(bench: Bench) -> None:
    note = head(bench, (ONE, "w1.example"), (ONE, "w1.example"))
    with pytest.raises(TrustError):
        open_head(note, TRUST)


def test_a_witnesss_key_that_ended_counts_no_more(bench: Bench) -> None:
    """What it signed before it ended still does."""
    note = head(bench, (ONE, "w1.example"), (THIRD, "w2.example"))
    for end, counts in ((NOW, False), (Micros(NOW + SECOND), True)):
        keys = [
            replace(key, valid_until=end) if key.key == THIRD.verifier else key
            for key in TRUST.keys
        ]
        trust = replace(TRUST, keys=tuple(keys))
        if counts:
            assert open_head(note, trust)
        else:
            with pytest.raises(TrustError):
                open_head(note, trust)
