"""Trust roots in a chain: who may change trust, and what breaks the chain."""

from dataclasses import replace
from typing import Any

import pytest

from tidegate.core.attest.chain import load_trust_root, next_trust_root, sign_trust_root
from tidegate.core.attest.envelope import Envelope, add_signature, sign
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import GATE, PAYLOAD_TYPE, TRUST
from tidegate.core.digest import sha256
from tidegate.core.errors import SignatureError, TrustError, VerificationError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.trust import TrustRoot

A, B, C = (PrivateKey.generate(Scheme.ED25519) for _ in range(3))
FIRST = TrustRoot("w1", 1, keys=(), root_keys=(A.verifier, B.verifier), root_threshold=2)
SECOND = TrustRoot("w1", 2, (), (A.verifier, C.verifier), previous=FIRST.digest)
THIRD = TrustRoot("w1", 3, (), (C.verifier,), previous=SECOND.digest)


def signed(root: TrustRoot, *signers: PrivateKey) -> Envelope:
    return sign_trust_root(root, signers)


GOOD = [signed(FIRST, A, B), signed(SECOND, A, B), signed(THIRD, C)]


def test_a_chain_gives_its_last_version() -> None:
    assert load_trust_root(GOOD, anchor=FIRST.digest) == THIRD
    assert load_trust_root(GOOD[:1], anchor=FIRST.digest) == FIRST


def test_any_version_may_be_the_anchor() -> None:
    for root in (FIRST, SECOND, THIRD):
        assert load_trust_root(GOOD, anchor=root.digest) == THIRD


def test_without_an_anchor_the_chain_must_still_hold() -> None:
    assert load_trust_root(GOOD, anchor=None) == THIRD


def test_signatures_may_come_one_by_one() -> None:
    assert load_trust_root([add_signature(signed(FIRST, A), B)], anchor=None) == FIRST


@pytest.mark.parametrize(
    ("chain", "slug"),
    [
        ([], "bad-trust-chain"),
        ([signed(FIRST, A)], "unsigned-trust-root"),
        ([signed(FIRST, A, C)], "unsigned-trust-root"),
        ([GOOD[0], signed(SECOND, A)], "unsigned-trust-root"),
        ([GOOD[0], signed(SECOND, A, C)], "unsigned-trust-root"),
        ([*GOOD[:2], signed(THIRD, A)], "unsigned-trust-root"),
        ([GOOD[0], GOOD[2]], "bad-trust-chain"),
        ([GOOD[1]], "bad-trust-chain"),
        ([GOOD[0], GOOD[0]], "bad-trust-chain"),
        ([GOOD[0], signed(replace(SECOND, previous=sha256(b"x")), A, B)], "bad-trust-chain"),
        ([GOOD[0], signed(replace(SECOND, workspace="w2"), A, B)], "bad-trust-chain"),
    ],
)
def test_a_broken_chain_is_refused(chain: list[Envelope], slug: str) -> None:
    with pytest.raises(VerificationError) as caught:
        load_trust_root(chain, anchor=None)
    assert caught.value.slug == slug


def test_root_keys_that_the_new_version_drops_can_not_be_left_unasked() -> None:
    stolen = replace(SECOND, root_keys=(C.verifier,))
    with pytest.raises(SignatureError) as caught:
        next_trust_root(FIRST, signed(stolen, C))
    assert "version before" in str(caught.value)


def test_new_root_keys_prove_that_they_exist() -> None:
    moved = replace(SECOND, root_keys=(C.verifier,))
    with pytest.raises(SignatureError) as caught:
        next_trust_root(FIRST, signed(moved, A, B))
    assert "version itself" in str(caught.value)
    assert next_trust_root(FIRST, signed(moved, A, B, C)) == moved


def test_another_first_version_is_not_the_one_that_was_pinned() -> None:
    with pytest.raises(TrustError) as caught:
        load_trust_root(GOOD, anchor=sha256(b"another"))
    assert caught.value.slug == "wrong-anchor"


def _wrapped(predicate: Any, kind: str = TRUST, subject: Subject | None = None) -> Envelope:
    subject = subject or Subject.of("x", FIRST.digest)
    return sign(Statement((subject,), kind, predicate).to_bytes(), PAYLOAD_TYPE, [A, B])


@pytest.mark.parametrize(
    ("envelope", "slug"),
    [
        (_wrapped(FIRST.to_json(), GATE), "predicate-type"),
        (_wrapped(FIRST.to_json(), TRUST.replace("v1", "v2")), "predicate-type"),
        (_wrapped({**FIRST.to_json(), "later": 1}), "bad-trust-root"),
        (_wrapped(FIRST.to_json(), subject=Subject.of("x", sha256(b"y"))), "bad-trust-chain"),
        (replace(GOOD[0], payload_type="application/json"), "predicate-type"),
    ],
)
def test_what_is_no_trust_root_of_this_version_is_refused(envelope: Envelope, slug: str) -> None:
    with pytest.raises(VerificationError) as caught:
        load_trust_root([envelope], anchor=None)
    assert caught.value.slug == slug
