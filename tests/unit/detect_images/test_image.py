"""Images: content against digests, configuration, and signatures of three forms, by listed keys."""

from pathlib import Path
from typing import Any

import pytest
from tests.images import ANNOTATIONS, Store

from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.detect.images import RULES, ImageReport, ImageWants, check_image
from tidegate.interop.cosign import verify_image
from tidegate.interop.oci.layout import Layout
from tidegate.interop.oci.model import INDEX, Descriptor, Reference

KEY = PrivateKey.generate(Scheme.P256)
OTHER = PrivateKey.generate(Scheme.P256)
PREDICATE = "https://slsa.dev/provenance/v1"


def judged(store: Store, folder: Path, *keys: PublicKey, **wanted: Any) -> ImageReport:
    layout = Layout(store.write(folder / "layout"))
    return check_image(layout, layout.manifests[0], "app", ImageWants(**wanted), keys=keys)


def slugs(report: ImageReport) -> list[str]:
    return [one.rule.partition("/")[2] for one in report.findings]


def test_an_honest_image_is_clean(tmp_path: Path) -> None:
    store = Store()
    store.image(history=["RUN make", "ENV PATH=/bin"])
    report = judged(store, tmp_path)
    assert (slugs(report), report.gaps, report.coverage.complete) == ([], [], True)
    assert (report.manifests, report.layers) == (1, 1)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "root": ("root-user", {"config": {"User": "0:0"}}),
    "no user": ("root-user", {"config": {"User": ""}}),
    "a secret variable": ("secret", {"config": {"Env": ["DB_PASSWORD=hunter2"]}}),
    "a secret in the history": ("secret", {"history": ["|1 NPM_TOKEN=abc /bin/sh -c npm ci"]}),
    "no base": ("base-unstated", {"annotations": {}}),
    "a base of others": ("base-registry", {}),
    "another content": ("digest-mismatch", {"diff_id": "sha256:" + "0" * 64}),
}


@pytest.mark.parametrize("case", CASES)
def test_rules_about_images(case: str, tmp_path: Path) -> None:
    slug, made = CASES[case]
    store = Store()
    store.image(**made)
    wanted = {"registries": ("other.example",)} if slug == "base-registry" else {}
    report = judged(store, tmp_path, **wanted)
    assert slugs(report) == [slug]
    assert "hunter2" not in str(report.findings)


def test_a_layer_elsewhere_is_told(tmp_path: Path) -> None:
    store = Store()
    config = store.put(b"{}", "application/vnd.oci.empty.v1+json")
    layer = store.put(
        b"x",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        urls=["https://x.example/l"],
    )
    store.name(store.manifest(config, [layer]), "1")
    report = judged(store, tmp_path)
    assert "foreign-layer" in slugs(report)
    assert not report.coverage.complete


@pytest.mark.parametrize("part", ["manifest", "config", "layer", "gone"])
def test_a_changed_part_is_found(part: str, tmp_path: Path) -> None:
    store = Store()
    image = store.image()
    names = list(store.blobs)  # layer, config, manifest
    name = {"layer": names[0], "config": names[1], "manifest": names[2], "gone": names[0]}[part]
    if part == "gone":
        del store.blobs[name]
    else:
        data = store.blobs[name]
        store.blobs[name] = data[:-1] + bytes([data[-1] ^ 1])
    report = judged(store, tmp_path)
    assert slugs(report) == ["digest-mismatch"]
    assert image["digest"]


def test_an_index_is_judged_platform_by_platform(tmp_path: Path) -> None:
    store = Store()
    good, bad = store.image(tag=None), store.image(tag=None, config={"User": "root"})
    note = {"vnd.docker.reference.type": "attestation-manifest"}
    import json  # noqa: PLC0415 - beside its use

    body = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [good, bad, {**good, "annotations": note}],
    }
    top = store.put(json.dumps(body).encode(), INDEX)
    store.index = []
    store.name(top, "1")
    report = judged(store, tmp_path)
    assert (report.manifests, slugs(report)) == (2, ["root-user"])


FORMS = ["simple", "bundle", "envelope"]


