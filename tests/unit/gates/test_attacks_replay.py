"""What somebody who holds no key appends to the log: an entry is not signed, its envelope is."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from sqlalchemy import text
from tests.statements import Word, digest_of, say
from tests.workspaces import START, workspace

from tidegate.app.evidence import custody_of, export_evidence, verify_evidence
from tidegate.app.genesis import everything
from tidegate.app.trustees import next_version, publish
from tidegate.app.workspace import Workspace
from tidegate.core.attest.envelope import Envelope, Signature
from tidegate.core.clock import SECOND, FixedClock, Micros
from tidegate.core.digest import sha256
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.trust import TrustedKey
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.log import Log, PendingEntry
from tidegate.core.policy.directives import Quarantine, Release
from tidegate.core.stage import Outcome, Stage

DATA = str(digest_of("data"))
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    return workspace(tmp_path, everything("ann"), everything("bob"))


def fresh(shop: Workspace) -> Workspace:
    """Return the workspace as another process has it."""
    return replace(shop)


def spaced(body: bytes) -> bytes:
    """Write the same envelope with other white space."""
    return json.dumps(json.loads(body), indent=1).encode()


def padded(body: bytes) -> bytes:
    """Add a signature that verifies by nobody's key."""
    envelope = Envelope.parse(body)
    more = Signature("ab" * 32, b"\0" * 64)
    return replace(envelope, signatures=(*envelope.signatures, more)).to_bytes()


def doubled(body: bytes) -> bytes:
    """Repeat the signature, without its hint."""
    envelope = Envelope.parse(body)
    more = replace(envelope.signatures[0], key_id="")
    return replace(envelope, signatures=(more, *envelope.signatures)).to_bytes()


def extended(body: bytes) -> bytes:
    """Add a field that DSSE does not define, which readers ignore."""
    return json.dumps({**json.loads(body), "note": 1}).encode()


def respelt(body: bytes) -> bytes:
    """Write the base64 of the signature in the other alphabet, or as it was where both agree."""
    value = json.loads(body)
    value["payload"] = value["payload"].replace("+", "-").replace("/", "_")
    for one in value["signatures"]:
        one["sig"] = one["sig"].replace("+", "-").replace("/", "_")
    return json.dumps(value, indent=2).encode()


DISGUISES = pytest.mark.parametrize("disguise", [spaced, padded, doubled, extended, respelt])


def replay(shop: Workspace, index: int, disguise: Callable[[bytes], bytes]) -> int:
    """Append an entry's envelope once more in other bytes, as who can write to the store can."""
    entry = Entry.parse(shop.log.entry(index))
    body = disguise(shop.ledger.envelope(str(entry.envelope)) or b"")
    again = replace(entry, raw=None, time=0, envelope=str(sha256(body)))
    return shop.ledger.append(PendingEntry(again, body))


@DISGUISES
def test_an_allow_in_other_bytes_is_not_newer(
    shop: Workspace, disguise: Callable[[bytes], bytes]
) -> None:
    """What was signed is the payload: it was said once, and refused since."""
    allowed = say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.INGEST, "data", Outcome.DENY))
    replay(shop, allowed, disguise)
    now = fresh(shop)
    assert custody_of(now, DATA).exit_code == 1
    found = verify_evidence(export_evidence(now, DATA), now.trust, now=now.clock.now())
    assert found.exit_code == 1


@DISGUISES
def test_a_release_in_other_bytes_frees_nothing(
    shop: Workspace, disguise: Callable[[bytes], bytes]
) -> None:
    """A quarantine that was put back stands."""
    say(shop, Word(Stage.INGEST, "data"))
    acts = (Quarantine, Release, Quarantine)
    indices = [shop.act(act(digest=DATA, reason="the same words")).index for act in acts]
    replay(shop, indices[1], disguise)
    now = fresh(shop)
    assert now.directives().is_quarantined(DATA)
    found = verify_evidence(export_evidence(now, DATA), now.trust, now=now.clock.now())
    assert found.exit_code == 1


def mirrored(body: bytes) -> bytes:
    """Turn an ECDSA signature into its other one: (r, n - s) verifies as (r, s) does."""
    envelope = Envelope.parse(body)
    r, s = decode_dss_signature(envelope.signatures[0].sig)
    other = replace(envelope.signatures[0], sig=encode_dss_signature(r, P256_ORDER - s))
    return replace(envelope, signatures=(other,)).to_bytes()


def test_the_other_signature_of_ecdsa_makes_no_new_word(shop: Workspace) -> None:
    """Nobody needs the key to make it."""
    key = PrivateKey.generate(Scheme.P256)
    named = TrustedKey(key.verifier, "ann", shop.principal.roles, valid_from=shop.clock.now())
    publish(shop, next_version(shop.trust, keys=(*shop.trust.keys, named)))
    shop = fresh(shop)
    shop.__dict__["principal"] = replace(shop.principal, signer=key)
    allowed = say(shop, Word(Stage.INGEST, "data"))
    say(shop, Word(Stage.INGEST, "data", Outcome.DENY))
    replay(shop, allowed, mirrored)
    assert custody_of(fresh(shop), DATA).exit_code == 1


def test_a_key_that_ended_can_not_speak_in_the_past(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write to the store chooses an entry's time; no log's time runs backwards."""
    held = shop.principal  # and its key, which leaves the house with its holder
    clock = FixedClock(START + 60 * SECOND)
    shop = replace(shop, clock=clock)
    ended = [
        replace(key, valid_until=clock.now()) if key.key.key_id == held.key_id else key
        for key in shop.trust.keys
    ]
    publish(shop, next_version(shop.trust, keys=tuple(ended)))
    clock = FixedClock(START + 3600 * SECOND)
    thief = replace(shop, clock=clock)
    thief.__dict__["principal"] = held
    with monkeypatch.context() as patch:
        patch.setattr(Log, "_stamp", lambda *_: Micros(START + SECOND))
        say(thief, Word(Stage.INGEST, "data"))
    now = replace(shop, clock=clock, act_as="bob")
    assert custody_of(now, DATA).exit_code != 0
    found = verify_evidence(export_evidence(now, DATA), now.trust, now=now.clock.now())
    assert found.exit_code != 0


def test_data_whose_refusal_is_gone_is_not_used(shop: Workspace) -> None:
    """Prepare and train ask whether each input is admitted: with a hole in the evidence, no."""
    say(shop, Word(Stage.INGEST, "data"))
    refused = say(shop, Word(Stage.INGEST, "data", Outcome.DENY))
    with shop.engine.begin() as connection:
        connection.execute(text("DELETE FROM envelope WHERE idx = :index"), {"index": refused})
    chain = fresh(shop).chains().read([DATA])
    assert chain.unattested == (DATA,)
