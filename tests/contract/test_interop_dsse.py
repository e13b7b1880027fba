"""Our DSSE envelopes verify with securesystemslib, and theirs with ours."""

import base64
import json
from typing import Any

import pytest
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError as TheirVerificationError
from securesystemslib.signer import (  # type: ignore[attr-defined]  # re-exported without saying so
    CryptoSigner,
    SSlibKey,
)

from tidegate.core.attest.envelope import Envelope, sign, verify
from tidegate.core.errors import SignatureError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme

pytestmark = pytest.mark.interop

PAYLOAD = '{"_type":"x", "text": "é\\u0000"}'.encode() + b"\xff"
TYPE = "application/vnd.in-toto+json"
THEIRS = {
    Scheme.ED25519: ("ed25519", "ed25519"),
    Scheme.P256: ("ecdsa", "ecdsa-sha2-nistp256"),
    Scheme.P384: ("ecdsa", "ecdsa-sha2-nistp384"),
    Scheme.P521: ("ecdsa", "ecdsa-sha2-nistp521"),
}


def their_key(key: PublicKey) -> Any:
    kind, scheme = THEIRS[key.scheme]
    public = key.raw.hex() if key.scheme is Scheme.ED25519 else key.pem.decode()
    return SSlibKey(key.key_id, kind, scheme, {"public": public})


@pytest.mark.parametrize("scheme", list(Scheme))
def test_securesystemslib_verifies_our_envelope(scheme: Scheme) -> None:
    key = PrivateKey.generate(scheme)
    shown = json.loads(sign(PAYLOAD, TYPE, [key]).to_bytes())
    theirs = TheirEnvelope.from_dict(shown)
    assert theirs.payload == PAYLOAD
    theirs.verify([their_key(key.verifier)], 1)


def test_securesystemslib_counts_our_signatures() -> None:
    keys = [PrivateKey.generate(scheme) for scheme in Scheme]
    theirs = TheirEnvelope.from_dict(json.loads(sign(PAYLOAD, TYPE, keys).to_bytes()))
    accepted = theirs.verify([their_key(key.verifier) for key in keys], 4)
    assert set(accepted) == {key.verifier.key_id for key in keys}


@pytest.mark.parametrize("scheme", list(Scheme))
def test_we_verify_an_envelope_of_securesystemslib(scheme: Scheme) -> None:
    key = PrivateKey.generate(scheme)
    theirs = TheirEnvelope(PAYLOAD, TYPE, {})
    theirs.sign(CryptoSigner(key._key, their_key(key.verifier)))
    ours = Envelope.parse(json.dumps(theirs.to_dict()).encode())
    assert ours.payload == PAYLOAD
    assert verify(ours, [key.verifier]) == (key.verifier,)


def test_both_refuse_the_same_change() -> None:
    key = PrivateKey.generate(Scheme.ED25519)
    shown = json.loads(sign(PAYLOAD, TYPE, [key]).to_bytes())
    shown["payload"] = base64.b64encode(PAYLOAD + b" ").decode()
    ours = Envelope.from_json(shown)
    with pytest.raises(SignatureError):
        verify(ours, [key.verifier])
    theirs = TheirEnvelope.from_dict(shown)
    with pytest.raises(TheirVerificationError):
        theirs.verify([their_key(key.verifier)], 1)
