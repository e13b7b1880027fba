"""OpenSSF Model Signing: the published schemas and vectors, and two independent verifiers.

The verifiers live outside this project's environment; ``python tools/peers.py`` installs them.
"""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from referencing import Registry, Resource

from tidegate.core.attest.envelope import verify
from tidegate.core.attest.statement import Statement
from tidegate.core.clock import parse_iso
from tidegate.core.errors import SignatureError, TrustError, VerificationError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.interop.bundle import Bundle, Certificates
from tidegate.interop.certs import load_certificate, verify_chain
from tidegate.interop.modelfiles import HashType, Serialization
from tidegate.interop.oms import (
    GIT_PATHS,
    CertificateTrust,
    Manifest,
    sign_model,
    verify_model,
)

pytestmark = pytest.mark.interop

PEERS = Path(__file__).resolve().parents[2] / ".tools" / "peers"
CURVES = [Scheme.P256, Scheme.P384, Scheme.P521]
KEY = PrivateKey.generate(Scheme.P256)


def peer(name: str) -> Path:
    folder = PEERS / name
    if not (folder / "installed.txt").is_file():
        pytest.skip(f"the peer is not installed: python tools/peers.py {name}")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("a/weights.bin", "a.txt", "a/b.json", "z é.txt", ".git/HEAD", "a/.gitignore"):
        (folder / name).write_bytes(name.encode() * 50)
    return folder


# The published schemas and vectors -----------------------------------------------------------


@pytest.fixture(scope="module")
def oms(shared: Path) -> Path:
    folder = shared / "data" / "supply" / "oms"
    if not folder.is_dir():
        pytest.skip("the schemas and vectors are absent")
    return folder


def check_schemas(oms: Path, bundle: bytes) -> None:
    schemas = [json.loads(path.read_text()) for path in (oms / "schemas").iterdir()]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    value = json.loads(bundle)
    for name, instance in (
        ("bundle", value),
        ("statement", json.loads(Bundle.parse(bundle).envelope.payload)),
    ):
        schema = {"$ref": f"https://model_signing/{name}/v1.0/schema"}
        jsonschema.Draft202012Validator(schema, registry=registry).validate(instance)


@pytest.mark.parametrize("hash_type", list(HashType))
@pytest.mark.parametrize("shard_size", [None, 100])
def test_our_bundle_is_as_the_schemas_say(
    oms: Path, model: Path, hash_type: HashType, shard_size: int | None
) -> None:
    how = Serialization(hash_type, shard_size, ignore=GIT_PATHS)
    check_schemas(oms, sign_model(model, KEY, how=how).to_bytes())


@pytest.mark.parametrize("name", ["key", "certificate", "sigstore"])
def test_valid_vectors_are_read(oms: Path, name: str) -> None:
    data = (oms / "test-vectors" / "valid" / f"{name}.bundle.json").read_bytes()
    check_schemas(oms, data)
    bundle = Bundle.parse(data)
    manifest = Manifest.read(Statement.parse(bundle.envelope.payload))
    assert manifest.name
    assert manifest.resources


@pytest.mark.parametrize(
    "name",
    [
        "invalid/empty",
        "invalid/missing-envelope",
        "invalid/missing-tlog-entries",
        "invalid/missing-verification-material",
        "invalid-payload/wrong-predicate",
    ],
)
def test_invalid_vectors_are_refused(oms: Path, name: str) -> None:
    data = (oms / "test-vectors" / f"{name}.bundle.json").read_bytes()
    with pytest.raises(VerificationError):
        Manifest.read(Statement.parse(Bundle.parse(data).envelope.payload))


def test_the_certificate_vector_has_a_chain_and_a_signature_of_its_leaf(oms: Path) -> None:
    data = (oms / "test-vectors" / "valid" / "certificate.bundle.json").read_bytes()
    bundle = Bundle.parse(data)
    chain = [load_certificate(der) for der in der_of(bundle)]
    # The root itself is not published: its intermediate is taken as the trusted issuer.
    at = parse_iso("2026-01-01T00:00:00+00:00")
    certified = verify_chain(chain[:1], chain[1:], at=at)
    assert verify(bundle.envelope, [certified.key])


def der_of(bundle: Bundle) -> tuple[bytes, ...]:
    assert isinstance(bundle.material, Certificates)
    return bundle.material.der


# model-signing (Python) ----------------------------------------------------------------------

