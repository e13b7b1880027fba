"""Signatures of model-signing 0.2, made by that version itself, are read where they may be."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.clock import parse_iso
from tidegate.core.errors import SignatureError, TidegateError, VerificationError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.interop.bundle import Bundle
from tidegate.interop.certs import load_certificates
from tidegate.interop.oms import CertificateTrust, verify_model

OLD = Path(__file__).resolve().parents[2] / "data" / "oms-v0.2"
KEY = PublicKey.from_pem((OLD / "key.pem").read_bytes())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shutil.copytree(OLD / "model", tmp_path / "model")
    return tmp_path / "model"


def test_an_old_signature_by_key_is_read(model: Path) -> None:
    bundle = Bundle.parse((OLD / "key.bundle.json").read_bytes())
    report = verify_model(model, bundle, KEY, allow_old=True)
    report.require_intact()
    assert (report.version, report.name, report.examined) == ("0.2", "", 3)


def test_an_old_signature_by_certificate_is_read_whatever_its_curve(model: Path) -> None:
    bundle = Bundle.parse((OLD / "certificate.bundle.json").read_bytes())
    roots = load_certificates((OLD / "root.pem").read_bytes())
    at = parse_iso("2026-01-01T00:00:00+00:00")
    verify_model(model, bundle, CertificateTrust(roots, at), allow_old=True).require_intact()


def test_it_is_refused_where_nobody_allows_it(model: Path) -> None:
    """The gates do not: what is admitted is signed anew, in today's way."""
    bundle = Bundle.parse((OLD / "key.bundle.json").read_bytes())
    with pytest.raises(SignatureError):
        verify_model(model, bundle, KEY)


def test_each_difference_is_named(model: Path) -> None:
    (model / "a.txt").write_text("ho\n")
    (model / "more").write_text("x")
    (model / "sub/b.bin").unlink()
    bundle = Bundle.parse((OLD / "key.bundle.json").read_bytes())
    report = verify_model(model, bundle, KEY, allow_old=True)
    assert (report.missing, report.changed, report.extra) == (("sub/b.bin",), ("a.txt",), ("more",))


def _payload(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def act(bundle: dict[str, Any]) -> None:
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        change(statement)
        data = json.dumps(statement).encode()
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(data).decode()

    return act


def _one_bit(bundle: dict[str, Any]) -> None:
    sig = bytearray(base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
    sig[-1] ^= 1
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(sig).decode()


def _shorter(bundle: dict[str, Any]) -> None:
    sig = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(sig[:-3]).decode()


@pytest.mark.parametrize(
    "spoil",
    [
        _one_bit,
        _shorter,
        _payload(lambda statement: statement["subject"].pop()),
        _payload(lambda statement: statement.update(predicateType="https://x/Digests/v0.1")),
        lambda bundle: bundle["dsseEnvelope"].update(payloadType="text/plain"),
    ],
)
def test_a_changed_old_signature_is_refused(
    model: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    bundle = json.loads((OLD / "key.bundle.json").read_bytes())
    spoil(bundle)
    with pytest.raises(VerificationError):
        verify_model(model, Bundle.parse(json.dumps(bundle).encode()), KEY, allow_old=True)


def test_another_key_and_a_key_of_another_kind_are_refused(model: Path) -> None:
    bundle = Bundle.parse((OLD / "key.bundle.json").read_bytes())
    for scheme in (Scheme.P256, Scheme.P384, Scheme.ED25519):
        other = PrivateKey.generate(scheme).verifier
        with pytest.raises(TidegateError):
            verify_model(model, bundle, other, allow_old=True)


def test_today_s_predicate_does_not_pass_by_the_old_encoding(model: Path) -> None:
    """Who signs in the old way signs only the old kind of statement."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - one use
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - same

    from tidegate.interop.oms import sign_model  # noqa: PLC0415 - same
    from tidegate.interop.oms_old import PREDICATE, encoding  # noqa: PLC0415 - same

    raw = ec.generate_private_key(ec.SECP256R1())
    key = PrivateKey.of(raw)
    made = json.loads(sign_model(model, key, name=f"model {PREDICATE}").to_bytes())
    payload = base64.b64decode(made["dsseEnvelope"]["payload"])
    old = raw.sign(encoding("application/vnd.in-toto+json", payload), ec.ECDSA(SHA256()))
    made["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(old).decode()
    bundle = Bundle.parse(json.dumps(made).encode())
    with pytest.raises(VerificationError) as caught:
        verify_model(model, bundle, key.verifier, allow_old=True)
    assert caught.value.slug == "predicate-type"
