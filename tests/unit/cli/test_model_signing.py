"""Models are signed and checked without a workspace, by files, certificates and URIs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.hsm import Transit, transit
from tests.sites import Tidegate

from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme

DATA = Path(__file__).resolve().parents[2] / "data"
OLD, GOLDEN = DATA / "oms-v0.2", DATA / "golden" / "v0.1"
PIN = "hunter2-97531"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    for name in ("a.txt", "sub/w.bin", ".git/HEAD"):
        (folder / name).write_bytes(name.encode() * 300)
    return folder


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    return pem(tmp_path / "key.pem")


def pem(path: Path, scheme: Scheme = Scheme.P256, passphrase: bytes | None = None) -> PrivateKey:
    made = PrivateKey.generate(scheme)
    path.write_bytes(made.to_pem(passphrase=passphrase))
    path.chmod(0o600)
    path.with_suffix(".pub").write_bytes(made.verifier.pem)
    return made


@pytest.mark.parametrize("hash_name", ["sha256", "blake2b", "blake3"])
@pytest.mark.parametrize("shards", [(), ("--shard-size", "100")])
@pytest.mark.usefixtures("key")
def test_what_is_signed_is_checked(
    model: Path, tidegate: Tidegate, hash_name: str, shards: tuple[str, ...]
) -> None:
    made = tidegate(
        "model", "sign", "m", "--key", "key.pem", "--hash", hash_name, *shards, "--json"
    )
    assert (made.code, made.json["files"], made.json["hash"]) == (0, 2, hash_name)
    assert Path("m.oms.json").is_file()
    ran = tidegate("model", "check", "m", "--key", "key.pub", "--json")
    assert (ran.code, ran.json["intact"], ran.json["root"]) == (0, True, made.json["root"])
    assert (ran.json["format"], ran.json["uncovered"]) == ("1.0", [".git/HEAD"])
    (model / "a.txt").write_bytes(b"x")
    (model / "new").write_bytes(b"x")
    (model / "sub/w.bin").unlink()
    ran = tidegate("model", "check", "m", "--key", "key.pub", "--json")
    told = {name: ran.json[name] for name in ("intact", "missing", "changed", "extra")}
    assert ran.code == 5
    assert told == {"intact": False, "missing": ["sub/w.bin"], "changed": ["a.txt"],
                    "extra": ["new"]}  # fmt: skip


@pytest.mark.usefixtures("key")
def test_a_signature_in_the_model_and_ignored_paths_are_left_out(
    model: Path, tidegate: Tidegate
) -> None:
    (model / "local.json").write_text("{}")
    words = ("--key", "key.pem", "--ignore", "local.json", "--output", "m/model.sig")
    assert tidegate("model", "sign", "m", *words).code == 0
    (model / "local.json").write_text('{"x": 1}')
    checked = ("model", "check", "m", "--signature", "m/model.sig", "--key", "key.pub")
    assert tidegate(*checked).code == 0
    assert tidegate(*checked, "--ignore", "a.txt").code == 5


@pytest.mark.usefixtures("key")
def test_links_are_followed_only_where_both_sides_say_so(model: Path, tidegate: Tidegate) -> None:
    (model / "link").symlink_to("a.txt")
    assert tidegate("model", "sign", "m", "--key", "key.pem").code == 2
    assert tidegate("model", "sign", "m", "--key", "key.pem", "--follow-links").code == 0
    assert tidegate("model", "check", "m", "--key", "key.pub").code == 2
    assert tidegate("model", "check", "m", "--key", "key.pub", "--follow-links").code == 0
    (model / "link").unlink()
    (model / "link").symlink_to("/etc/hostname")
    assert tidegate("model", "check", "m", "--key", "key.pub", "--follow-links").code == 2


def test_a_passphrase_comes_by_file_or_descriptor(
    model: Path, tmp_path: Path, tidegate: Tidegate
) -> None:
    pem(tmp_path / "key.pem", passphrase=b"low tide")
    ran = tidegate("model", "sign", "m", "--key", "key.pem")
    assert (ran.code, "TG-ACC/passphrase-needed" in ran.err) == (1, True)
    assert not Path("m.oms.json").exists()
    (tmp_path / "pass").write_text("low tide\n")
    (tmp_path / "pass").chmod(0o600)
    assert tidegate("model", "sign", "m", "--key", "key.pem", "--passphrase-file", "pass").code == 0
    read, write = os.pipe()
    os.write(write, b"low tide\n")
    os.close(write)
    assert tidegate("model", "sign", "m", "--key", "key.pem", "--passphrase-fd", read).code == 0
    os.close(read)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with transit() as server:
        server.keys = {"release": [ec.generate_private_key(ec.SECP384R1())]}
        monkeypatch.setenv("VAULT_ADDR", server.address)
        monkeypatch.setenv("VAULT_TOKEN", server.token)
        yield server


@pytest.mark.usefixtures("model")
def test_a_key_that_lies_elsewhere_signs(vault: Transit, tidegate: Tidegate) -> None:
    assert tidegate("model", "sign", "m", "--key", "hashivault://release").code == 0
    Path("v.pub").write_bytes(PublicKey.of(vault.keys["release"][0].public_key()).pem)
    assert tidegate("model", "check", "m", "--key", "v.pub").code == 0
    vault.signs_with = ec.generate_private_key(ec.SECP384R1())
    before = Path("m.oms.json").read_bytes()
    ran = tidegate("model", "sign", "m", "--key", "hashivault://release")
    assert (ran.code, "TG-ACC/foreign-signature" in ran.err) == (1, True)
    assert Path("m.oms.json").read_bytes() == before


def test_certificates_count_by_the_time_that_is_given(tidegate: Tidegate) -> None:
    words = ("model", "check", GOLDEN / "model", "--signature",
             GOLDEN / "oms-certificate.bundle.json", "--roots", GOLDEN / "root.pem")  # fmt: skip
    good = tidegate(*words, "--at", "2026-12-01T00:00:00Z", "--json")
    assert (good.code, good.json["intact"]) == (0, True)
    late = tidegate(*words, "--at", "2030-01-01T00:00:00Z")
    assert (late.code, "TG-VER/cert-expired" in late.err) == (5, True)
    assert tidegate(*words, "--at", "yesterday").code == 2


def test_an_old_signature_is_read_and_told(tidegate: Tidegate) -> None:
    words = ("model", "check", OLD / "model", "--signature", OLD / "key.bundle.json")
    ran = tidegate(*words, "--key", OLD / "key.pem", "--json")
    assert (ran.code, ran.json["format"]) == (0, "0.2")


REFUSED = {
    "a PIN in the URI": (("sign", "m", "--key", f"pkcs11:object=o?pin-value={PIN}"), 2),
    "an unknown scheme": (("sign", "m", "--key", f"nosuch:{PIN}"), 2),
    "no such key file": (("sign", "m", "--key", "none.pem"), 1),
    "an Ed25519 key": (("sign", "m", "--key", "ed.pem"), 2),
    "a shard of nothing": (("sign", "m", "--key", "key.pem", "--shard-size", "0"), 2),
    "a path outside": (("sign", "m", "--key", "key.pem", "--ignore", "../x"), 2),
    "a certificate of another key": (
        ("sign", "m", "--key", "key.pem", "--certificate", GOLDEN / "root.pem"), 2,
    ),
    "no model": (("sign", "none", "--key", "key.pem"), 2),
    "neither key nor roots": (("check", "m"), 2),
    "both key and roots": (("check", "m", "--key", "key.pub", "--roots", "key.pub"), 2),
    "a time for a key": (("check", "m", "--key", "key.pub", "--at", "2026-01-01T00:00:00Z"), 2),
    "no signature": (("check", "m", "--key", "key.pub"), 2),
    "a signature that is none": (("check", "m", "--signature", "key.pub", "--key", "key.pub"), 5),
    "roots that are none": (("check", "m", "--signature", "key.pub", "--roots", "m/a.txt"), 5),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("model", "key")
def test_what_is_refused_writes_nothing_and_echoes_no_secret(
    case: str, tmp_path: Path, tidegate: Tidegate
) -> None:
    pem(tmp_path / "ed.pem", Scheme.ED25519)
    words, code = REFUSED[case]
    ran = tidegate("model", *words)
    assert (ran.code, "next " in ran.err) == (code, True), ran.err
    assert PIN not in ran.out + ran.err
    assert not Path("m.oms.json").exists()
