"""The trust root: windows, purposes, revocation and what it refuses to be."""

import dataclasses
from typing import Any

import pytest

from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.errors import TrustError, VerificationError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.roles import SIGNERS, Role
from tidegate.core.identity.trust import (
    Predecessor,
    Purpose,
    Revocation,
    TrustedKey,
    TrustRoot,
    check_not_revoked,
)
from tidegate.core.stage import Stage

KEYS = [PrivateKey.generate(Scheme.ED25519).verifier for _ in range(4)]
ANA = TrustedKey(
    KEYS[0],
    "ana",
    frozenset({Role.STEWARD, Role.RELEASER}),
    valid_from=Micros(100),
    valid_until=Micros(200),
)
LOG = TrustedKey(KEYS[1], "log", purpose=Purpose.LOG, name="tidegate.local/w1")
WITNESS = TrustedKey(KEYS[2], "west", purpose=Purpose.WITNESS, name="west.example")
ROOT = TrustRoot(
    "w1",
    1,
    keys=(ANA, LOG, WITNESS),
    root_keys=(KEYS[3], KEYS[0]),
    root_threshold=2,
    witness_threshold=1,
    predecessor=Predecessor("tidegate.local/w0", 12, "ab" * 32),
)


def test_a_trust_root_reads_what_it_wrote() -> None:
    assert TrustRoot.parse(ROOT.to_bytes()) == ROOT
    assert ROOT.digest == sha256(ROOT.to_bytes())


@pytest.mark.parametrize(
    ("key", "at", "purpose", "slug"),
    [
        (0, 99, Purpose.ATTEST, "not-yet-valid"),
        (0, 100, Purpose.ATTEST, None),
        (0, 199, Purpose.ATTEST, None),
        (0, 200, Purpose.ATTEST, "expired"),
        (0, 150, Purpose.LOG, "wrong-purpose"),
        (1, 150, Purpose.ATTEST, "wrong-purpose"),
        (1, 10**15, Purpose.LOG, None),
        (2, 0, Purpose.WITNESS, None),
        (3, 150, Purpose.ATTEST, "unknown-key"),
    ],
)
def test_a_key_is_trusted_for_one_purpose_in_one_window(
    key: int, at: int, purpose: Purpose, slug: str | None
) -> None:
    if slug is None:
        assert ROOT.key(KEYS[key].key_id, at=Micros(at), purpose=purpose).key == KEYS[key]
        return
    with pytest.raises(TrustError) as caught:
        ROOT.key(KEYS[key].key_id, at=Micros(at), purpose=purpose)
    assert caught.value.slug == slug


def test_keys_are_found_by_purpose() -> None:
    assert ROOT.keys_for(Purpose.LOG) == (LOG,)


@pytest.mark.parametrize(("index", "good"), [(6, True), (7, False), (8, False), (None, False)])
def test_a_revocation_holds_from_its_index(index: int | None, *, good: bool) -> None:
    revocations = [Revocation("other", 0, "lost"), Revocation("k", 7, "stolen laptop")]
    if good:
        check_not_revoked("k", index, revocations)
        return
    with pytest.raises(TrustError) as caught:
        check_not_revoked("k", index, revocations)
    assert caught.value.slug == "revoked"
    assert "stolen laptop" in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": (ANA, ANA)},
        {"root_keys": (KEYS[0], KEYS[0])},
        {"root_keys": (), "root_threshold": 0},
        {"root_threshold": 0},
        {"root_threshold": 3},
        {"witness_threshold": 2},
        {"witness_threshold": -1},
        {"version": 2},
        {"version": 0},
        {"previous": sha256(b"x")},
        {"keys": (dataclasses.replace(ANA, valid_until=Micros(100)),), "witness_threshold": 0},
        {"keys": (dataclasses.replace(WITNESS, name=""),)},
        {"schema": "tidegate/trust-root/v2"},
    ],
    ids=",".join,
)
def test_a_trust_root_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VerificationError) as caught:
        dataclasses.replace(ROOT, **changes)
    assert caught.value.slug == "bad-trust-root"


@pytest.mark.parametrize(
    "changes",
    [{"more": 1}, {"keys": [{}]}, {"keys": None}, {"predecessor": {}}, {"version": "1"}],
    ids=",".join,
)
def test_a_damaged_trust_root_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VerificationError):
        TrustRoot.from_json({**ROOT.to_json(), **changes})


def test_a_predecessor_has_a_whole_hash() -> None:
    with pytest.raises(VerificationError):
        Predecessor("x", 1, "AB" * 32)


def test_every_stage_has_signers_and_an_auditor_signs_none() -> None:
    assert set(SIGNERS) == set(Stage)
    assert all(SIGNERS.values())
    assert not any(Role.AUDITOR in roles or Role.PRODUCER in roles for roles in SIGNERS.values())
