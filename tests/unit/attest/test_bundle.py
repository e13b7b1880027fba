"""Sigstore bundles: key hint or certificates, foreign log entries kept and never counted."""

import json
from typing import Any

import pytest

from tidegate.core.attest.envelope import add_signature, sign
from tidegate.core.errors import VerificationError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.interop.bundle import Bundle, CertificateField, Certificates, KeyHint

KEY = PrivateKey.generate(Scheme.P256)
ENVELOPE = sign(b"{}", "application/vnd.in-toto+json", [KEY])
ENTRY = {"logIndex": "3", "canonicalizedBody": "e30="}
BY_KEY = Bundle(ENVELOPE, KeyHint(KEY.verifier.hint))


@pytest.mark.parametrize(
    "bundle",
    [
        BY_KEY,
        Bundle(ENVELOPE, KeyHint("", b"key bytes")),
        Bundle(ENVELOPE, Certificates((b"leaf", b"middle"))),
        Bundle(ENVELOPE, Certificates((b"leaf",), CertificateField.LEAF), (ENTRY,)),
        Bundle(ENVELOPE, KeyHint("x"), (), {"rfc3161Timestamps": []}),
    ],
)
def test_a_bundle_reads_what_it_wrote(bundle: Bundle) -> None:
    assert Bundle.parse(bundle.to_bytes()) == bundle


def test_log_entries_may_be_absent() -> None:
    shown = BY_KEY.to_json()
    del shown["verificationMaterial"]["tlogEntries"]
    assert Bundle.parse(json.dumps(shown).encode()) == BY_KEY


MATERIAL = BY_KEY.to_json()["verificationMaterial"]
CHAIN = {"certificates": [{"rawBytes": "QQ=="}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"mediaType": "application/json"},
        {"mediaType": "application/vnd.dev.sigstore.bundle.v9+json"},
        {"dsseEnvelope": None},
        {"messageSignature": {"signature": "QQ=="}},
        {"verificationMaterial": None},
        {"verificationMaterial": {}},
        {"verificationMaterial": {**MATERIAL, "x509CertificateChain": CHAIN}},
        {"verificationMaterial": {"x509CertificateChain": {"certificates": []}}},
        {"verificationMaterial": {"x509CertificateChain": {"certificates": [{}]}}},
        {"verificationMaterial": {"x509CertificateChain": {"certificates": ["QQ=="] * 9}}},
        {"verificationMaterial": {"certificate": {"rawBytes": "QQ=="}}},
        {"verificationMaterial": {"certificate": {"rawBytes": "Q"}, "tlogEntries": [ENTRY]}},
        {"dsseEnvelope": add_signature(ENVELOPE, KEY).to_json()},
        {"tidegateProof": {}},
    ],
)
def test_a_damaged_bundle_is_refused(changes: dict[str, Any]) -> None:
    shown = {**BY_KEY.to_json(), **changes}
    with pytest.raises(VerificationError):
        Bundle.parse(json.dumps(shown).encode())
