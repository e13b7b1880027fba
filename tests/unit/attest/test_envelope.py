"""DSSE: several signatures, thresholds of distinct keys and principals, both base64 alphabets."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from tidegate.core.attest.envelope import (
    MAX_SIGNATURES,
    Envelope,
    Signature,
    add_signature,
    pae,
    sign,
    verify,
)
from tidegate.core.errors import SignatureError, UsageError, VerificationError
from tidegate.core.identity.keys import PrivateKey, Scheme

KEYS = [PrivateKey.generate(scheme) for scheme in Scheme]
PUBLIC = [key.verifier for key in KEYS]
PAYLOAD = b'{"b": 1,  "a": \xff\xfe\x00}'
TYPE = "application/x"


def test_the_pre_authentication_encoding_counts_bytes() -> None:
    assert pae("é", b"\xff ") == b"DSSEv1 2 \xc3\xa9 2 \xff "


def test_the_payload_is_kept_byte_for_byte() -> None:
    signed = sign(PAYLOAD, TYPE, KEYS)
    read = Envelope.parse(signed.to_bytes())
    assert read == signed
    assert read.payload == PAYLOAD
    assert read.digest == signed.digest


def test_every_signer_is_found() -> None:
    signed = add_signature(sign(PAYLOAD, TYPE, KEYS[:2]), KEYS[2])
    assert verify(signed, PUBLIC, threshold=3) == tuple(PUBLIC[:3])


@pytest.mark.parametrize(
    "key_id", ["", "unknown", PUBLIC[1].key_id], ids=["none", "unknown", "another"]
)
def test_the_key_id_is_only_a_hint(key_id: str) -> None:
    signed = sign(PAYLOAD, TYPE, KEYS[:1])
    renamed = replace(signed, signatures=(replace(signed.signatures[0], key_id=key_id),))
    assert verify(renamed, PUBLIC) == (PUBLIC[0],)


def test_one_key_that_signs_twice_counts_once() -> None:
    twice = add_signature(sign(PAYLOAD, TYPE, KEYS[:1]), KEYS[0])
    with pytest.raises(SignatureError) as caught:
        verify(twice, PUBLIC, threshold=2)
    assert caught.value.slug == "too-few-signatures"


def test_two_keys_of_one_principal_count_once() -> None:
    signed = sign(PAYLOAD, TYPE, KEYS[:2])
    ids = [key.key_id for key in PUBLIC]
    verify(signed, PUBLIC, threshold=2, principals={ids[0]: "ana", ids[1]: "bob"})
    with pytest.raises(SignatureError):
        verify(signed, PUBLIC, threshold=2, principals={ids[0]: "ana", ids[1]: "ana"})
    with pytest.raises(SignatureError):
        verify(signed, PUBLIC, threshold=1, principals={ids[2]: "cleo"})


def test_a_foreign_signature_beside_a_good_one_does_no_harm() -> None:
    signed = sign(PAYLOAD, TYPE, KEYS[:2])
    assert verify(signed, PUBLIC[1:]) == (PUBLIC[1],)


def test_no_key_and_no_threshold_verify_nothing() -> None:
    signed = sign(PAYLOAD, TYPE, KEYS[:1])
    with pytest.raises(SignatureError):
        verify(signed, [])
    with pytest.raises(UsageError):
        verify(signed, PUBLIC, threshold=0)
    with pytest.raises(UsageError):
        sign(PAYLOAD, TYPE, [])


def test_an_envelope_without_signatures_verifies_never() -> None:
    with pytest.raises(SignatureError):
        verify(Envelope(PAYLOAD, TYPE, ()), PUBLIC)


def test_what_failed_is_told_for_each_signature() -> None:
    signed = sign(PAYLOAD, TYPE, KEYS[:2])
    with pytest.raises(SignatureError) as caught:
        verify(signed, PUBLIC[2:])
    assert PUBLIC[0].key_id[:16] in str(caught.value)
    assert PUBLIC[1].key_id[:16] in str(caught.value)


def test_the_type_is_signed() -> None:
    signed = sign(PAYLOAD, TYPE, KEYS[:1])
    with pytest.raises(SignatureError):
        verify(replace(signed, payload_type="application/y"), PUBLIC)


def test_length_and_content_can_not_trade_places() -> None:
    signed = sign(b"b c", "a 1", KEYS[:1])
    with pytest.raises(SignatureError):
        verify(replace(signed, payload=b"c", payload_type="a 1 b"), PUBLIC)


def test_both_base64_alphabets_are_read() -> None:
    signed = sign(b"\xfb\xff\xfe" * 9, TYPE, KEYS[:1])
    shown = signed.to_json()
    shown["payload"] = base64.urlsafe_b64encode(signed.payload).decode()
    shown["signatures"][0]["sig"] = base64.urlsafe_b64encode(signed.signatures[0].sig).decode()
    assert Envelope.parse(json.dumps(shown).encode()) == signed


@pytest.mark.parametrize("keyid", [None, "absent"])
def test_the_key_id_may_be_null_or_absent(keyid: str | None) -> None:
    shown = sign(PAYLOAD, TYPE, KEYS[:1]).to_json()
    shown["signatures"][0]["keyid"] = keyid
    if keyid:
        del shown["signatures"][0]["keyid"]
    assert Envelope.from_json(shown).signatures[0].key_id == ""


def test_fields_that_dsse_does_not_define_are_ignored() -> None:
    shown = sign(PAYLOAD, TYPE, KEYS[:1]).to_json()
    assert Envelope.from_json({**shown, "later": 1}) == Envelope.from_json(shown)


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": None},
        {"payload": "QR=="},
        {"payload": "QQ"},
        {"payloadType": ""},
        {"payloadType": 1},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": [{"keyid": "x"}]},
        {"signatures": [{"sig": ""}]},
        {"signatures": [{"sig": "A" * 4_000}]},
        {"signatures": [{"sig": "QQ=="}] * (MAX_SIGNATURES + 1)},
        {"signatures": [{"sig": "QQ==", "keyid": 5}]},
    ],
)
def test_a_damaged_envelope_is_refused(changes: dict[str, Any]) -> None:
    shown = {**sign(PAYLOAD, TYPE, KEYS[:1]).to_json(), **changes}
    with pytest.raises(VerificationError):
        Envelope.from_json(shown)


def test_an_envelope_of_another_signature_is_another_envelope() -> None:
    one = Envelope(b"", TYPE, (Signature("", b"a"),))
    assert one.digest != replace(one, signatures=(Signature("", b"b"),)).digest