def sign(store: Store, image: dict[str, Any], form: str, key: PrivateKey, about: str = "") -> None:
    if form == "simple":
        store.sign_simply(image, key, about=about)
    elif form == "bundle":
        store.attest(image, key, about=about)
    else:
        store.attest(image, key, bundle=False, predicate=PREDICATE, about=about)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_signature_verifies(form: str, tmp_path: Path) -> None:
    store = Store()
    image = store.image()
    sign(store, image, form, KEY)
    layout = Layout(store.write(tmp_path / "layout"))
    verdict = verify_image(layout, Digest.parse(image["digest"]), [KEY.verifier])
    assert (len(verdict.proofs), verdict.refused, verdict.foreign) == (1, (), 0)
    assert verdict.signed is (form != "envelope")
    assert verdict.predicates == ((PREDICATE,) if form == "envelope" else ())


@pytest.mark.parametrize("form", FORMS)
def test_another_key_and_another_image_do_not_count(form: str, tmp_path: Path) -> None:
    store = Store()
    image = store.image()
    sign(store, image, form, OTHER)
    sign(store, image, form, KEY, "sha256:" + "e" * 64)
    report = judged(store, tmp_path, KEY.verifier)
    assert report.verdict
    assert not report.verdict.proofs
    assert report.verdict.foreign + len(report.verdict.refused) >= 1
    assert "unsigned" in slugs(report)


@pytest.mark.parametrize("scheme", [Scheme.P256, Scheme.ED25519])
def test_a_signed_image_is_clean(scheme: Scheme, tmp_path: Path) -> None:
    key = PrivateKey.generate(scheme)
    store = Store()
    image = store.image()
    store.sign_simply(image, key)
    store.attest(image, key, predicate=PREDICATE)
    report = judged(store, tmp_path, key.verifier)
    assert (slugs(report), report.facts()["signed"], report.facts()["attestations"]) == (
        [],
        True,
        1,
    )


def test_a_damaged_signature_is_told(tmp_path: Path) -> None:
    store = Store()
    image = store.image()
    store.sign_simply(image, KEY)
    folder = store.write(tmp_path / "layout")
    payload = next(name for name, data in store.blobs.items() if b"cosign container" in data)
    file = folder / "blobs/sha256" / payload
    file.write_bytes(file.read_bytes().replace(b"team/app", b"evil/app"))
    layout = Layout(folder)
    report = check_image(layout, layout.manifests[0], "app", ImageWants(), keys=[KEY.verifier])
    assert sorted(slugs(report)) == ["bad-signature", "unsigned"]


def test_signatures_that_cosign_saved_are_found(tmp_path: Path) -> None:
    store = Store()
    image = store.image()
    store.sign_simply(image, KEY)
    store.index[-1]["annotations"] = {"kind": "dev.cosignproject.cosign/sigs"}
    layout = Layout(store.write(tmp_path / "layout"))
    assert verify_image(layout, Digest.parse(image["digest"]), [KEY.verifier]).signed


def test_every_rule_has_a_case() -> None:
    from tests.unit.detect_images import test_dockerfile  # noqa: PLC0415 - shared cases

    told = {slug for slug, *_ in test_dockerfile.CASES.values()} | {
        slug for slug, _ in CASES.values()
    }
    told |= {"foreign-layer", "unsigned", "bad-signature"}
    assert {rule.id.partition("/")[2] for rule in RULES} == told


def test_layouts_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(SubjectError):
        Layout(tmp_path)
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (tmp_path / "index.json").write_text('{"manifests": [{"digest": "sha256:../../x"}]}')
    with pytest.raises(VerificationError):
        Layout(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["app", "team/app:1", "registry.example", "REG.example/App", "a.b/c:d:e", "http://a.b/c"],
)
def test_references_name_their_registry(text: str) -> None:
    from tidegate.core.errors import UsageError  # noqa: PLC0415 - beside its use

    with pytest.raises(UsageError):
        Reference.parse(text)


def test_sizes_are_checked(tmp_path: Path) -> None:
    store = Store()
    store.image()
    layout = Layout(store.write(tmp_path / "layout"))
    manifest = layout.manifest(layout.manifests[0].digest)
    layer = manifest.layers[0]
    short = Descriptor(layer.media_type, layer.digest, layer.size - 1)
    with pytest.raises(VerificationError):
        layout.blob(short)
    assert ANNOTATIONS.items() <= dict(manifest.annotations).items()
