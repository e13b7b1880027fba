"""OpenSSF Model Signing: what was signed is found again, and each difference is named."""

import hashlib
import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from tidegate.core import canonical
from tidegate.core.attest import envelope as dsse
from tidegate.core.attest.statement import Statement
from tidegate.core.attest.uris import PAYLOAD_TYPE
from tidegate.core.clock import Micros
from tidegate.core.errors import (
    EmptySubject,
    SignatureError,
    SubjectError,
    TrustError,
    UsageError,
    VerificationError,
)
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.interop.bundle import Bundle, KeyHint
from tidegate.interop.certs import load_certificates
from tidegate.interop.modelfiles import HashType, Serialization
from tidegate.interop.oms import (
    GIT_PATHS,
    CertificateTrust,
    Manifest,
    ModelReport,
    sign_model,
    verify_model,
)

KEY = PrivateKey.generate(Scheme.P256)
FILES = {
    "config.json": b"{}",
    "a/weights.bin": bytes(range(256)) * 40,
    "a.txt": b"a",
    "a/é.txt": b"e",
    ".git/HEAD": b"ref",
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "credit-model"
    for name, data in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def manifest_of(bundle: Bundle) -> Manifest:
    return Manifest.read(Statement.parse(bundle.envelope.payload))


def test_a_signed_model_is_intact(model: Path) -> None:
    bundle = Bundle.parse(sign_model(model, KEY).to_bytes())
    report = verify_model(model, bundle, KEY.verifier)
    report.require_intact()
    assert report.name == "credit-model"
    assert report.examined == 4
    assert report.uncovered == (".git/HEAD",)
    assert report.key_id == KEY.verifier.key_id


def test_the_root_is_over_the_digests_in_order_of_path_parts(model: Path) -> None:
    manifest = manifest_of(sign_model(model, KEY))
    order = ["a/weights.bin", "a/é.txt", "a.txt", "config.json"]
    assert [name for name, _ in manifest.resources] == order
    digests = b"".join(hashlib.sha256(FILES[name]).digest() for name in order)
    assert manifest.root == hashlib.sha256(digests).hexdigest()


@pytest.mark.parametrize("scheme", [Scheme.P256, Scheme.P384, Scheme.P521])
@pytest.mark.parametrize("shard_size", [None, 1_000, 10_240])
@pytest.mark.parametrize("hash_type", list(HashType))
def test_every_hash_serialization_and_curve(
    model: Path, scheme: Scheme, shard_size: int | None, hash_type: HashType
) -> None:
    key = PrivateKey.generate(scheme)
    bundle = sign_model(model, key, how=Serialization(hash_type, shard_size, ignore=GIT_PATHS))
    verify_model(model, bundle, key.verifier).require_intact()
    (model / "a/weights.bin").write_bytes(FILES["a/weights.bin"][:-1] + b"\0")
    assert verify_model(model, bundle, key.verifier).changed == ("a/weights.bin",)


def test_hashes_are_the_algorithms_own(model: Path) -> None:
    for hash_type, expected in (
        (HashType.BLAKE2B, hashlib.blake2b(b"a").hexdigest()),
        (HashType.BLAKE3, blake3(b"a").hexdigest()),
    ):
        bundle = sign_model(model, KEY, how=Serialization(hash_type))
        assert ("a.txt", expected) in manifest_of(bundle).resources


def test_shards_cover_a_file_without_gaps(model: Path) -> None:
    bundle = sign_model(model, KEY, how=Serialization(shard_size=4_000))
    names = [name for name, _ in manifest_of(bundle).files["a/weights.bin"]]
    assert names == [
        "a/weights.bin:0:4000",
        "a/weights.bin:4000:8000",
        "a/weights.bin:8000:10240",
    ]


def test_a_model_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    bundle = sign_model(path, KEY)
    assert manifest_of(bundle).resources == ((".", hashlib.sha256(b"weights").hexdigest()),)
    verify_model(path, bundle, KEY.verifier).require_intact()
    path.write_bytes(b"weightz")
    assert verify_model(path, bundle, KEY.verifier).changed == (".",)


def _remove(model: Path) -> None:
    (model / "a.txt").unlink()


def _change(model: Path) -> None:
    (model / "a.txt").write_bytes(b"b")


def _add(model: Path) -> None:
    (model / "a" / "evil.py").write_bytes(b"x")


def _rename(model: Path) -> None:
    (model / "a.txt").rename(model / "b.txt")


def _grow(model: Path) -> None:
    with (model / "config.json").open("ab") as file:
        file.write(b" ")


@pytest.mark.parametrize("shard_size", [None, 7])
@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (_remove, (("a.txt",), (), ())),
        (_change, ((), ("a.txt",), ())),
        (_add, ((), (), ("a/evil.py",))),
        (_rename, (("a.txt",), (), ("b.txt",))),
        (_grow, ((), ("config.json",), ())),
    ],
)
def test_each_difference_is_named(
    model: Path,
    act: Callable[[Path], None],
    expected: tuple[tuple[str, ...], ...],
    shard_size: int | None,
) -> None:
    bundle = sign_model(model, KEY, how=Serialization(shard_size=shard_size, ignore=GIT_PATHS))
    act(model)
    report = verify_model(model, bundle, KEY.verifier)
    assert (report.missing, report.changed, report.extra) == expected
    with pytest.raises(VerificationError) as caught:
        report.require_intact()
    assert caught.value.slug == "model-mismatch"
    for name in itertools.chain(*expected):
        assert name in str(caught.value)