DRIVER = """
import json, pathlib, sys
from model_signing import hashing, signing, verifying
for job in json.load(sys.stdin):
    config = hashing.Config().set_ignored_paths(paths=job["ignore"])
    if job["shard"]:
        config.use_shard_serialization(hashing_algorithm=job["hash"], shard_size=job["shard"])
    else:
        config.use_file_serialization(hashing_algorithm=job["hash"])
    model, signature = pathlib.Path(job["model"]), pathlib.Path(job["signature"])
    try:
        config.set_allow_symlinks(job["links"])
        if job["sign"]:
            made, key = signing.Config(), pathlib.Path(job["key"])
            if job["chain"]:
                leaf, *more = [pathlib.Path(path) for path in job["chain"]]
                made.use_certificate_signer(
                    private_key=key, signing_certificate=leaf, certificate_chain=more
                )
            else:
                made.use_elliptic_key_signer(private_key=key)
            made.set_hashing_config(config).sign(model, signature)
        else:
            check = verifying.Config()
            if job["chain"]:
                paths = [pathlib.Path(path) for path in job["chain"]]
                check.use_certificate_verifier(certificate_chain=paths)
            else:
                check.use_elliptic_key_verifier(public_key=pathlib.Path(job["key"]))
            check.set_hashing_config(config).verify(model, signature)
        print("OK")
    except Exception as error:
        print("FAIL", type(error).__name__, str(error).replace(chr(10), " "))
"""


