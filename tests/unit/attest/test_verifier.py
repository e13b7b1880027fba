"""The verifier says exactly what failed: which signature, key, window, role or revocation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tidegate.core.attest.envelope import Envelope, Signature, add_signature, sign
from tidegate.core.attest.statement import Statement, Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.attest.verifier import verify_envelope
from tidegate.core.clock import Micros
from tidegate.core.digest import sha256
from tidegate.core.errors import SignatureError, TrustError, UsageError, VerificationError
from tidegate.core.identity.roles import SIGNERS, Role
from tidegate.core.identity.trust import Revocation
from tidegate.core.stage import Stage

STATEMENT = Statement((Subject.of("m", sha256(b"m")),), "urn:x:v1", {"ok": True})


def signed(cast: Any, *names: str) -> Envelope:
    return sign(STATEMENT.to_bytes(), PAYLOAD_TYPE, [getattr(cast, name) for name in names])


def test_a_trusted_signature_gives_the_statement_and_its_signer(cast: Any) -> None:
    found = verify_envelope(
        signed(cast, "ana"), cast.root, at=Micros(120), index=4, roles=SIGNERS[Stage.INGEST]
    )
    assert found.statement == STATEMENT
    assert [signer.principal for signer in found.signers] == ["ana"]
    assert found.signers[0].key_id == cast.ana.verifier.key_id
    assert found.roles == {Role.STEWARD}
    assert found.ignored == ()


@dataclass(frozen=True)
class Case:
    name: str
    signers: Sequence[str]
    slug: str
    at: int = 120
    index: int | None = 4
    roles: Sequence[Role] = ()
    threshold: int = 1
    revoked_from: int | None = None


CASES = [
    Case("a stranger's key", ["stranger"], "unknown-key"),
    Case("before its window", ["ana"], "not-yet-valid", at=99),
    Case("after its window", ["ana_old"], "expired", at=150),
    Case("a log's key", ["log"], "wrong-purpose"),
    Case("another role", ["bob"], "wrong-role", roles=[Role.STEWARD, Role.AUDITOR]),
    Case("revoked before", ["ana"], "revoked", revoked_from=4),
    Case("revoked, and in no log", ["ana"], "revoked", index=None, revoked_from=10**9),
    Case("one of two principals", ["ana"], "threshold", threshold=2),
    Case("two keys of one principal", ["ana", "ana_old"], "threshold", threshold=2),
    Case("two different reasons", ["stranger", "log"], "threshold"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_signature_that_does_not_count_is_named(cast: Any, case: Case) -> None:
    revocations = []
    if case.revoked_from is not None:
        revocations = [Revocation(cast.ana.verifier.key_id, case.revoked_from, "lost")]
    with pytest.raises(TrustError) as caught:
        verify_envelope(
            signed(cast, *case.signers),
            cast.root,
            at=Micros(case.at),
            index=case.index,
            revocations=revocations,
            roles=case.roles,
            threshold=case.threshold,
        )
    assert caught.value.slug == case.slug
    assert caught.value.where


def test_a_revocation_later_in_the_log_leaves_the_past_alone(cast: Any) -> None:
    revocations = [Revocation(cast.ana.verifier.key_id, 5, "lost")]
    verify_envelope(
        signed(cast, "ana"), cast.root, at=Micros(120), index=4, revocations=revocations
    )


def test_two_principals_meet_a_threshold_of_two(cast: Any) -> None:
    both = signed(cast, "ana", "bob")
    found = verify_envelope(both, cast.root, at=Micros(120), index=1, threshold=2)
    assert found.principals == {"ana", "bob"}


def test_signatures_that_do_not_count_are_told_beside_those_that_do(cast: Any) -> None:
    both = signed(cast, "stranger", "ana")
    found = verify_envelope(both, cast.root, at=Micros(120), index=1)
    assert found.principals == {"ana"}
    assert len(found.ignored) == 1
    assert cast.stranger.verifier.key_id in found.ignored[0]


def test_a_changed_payload_is_a_bad_signature_of_a_named_key(cast: Any) -> None:
    changed = replace(signed(cast, "ana"), payload=STATEMENT.to_bytes() + b" ")
    with pytest.raises(SignatureError) as caught:
        verify_envelope(changed, cast.root, at=Micros(120), index=1)
    assert caught.value.slug == "bad-signature"
    assert "ana" in str(caught.value)


def test_a_signature_without_a_key_id_is_tried_against_all(cast: Any) -> None:
    one = signed(cast, "bob")
    unnamed = replace(one, signatures=(Signature("", one.signatures[0].sig),))
    found = verify_envelope(unnamed, cast.root, at=Micros(120), index=1)
    assert found.principals == {"bob"}
    bad = replace(unnamed, signatures=(Signature("", b"x" * 64),))
    with pytest.raises(SignatureError):
        verify_envelope(bad, cast.root, at=Micros(120), index=1)


def test_another_keys_name_on_a_signature_is_refused(cast: Any) -> None:
    one = signed(cast, "stranger")
    named = replace(one, signatures=(Signature(cast.ana.verifier.key_id, one.signatures[0].sig),))
    with pytest.raises(SignatureError):
        verify_envelope(named, cast.root, at=Micros(120), index=1)


def test_a_log_key_is_not_found_by_trying(cast: Any) -> None:
    one = signed(cast, "log")
    unnamed = replace(one, signatures=(Signature("", one.signatures[0].sig),))
    with pytest.raises(SignatureError):
        verify_envelope(unnamed, cast.root, at=Micros(120), index=1)


def test_another_payload_type_is_refused_before_anything_else(cast: Any) -> None:
    other = sign(STATEMENT.to_bytes(), "application/json", [cast.ana])
    with pytest.raises(VerificationError) as caught:
        verify_envelope(other, cast.root, at=Micros(120), index=1)
    assert caught.value.slug == "payload-type"


def test_a_signed_payload_that_is_no_statement_is_refused(cast: Any) -> None:
    other = sign(b"{}", PAYLOAD_TYPE, [cast.ana])
    with pytest.raises(VerificationError) as caught:
        verify_envelope(other, cast.root, at=Micros(120), index=1)
    assert caught.value.slug == "bad-statement"


def test_a_threshold_below_one_is_no_verification(cast: Any) -> None:
    with pytest.raises(UsageError):
        verify_envelope(signed(cast, "ana"), cast.root, at=Micros(120), index=1, threshold=0)


def test_the_same_signature_twice_counts_once(cast: Any) -> None:
    twice = add_signature(signed(cast, "ana"), cast.ana)
    with pytest.raises(TrustError):
        verify_envelope(twice, cast.root, at=Micros(120), index=1, threshold=2)