def test_a_report_over_nothing_is_not_intact() -> None:
    nothing = ModelReport("m", "", "", (), 0, (), (), (), ())
    assert not nothing.intact
    with pytest.raises(VerificationError):
        nothing.require_intact()


def test_an_empty_model_is_neither_signed_nor_verified(model: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    (empty / "sub").mkdir(parents=True)
    with pytest.raises(EmptySubject):
        sign_model(empty, KEY)
    with pytest.raises(EmptySubject):
        verify_model(empty, sign_model(model, KEY), KEY.verifier)


def test_a_signed_file_that_the_caller_leaves_out_is_missing(model: Path) -> None:
    report = verify_model(model, sign_model(model, KEY), KEY.verifier, ignore=["a.txt"])
    assert report.missing == ("a.txt",)


def test_the_bundle_itself_may_be_left_out(model: Path) -> None:
    bundle = sign_model(model, KEY)
    (model / "model.sig").write_bytes(bundle.to_bytes())
    assert verify_model(model, bundle, KEY.verifier).extra == ("model.sig",)
    verify_model(model, bundle, KEY.verifier, ignore=["model.sig"]).require_intact()


def test_left_out_paths_are_anchored_at_the_model(model: Path) -> None:
    (model / "a" / ".gitignore").write_bytes(b"x")
    names = [name for name, _ in manifest_of(sign_model(model, KEY)).resources]
    assert "a/.gitignore" in names


def test_links_need_both_the_signature_and_the_caller(model: Path) -> None:
    (model / "link.txt").symlink_to("a.txt")
    with pytest.raises(SubjectError) as caught:
        sign_model(model, KEY)
    assert caught.value.slug == "symlink"
    bundle = sign_model(model, KEY, how=Serialization(allow_symlinks=True))
    verify_model(model, bundle, KEY.verifier, allow_symlinks=True).require_intact()
    with pytest.raises(SubjectError):
        verify_model(model, bundle, KEY.verifier)
    strict = sign_model(model / "a", KEY)
    (model / "a" / "link").symlink_to("weights.bin")
    with pytest.raises(SubjectError):
        verify_model(model / "a", strict, KEY.verifier, allow_symlinks=True)


def test_special_files_are_refused(model: Path) -> None:
    os.mkfifo(model / "fifo")
    with pytest.raises(SubjectError) as caught:
        sign_model(model, KEY)
    assert caught.value.slug == "special-file"


def test_only_ecdsa_keys_sign_models(model: Path) -> None:
    with pytest.raises(UsageError) as caught:
        sign_model(model, PrivateKey.generate(Scheme.ED25519))
    assert caught.value.slug == "needs-ecdsa"


def test_another_key_is_named_before_its_signature_is_tried(model: Path) -> None:
    bundle, other = sign_model(model, KEY), PrivateKey.generate(Scheme.P256)
    with pytest.raises(TrustError) as trust:
        verify_model(model, bundle, other.verifier)
    assert trust.value.slug == "wrong-key"
    unnamed = replace(bundle, material=KeyHint(""))
    with pytest.raises(SignatureError):
        verify_model(model, unnamed, other.verifier)
    verify_model(model, unnamed, KEY.verifier).require_intact()


def test_a_key_hint_is_no_certificate(model: Path) -> None:
    with pytest.raises(TrustError) as caught:
        verify_model(model, sign_model(model, KEY), CertificateTrust((), Micros(0)))
    assert caught.value.slug == "no-certificate"


def test_a_changed_statement_is_refused(model: Path) -> None:
    bundle = sign_model(model, KEY)
    changed = replace(bundle.envelope, payload=bundle.envelope.payload + b" ")
    with pytest.raises(SignatureError):
        verify_model(model, replace(bundle, envelope=changed), KEY.verifier)


def _resigned(model: Path, change: Callable[[dict[str, object]], object]) -> Bundle:
    bundle = sign_model(model, KEY)
    value = Statement.parse(bundle.envelope.payload).to_json()
    change(value)
    payload = canonical.dumps(value)
    return replace(bundle, envelope=dsse.sign(payload, PAYLOAD_TYPE, [KEY]))


def _set(path: str, new: object) -> Callable[[dict[str, object]], object]:
    def change(value: object) -> None:
        *parts, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        for part in parts:
            value = value[part]  # type: ignore[index]  # JSON
        value[last] = new  # type: ignore[index]  # JSON

    return change


SHARDS = "predicate/serialization"


@pytest.mark.parametrize(
    ("path", "new", "slug"),
    [
        ("predicateType", "https://model_signing/Digests/v0.1", "predicate-type"),
        ("subject/0/digest", {"sha256": "0" * 64}, "inconsistent-manifest"),
        ("subject/0/digest", {"sha512": "0" * 128}, "inconsistent-manifest"),
        ("predicate/resources", [], "bad-model-signature"),
        ("predicate/resources/0/digest", "zz", "bad-model-signature"),
        ("predicate/resources/0/digest", "abc", "bad-model-signature"),
        ("predicate/resources/0/digest", "00" * 32, "inconsistent-manifest"),
        ("predicate/resources/0/algorithm", "md5", "bad-model-signature"),
        ("predicate/resources/0/algorithm", "blake3", "bad-model-signature"),
        ("predicate/resources/0/name", "../x", "bad-model-signature"),
        ("predicate/resources/0/name", "/etc/passwd", "bad-model-signature"),
        ("predicate/resources/1/name", "a/weights.bin", "bad-model-signature"),
        (f"{SHARDS}/method", "merkle", "bad-model-signature"),
        (f"{SHARDS}/method", "shards", "bad-model-signature"),
        (f"{SHARDS}/hash_type", "md5", "bad-model-signature"),
        (f"{SHARDS}/allow_symlinks", "no", "bad-model-signature"),
        (f"{SHARDS}/ignore_paths", ["../.."], "bad-model-signature"),
    ],
)
def test_a_signed_statement_that_makes_no_sense_is_refused(
    model: Path, path: str, new: object, slug: str
) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_model(model, _resigned(model, _set(path, new)), KEY.verifier)
    assert caught.value.slug == slug


def test_a_second_subject_is_refused(model: Path) -> None:
    def change(value: dict[str, object]) -> None:
        subjects = value["subject"]
        assert isinstance(subjects, list)
        subjects.append(subjects[0])

    with pytest.raises(VerificationError):
        verify_model(model, _resigned(model, change), KEY.verifier)


def test_another_payload_type_is_refused(model: Path) -> None:
    bundle = sign_model(model, KEY)
    other = dsse.sign(bundle.envelope.payload, "application/json", [KEY])
    with pytest.raises(VerificationError) as caught:
        verify_model(model, replace(bundle, envelope=other), KEY.verifier)
    assert caught.value.slug == "payload-type"


def test_an_absent_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubjectError):
        sign_model(tmp_path / "absent", KEY)


def test_an_empty_file_in_shards_is_told_as_uncovered(model: Path) -> None:
    (model / "empty").write_bytes(b"")
    bundle = sign_model(model, KEY, how=Serialization(shard_size=100))
    assert verify_model(model, bundle, KEY.verifier).uncovered == ("empty",)
    whole = sign_model(model, KEY)
    assert "empty" in manifest_of(whole).files


def test_a_link_to_a_model_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(model)
    with pytest.raises(SubjectError) as caught:
        sign_model(tmp_path / "link", KEY)
    assert caught.value.slug == "symlink"


def test_a_certificate_of_another_key_is_refused(model: Path) -> None:
    golden = Path(__file__).resolve().parents[2] / "data" / "golden" / "v0.1" / "root.pem"
    with pytest.raises(UsageError) as caught:
        sign_model(model, KEY, certificates=load_certificates(golden.read_bytes()))
    assert caught.value.slug == "wrong-certificate"
