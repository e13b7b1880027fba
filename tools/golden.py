"""Write what this release signs, for all later releases to verify: ``python tools/golden.py v0.1``.

The folder holds public parts only; the private keys are dropped when the program ends, so a folder
is written once and never again. ``tests/unit/attest/test_golden.py`` verifies every folder.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.chain import sign_trust_root
from tidegate.core.attest.directive import Directive
from tidegate.core.attest.gate import Actor, GatePredicate, GateRef, Material, PolicyRef, Tool
from tidegate.core.attest.statement import Subject
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.clock import DAY, Micros, parse_iso
from tidegate.core.digest import sha256
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import TrustedKey, TrustRoot
from tidegate.core.stage import Outcome, Stage
from tidegate.interop.bundle import Bundle, KeyHint
from tidegate.interop.modelfiles import HashType, Serialization
from tidegate.interop.oms import GIT_PATHS, sign_model
from tidegate.version import __version__

AT = parse_iso("2026-11-22T12:00:00+00:00")
MODEL = {"config.json": b'{"layers": 2}\n', "weights/layer-0.bin": bytes(range(256)) * 4}


def trust(folder: Path, ana: PrivateKey, bob: PrivateKey) -> None:
    """Write two versions of a trust root."""
    steward = TrustedKey(ana.verifier, "ana", frozenset({Role.STEWARD}), valid_from=AT)
    releaser = TrustedKey(bob.verifier, "bob", frozenset({Role.RELEASER}), valid_from=AT)
    first = TrustRoot("golden", 1, (steward,), (ana.verifier,))
    keys = (steward, releaser)
    second = TrustRoot("golden", 2, keys, (ana.verifier, bob.verifier), 2, previous=first.digest)
    (folder / "trust-root.1.dsse.json").write_bytes(sign_trust_root(first, [ana]).to_bytes())
    (folder / "trust-root.2.dsse.json").write_bytes(sign_trust_root(second, [ana, bob]).to_bytes())
    facts = {"at": AT, "index": 7, "anchor": str(first.digest), "principals": ["ana", "bob"]}
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")


def statements(folder: Path, ana: PrivateKey, bob: PrivateKey) -> None:
    """Write a gate statement, as envelope and as bundle, and a directive."""
    coverage = {"planned": 1, "examined": 1, "skipped": [], "failed": [], "unit": "file"}
    subjects = (Subject.of("model", sha256(b"model")),)
    gate = GatePredicate(
        gate=GateRef(Stage.REGISTRY, "promote"),
        outcome=Outcome.ALLOW,
        actor=Actor("ana", frozenset({Role.STEWARD}), ana.verifier.key_id),
        tool=Tool("tidegate", __version__),
        time=AT,
        environment="default",
        policy=PolicyRef("default", "1", sha256(b"policy"), "enforce"),
        coverage=coverage,
        materials=(Material("data", "dataset", sha256(b"data")),),
        assurance={"keySealed": True},
    )
    signed = dsse.sign(gate.statement(subjects).to_bytes(), PAYLOAD_TYPE, [ana, bob])
    (folder / "gate.dsse.json").write_bytes(signed.to_bytes())
    alone = dsse.sign(signed.payload, PAYLOAD_TYPE, [ana])
    bundle = Bundle(alone, KeyHint(ana.verifier.hint))
    (folder / "gate.bundle.json").write_bytes(bundle.to_bytes())
    waiver = Directive("waive", "TG-REG-03", "vendor fix due", "bob", Micros(AT + 30 * DAY))
    waived = dsse.sign(waiver.statement(subjects).to_bytes(), PAYLOAD_TYPE, [bob])
    (folder / "directive.dsse.json").write_bytes(waived.to_bytes())


def models(folder: Path) -> None:
    """Write a model with OMS bundles by key, by certificate, and of shards."""
    model = folder / "model"
    for name, data in MODEL.items():
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(data)
    raw = ec.generate_private_key(ec.SECP256R1())
    key = PrivateKey.of(raw)
    root_key = ec.generate_private_key(ec.SECP384R1())
    root = _certificate("Golden root", root_key, root_key, None)
    leaf = _certificate("Golden signer", raw, root_key, root)
    shards = Serialization(HashType.BLAKE2B, 100, ignore=GIT_PATHS)
    for name, bundle in (
        ("oms-key", sign_model(model, key)),
        ("oms-shards", sign_model(model, key, how=shards)),
        ("oms-certificate", sign_model(model, key, certificates=[leaf])),
    ):
        (folder / f"{name}.bundle.json").write_bytes(bundle.to_bytes())
    (folder / "oms-key.pem").write_bytes(key.verifier.pem)
    (folder / "root.pem").write_bytes(root.public_bytes(serialization.Encoding.PEM))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    is_root = issuer is None
    usage = x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder(
            issuer_name=issuer.subject if issuer else subject,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=datetime(2026, 11, 1, tzinfo=UTC),
            not_valid_after=datetime(2046 if is_root else 2027, 11, 1, tzinfo=UTC),
        )
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )
    if not is_root:
        signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(signing, critical=False)
    return builder.sign(signer, hashes.SHA256())


def main() -> int:
    """Write the folder that the command line names."""
    folder = Path(__file__).resolve().parents[1] / "tests" / "data" / "golden" / sys.argv[1]
    folder.mkdir(parents=True)
    ana, bob = (PrivateKey.generate(Scheme.ED25519) for _ in range(2))
    trust(folder, ana, bob)
    statements(folder, ana, bob)
    models(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
