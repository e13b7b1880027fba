"""Keys sign and verify; other kinds of key are refused by name."""

import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519

from tidegate.core.errors import AccessError, SignatureError, UsageError, VerificationError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.core.identity.signer import Signer, Verifier

PKCS8 = serialization.PrivateFormat.PKCS8
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PEM = serialization.Encoding.PEM
PLAIN = serialization.NoEncryption()


@pytest.fixture(params=list(Scheme))
def key(request: pytest.FixtureRequest) -> PrivateKey:
    return PrivateKey.generate(request.param)


def test_a_key_fulfils_the_protocols(key: PrivateKey) -> None:
    signer: Signer = key
    verifier: Verifier = key.verifier
    verifier.verify(signer.sign(b"tide"), b"tide")
    assert not signer.sealed


def test_a_signature_over_other_bytes_is_refused(key: PrivateKey) -> None:
    with pytest.raises(SignatureError) as caught:
        key.verifier.verify(key.sign(b"tide"), b"tidy")
    assert caught.value.slug == "bad-signature"
    assert key.verifier.key_id in str(caught.value)


@pytest.mark.parametrize("signature", [b"", b"\0", b"x" * 64, b"x" * 500])
def test_rubbish_is_no_signature(key: PrivateKey, signature: bytes) -> None:
    with pytest.raises(SignatureError):
        key.verifier.verify(signature, b"tide")


def test_pem_and_der_round_trips(key: PrivateKey) -> None:
    public = key.verifier
    assert PublicKey.from_pem(public.pem) == public
    assert PublicKey.from_der(public.der) == public
    assert PublicKey.from_json(public.to_json()) == public
    assert PrivateKey.from_pem(key.to_pem()).verifier == public
    again = PrivateKey.from_pem(key.to_pem(passphrase=b"x"), passphrase=b"x")
    assert again.verifier == public
    assert again.sealed


def test_key_id_is_over_the_der_and_hint_over_the_pem() -> None:
    # Made once with `openssl ecparam -name prime256v1 -genkey`; ids by sha256sum over
    # `openssl pkey -pubin -outform DER` and over the PEM text.
    pem = (Path(__file__).parent / "p256.pem").read_bytes()
    key = PublicKey.from_pem(pem)
    assert key.scheme is Scheme.P256
    assert (key.key_id, key.hint) == tuple((Path(__file__).parent / "p256.ids").read_text().split())


def test_compressed_points_are_the_same_key() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    again = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    assert PublicKey.of(again) == PublicKey.of(key)


@pytest.mark.parametrize(
    "other",
    [
        rsa.generate_private_key(65537, 2048),
        ed448.Ed448PrivateKey.generate(),
        x25519.X25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=lambda key: type(key).__name__,
)
def test_other_kinds_of_key_are_refused_by_name(other: rsa.RSAPrivateKey) -> None:
    with pytest.raises(VerificationError) as public:
        PublicKey.from_pem(other.public_key().public_bytes(PEM, SPKI))
    with pytest.raises(AccessError) as private:
        PrivateKey.from_pem(other.private_bytes(PEM, PKCS8, PLAIN))
    for caught in (public, private):
        assert caught.value.slug == "unsupported-key"
        assert "Ed25519" in (caught.value.next_step or "")


@pytest.mark.parametrize("data", [b"", b"rubbish", b"-----BEGIN PUBLIC KEY-----\n", b"x" * 20_000])
def test_rubbish_is_no_key(data: bytes) -> None:
    with pytest.raises(VerificationError):
        PublicKey.from_pem(data)
    with pytest.raises(VerificationError):
        PublicKey.from_der(data)
    with pytest.raises(AccessError):
        PrivateKey.from_pem(data)


def test_wrong_and_missing_passphrases_are_named() -> None:
    pem = PrivateKey.generate(Scheme.P256).to_pem(passphrase=b"right")
    for passphrase in (b"wrong", None):
        with pytest.raises(AccessError):
            PrivateKey.from_pem(pem, passphrase=passphrase)


def test_the_raw_form_is_of_ed25519_only() -> None:
    assert len(PrivateKey.generate(Scheme.ED25519).verifier.raw) == 32
    with pytest.raises(UsageError):
        _ = PrivateKey.generate(Scheme.P256).verifier.raw


def test_a_private_key_shows_nothing_and_is_not_pickled() -> None:
    key = PrivateKey.generate(Scheme.ED25519)
    assert "_key" not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_a_key_under_another_id_is_refused() -> None:
    one, two = (PrivateKey.generate(Scheme.ED25519).verifier for _ in range(2))
    with pytest.raises(VerificationError):
        PublicKey.from_json({**one.to_json(), "keyId": two.key_id})


@pytest.mark.parametrize("oid", [b"\x06\x03+eo", b"\x06\x03+eq", b"\x06\x03+en"])
def test_a_key_with_another_kinds_name_is_refused_not_stumbled_over(oid: bytes) -> None:
    key = PrivateKey.generate(Scheme.ED25519)
    with pytest.raises(VerificationError):
        PublicKey.from_der(key.verifier.der.replace(b"\x06\x03+ep", oid))
    with pytest.raises(AccessError):
        PrivateKey.from_secret(key.secret().replace(b"\x06\x03+ep", oid), sealed=False)
