"""What an old release signed verifies for ever: one folder a release, written once."""

import json
from pathlib import Path
from typing import Any

import pytest

from tidegate.core.attest.chain import load_trust_root
from tidegate.core.attest.directive import Directive
from tidegate.core.attest.envelope import Envelope, verify
from tidegate.core.attest.gate import GatePredicate
from tidegate.core.attest.verifier import VerifiedStatement, verify_envelope
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest
from tidegate.core.identity.keys import PublicKey
from tidegate.core.identity.trust import TrustRoot
from tidegate.core.stage import Outcome
from tidegate.interop.bundle import Bundle
from tidegate.interop.certs import load_certificates
from tidegate.interop.oms import CertificateTrust, verify_model

RELEASES = sorted((Path(__file__).resolve().parents[2] / "data" / "golden").iterdir())


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


def facts(golden: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((golden / "facts.json").read_text())
    return read


def trust_root(golden: Path) -> TrustRoot:
    chain = [Envelope.parse(path.read_bytes()) for path in sorted(golden.glob("trust-root.*"))]
    return load_trust_root(chain, anchor=Digest.parse(facts(golden)["anchor"]))


def verified(golden: Path, name: str, threshold: int) -> VerifiedStatement:
    known = facts(golden)
    return verify_envelope(
        Envelope.parse((golden / name).read_bytes()),
        trust_root(golden),
        at=Micros(known["at"]),
        index=known["index"],
        threshold=threshold,
    )


def test_the_trust_root_chain_holds(golden: Path) -> None:
    assert trust_root(golden).version == 2


def test_the_gate_statement_verifies(golden: Path) -> None:
    found = verified(golden, "gate.dsse.json", 2)
    assert found.principals == set(facts(golden)["principals"])
    assert GatePredicate.of(found.statement).outcome is Outcome.ALLOW


def test_the_directive_verifies(golden: Path) -> None:
    assert Directive.of(verified(golden, "directive.dsse.json", 1).statement).kind == "waive"


def test_the_bundle_verifies(golden: Path) -> None:
    bundle = Bundle.parse((golden / "gate.bundle.json").read_bytes())
    assert verify(bundle.envelope, [entry.key for entry in trust_root(golden).keys])


@pytest.mark.parametrize("name", ["oms-key", "oms-shards"])
def test_the_model_signatures_by_key_verify(golden: Path, name: str) -> None:
    bundle = Bundle.parse((golden / f"{name}.bundle.json").read_bytes())
    key = PublicKey.from_pem((golden / "oms-key.pem").read_bytes())
    verify_model(golden / "model", bundle, key).require_intact()


def test_the_model_signature_by_certificate_verifies(golden: Path) -> None:
    bundle = Bundle.parse((golden / "oms-certificate.bundle.json").read_bytes())
    roots = load_certificates((golden / "root.pem").read_bytes())
    trust = CertificateTrust(roots, Micros(facts(golden)["at"]))
    verify_model(golden / "model", bundle, trust).require_intact()


def test_no_private_part_is_kept(golden: Path) -> None:
    for path in golden.rglob("*"):
        assert not path.is_file() or b"PRIVATE KEY" not in path.read_bytes()