def run_model_signing(jobs: list[dict[str, Any]]) -> list[str]:
    python = peer("model-signing") / "bin" / "python"
    defaults = {
        "hash": "sha256", "shard": 0, "ignore": [], "chain": [], "sign": False, "links": False,
    }  # fmt: skip
    done = subprocess.run(
        [python, "-c", DRIVER],
        input=json.dumps([{**defaults, **job} for job in jobs]),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.splitlines()


FILES = [
    *((scheme, HashType.SHA256, 0) for scheme in CURVES),
    (Scheme.P256, HashType.BLAKE2B, 0),
    (Scheme.P256, HashType.BLAKE3, 0),
]
# model-signing 1.1.1 calls the hash of a shard `sha256-sharded-100`, where the specification has
# `sha256`: it does not verify shards that are written by the specification. We read both.
SHARDS = [(Scheme.P256, HashType.SHA256, 100), (Scheme.P256, HashType.BLAKE2B, 77)]


def their_name(hash_type: HashType) -> str:
    return {"blake2b": "blake2"}.get(hash_type, hash_type)


@pytest.mark.slow
def test_model_signing_verifies_our_bundles_and_refuses_a_changed_model(
    model: Path, tmp_path: Path
) -> None:
    jobs = []
    for number, (scheme, hash_type, shard) in enumerate(FILES):
        key = PrivateKey.generate(scheme)
        how = Serialization(hash_type, shard or None, ignore=GIT_PATHS)
        signature, public = tmp_path / f"{number}.sig", tmp_path / f"{number}.pub"
        signature.write_bytes(sign_model(model, key, how=how).to_bytes())
        public.write_bytes(key.verifier.pem)
        jobs.append(
            {
                "model": str(model),
                "signature": str(signature),
                "key": str(public),
                "hash": their_name(hash_type),
                "shard": shard,
            }
        )
    assert run_model_signing(jobs) == ["OK"] * len(jobs)
    (model / "a.txt").write_bytes(b"changed")
    assert all(line.startswith("FAIL ValueError") for line in run_model_signing(jobs))


@pytest.mark.slow
def test_we_verify_bundles_of_model_signing_and_refuse_a_changed_model(
    model: Path, tmp_path: Path
) -> None:
    jobs, keys = [], []
    for number, (scheme, hash_type, shard) in enumerate([*FILES, *SHARDS]):
        key = PrivateKey.generate(scheme)
        private = tmp_path / f"{number}.pem"
        private.write_bytes(key.to_pem())
        keys.append(key)
        jobs.append(
            {
                "sign": True,
                "model": str(model),
                "signature": str(tmp_path / f"{number}.sig"),
                "key": str(private),
                "hash": their_name(hash_type),
                "shard": shard,
            }
        )
    assert run_model_signing(jobs) == ["OK"] * len(jobs)
    bundles = [Bundle.parse((tmp_path / f"{n}.sig").read_bytes()) for n in range(len(jobs))]
    for bundle, key in zip(bundles, keys, strict=True):
        verify_model(model, bundle, key.verifier).require_intact()
        ours = sign_model(model, key, how=Manifest.read(_statement(bundle)).how)
        assert _statement(ours).subjects == _statement(bundle).subjects
    (model / "a.txt").write_bytes(b"changed")
    for bundle, key in zip(bundles, keys, strict=True):
        assert verify_model(model, bundle, key.verifier).changed == ("a.txt",)


def _statement(bundle: Bundle) -> Statement:
    return Statement.parse(bundle.envelope.payload)


@pytest.mark.slow
def test_a_model_of_one_file_goes_both_ways(tmp_path: Path) -> None:
    model, private, public = (tmp_path / name for name in ("m.bin", "key.pem", "key.pub"))
    model.write_bytes(b"weights")
    private.write_bytes(KEY.to_pem())
    public.write_bytes(KEY.verifier.pem)
    ours, theirs = tmp_path / "ours.sig", tmp_path / "theirs.sig"
    ours.write_bytes(sign_model(model, KEY).to_bytes())
    jobs: list[dict[str, Any]] = [
        {"model": str(model), "signature": str(ours), "key": str(public)},
        {"sign": True, "model": str(model), "signature": str(theirs), "key": str(private)},
    ]
    assert run_model_signing(jobs) == ["OK", "OK"]
    verify_model(model, Bundle.parse(theirs.read_bytes()), KEY.verifier).require_intact()


@pytest.mark.slow
def test_model_signing_verifies_our_certificate_bundle() -> None:
    golden = Path(__file__).resolve().parents[1] / "data" / "golden" / "v0.1"
    jobs = [
        {
            "model": str(golden / "model"),
            "signature": str(golden / "oms-certificate.bundle.json"),
            "chain": [str(golden / "root.pem")],
        }
    ]
    assert run_model_signing(jobs) == ["OK"]


@pytest.mark.slow
def test_ignored_paths_and_links_go_both_ways(model: Path, tmp_path: Path) -> None:
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(KEY.to_pem())
    public.write_bytes(KEY.verifier.pem)
    (model / "local").mkdir()
    (model / "local" / "mine.json").write_text("{}")
    (model / "link.txt").symlink_to("a.txt")
    ours, theirs = tmp_path / "ours.sig", tmp_path / "theirs.sig"
    how = Serialization(allow_symlinks=True, ignore=(*GIT_PATHS, "local"))
    ours.write_bytes(sign_model(model, KEY, how=how).to_bytes())
    common = {"model": str(model), "links": True, "ignore": [str(model / "local")]}
    jobs: list[dict[str, Any]] = [
        {**common, "signature": str(ours), "key": str(public)},
        {**common, "sign": True, "signature": str(theirs), "key": str(private)},
    ]
    assert run_model_signing(jobs) == ["OK", "OK"]
    bundle = Bundle.parse(theirs.read_bytes())
    report = verify_model(model, bundle, KEY.verifier, allow_symlinks=True)
    report.require_intact()
    assert "local/mine.json" in report.uncovered
    assert _statement(Bundle.parse(ours.read_bytes())).subjects == _statement(bundle).subjects
    (model / "local" / "mine.json").write_text("changed, and ignored")
    assert verify_model(model, bundle, KEY.verifier, allow_symlinks=True).intact
    (model / "link.txt").unlink()
    (model / "link.txt").symlink_to("a/b.json")
    assert run_model_signing(jobs[:1])[0].startswith("FAIL ValueError")
    changed = verify_model(model, bundle, KEY.verifier, allow_symlinks=True).changed
    assert changed == ("link.txt",)


@pytest.mark.slow
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_certificates_go_both_ways(model: Path, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    raw, root_key = ec.generate_private_key(curve), ec.generate_private_key(ec.SECP384R1())
    root = certificate("Root", root_key, root_key, None)
    leaf = certificate("Signer", raw, root_key, root)
    private = tmp_path / "key.pem"
    private.write_bytes(PrivateKey.of(raw).to_pem())
    for name, one in (("root", root), ("leaf", leaf)):
        (tmp_path / f"{name}.pem").write_bytes(one.public_bytes(serialization.Encoding.PEM))
    ours, theirs = tmp_path / "ours.sig", tmp_path / "theirs.sig"
    made = sign_model(model, PrivateKey.of(raw), certificates=[leaf, root])
    ours.write_bytes(made.to_bytes())
    chain = [str(tmp_path / "leaf.pem"), str(tmp_path / "root.pem")]
    jobs: list[dict[str, Any]] = [
        {"model": str(model), "signature": str(ours), "chain": chain[1:]},
        {"model": str(model), "signature": str(theirs), "sign": True, "key": str(private),
         "chain": chain},
    ]  # fmt: skip
    assert run_model_signing(jobs) == ["OK", "OK"]
    trust = CertificateTrust((root,), parse_iso("2026-06-01T00:00:00+00:00"))
    bundle = Bundle.parse(theirs.read_bytes())
    verify_model(model, bundle, trust).require_intact()
    other = certificate("Root", raw, raw, None)
    with pytest.raises(TrustError):
        verify_model(model, bundle, CertificateTrust((other,), trust.at))


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    top = issuer is None
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(
        issuer.subject if issuer else subject, subject, key.public_key(),
        x509.random_serial_number(), start, end,
    )  # fmt: skip
    usage = x509.KeyUsage(not top, False, False, False, False, top, top, False, False)
    made = made.add_extension(x509.BasicConstraints(top, None), critical=True)
    made = made.add_extension(usage, critical=True)
    if not top:
        signing = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        made = made.add_extension(signing, critical=False)
    return made.sign(signer, hashes.SHA256())


OLD_DRIVER = """
import pathlib, sys
from model_signing import model
from model_signing.hashing import file, memory
from model_signing.serialization import serialize_by_file
from model_signing.signature import key
from model_signing.signing import in_toto, in_toto_signature
folder, private, target = map(pathlib.Path, sys.argv[1:])
hasher = lambda path: file.SimpleFileHasher(path, memory.SHA256())
model.sign(
    model_path=folder,
    signer=in_toto_signature.IntotoSigner(key.ECKeySigner.from_path(str(private))),
    payload_generator=in_toto.DigestsIntotoPayload.from_manifest,
    serializer=serialize_by_file.ManifestSerializer(file_hasher_factory=hasher),
    ignore_paths=[],
).write(target)
"""


@pytest.mark.slow
def test_we_verify_what_model_signing_0_2_writes(model: Path, tmp_path: Path) -> None:
    python = peer("model-signing-0.2") / "bin" / "python"
    private, signature = tmp_path / "key.pem", tmp_path / "old.sig"
    private.write_bytes(KEY.to_pem())
    subprocess.run([python, "-c", OLD_DRIVER, model, private, signature], check=True, timeout=120)
    bundle = Bundle.parse(signature.read_bytes())
    report = verify_model(model, bundle, KEY.verifier, allow_old=True)
    report.require_intact()
    assert report.version == "0.2"
    (model / "a.txt").write_bytes(b"changed")
    assert verify_model(model, bundle, KEY.verifier, allow_old=True).changed == ("a.txt",)


# sigstore-js ---------------------------------------------------------------------------------

SCRIPT = """
const [bundlePath, keyPath] = process.argv.slice(1);
const { readFileSync } = require('fs');
const { createPublicKey } = require('crypto');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');
const root = { tlogs: [], ctlogs: [], certificateAuthorities: [], timestampAuthorities: [] };
root.mediaType = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';
const found = { publicKey: createPublicKey(readFileSync(keyPath)), validFor: () => true };
const trust = toTrustMaterial(root, () => found);
const none = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 };
try {
  const bundle = bundleFromJSON(JSON.parse(readFileSync(bundlePath)));
  new Verifier(trust, none).verify(toSignedEntity(bundle));
  console.log('OK');
} catch (error) {
  console.log('FAIL ' + error.code);
}
"""


def run_sigstore_js(bundle: Path, key: Path) -> str:
    folder = peer("sigstore-js")
    done = subprocess.run(
        ["node", "-e", SCRIPT, "--", str(bundle), str(key)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip() or done.stderr


@pytest.mark.slow
def test_sigstore_js_verifies_our_bundle_and_refuses_a_changed_one(
    model: Path, tmp_path: Path
) -> None:
    # P-256 only: @sigstore/verify 4.1.3 hashes with SHA-256 whatever the curve, and refuses the
    # P-384 bundles of model-signing 1.1.1 as it does ours.
    key, bundle = KEY, sign_model(model, KEY)
    path, public = tmp_path / "bundle.json", tmp_path / "key.pub"
    path.write_bytes(bundle.to_bytes())
    public.write_bytes(key.verifier.pem)
    assert run_sigstore_js(path, public) == "OK"
    changed = json.loads(bundle.to_bytes())
    payload = changed["dsseEnvelope"]["payload"]
    changed["dsseEnvelope"]["payload"] = (
        payload[:8] + ("A" if payload[8] != "A" else "B") + payload[9:]
    )
    path.write_text(json.dumps(changed))
    assert run_sigstore_js(path, public).startswith("FAIL")


def test_another_key_is_refused_here_too(model: Path) -> None:
    other = PrivateKey.generate(Scheme.P256)
    with pytest.raises(SignatureError):
        verify(sign_model(model, KEY).envelope, [other.verifier])
