"""A principal whose private key lies elsewhere signs what one with a key file signs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.hsm import Transit, make_token, transit
from tests.sites import Site, Tidegate

from tidegate.core.attest.envelope import Envelope
from tidegate.core.errors import AccessError, RemoteError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.core.ledger.entry import Entry
from tidegate.core.policy.directives import Quarantine

WS = ("-C", "ws")
ACT = Quarantine(digest="sha256:" + "ab" * 32, reason="test")
PIN = "hunter2-97531"


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with transit() as server:
        server.keys = {
            "cy": [Ed25519PrivateKey.generate()],
            "models": [ec.generate_private_key(ec.SECP256R1())],
            "next": [Ed25519PrivateKey.generate()],
        }
        monkeypatch.setenv("VAULT_ADDR", server.address)
        monkeypatch.setenv("VAULT_TOKEN", server.token)
        yield server


def pem(path: Path, scheme: Scheme = Scheme.ED25519) -> PrivateKey:
    key = PrivateKey.generate(scheme)
    path.write_bytes(key.to_pem())
    path.chmod(0o600)
    return key


def health(tidegate: Tidegate) -> dict[str, str]:
    checks = tidegate("doctor", *WS, "--json").json["checks"]
    return {one["name"]: one["health"] for one in checks}


def row_of(tidegate: Tidegate, name: str) -> dict[str, object]:
    listed = tidegate("keys", "list", *WS, "--json").json["keys"]
    found: dict[str, object] = next(row for row in reversed(listed) if row["principal"] == name)
    return found


def test_a_key_in_vault_signs_acts_and_gate_statements(
    site: Site, tidegate: Tidegate, vault: Transit
) -> None:
    made = tidegate(
        "keys", "new", "cy", "--roles", "steward", "--signer", "hashivault://cy", *WS, "--json"
    )
    assert (made.code, made.json["kept"]) == (0, "hashivault")
    public = PublicKey.of(vault.keys["cy"][0].public_key())
    assert made.json["keyId"] == public.key_id
    assert row_of(tidegate, "cy")["kept"] == "hashivault"
    assert site.open("cy").act(ACT).index == 3
    table = site.root / "data.csv"
    table.write_text("a,b\n1,2\n")
    assert tidegate("log", "show", *WS, "--json").json["entries"][-1]["state"] == "verified"
    # Nothing of the private key, and no token, lies in the folder.
    kept = b"".join(p.read_bytes() for p in (site.root / ".tidegate").rglob("*") if p.is_file())
    assert vault.token.encode() not in kept


def test_a_gate_statement_says_what_signed_it(
    site: Site, tidegate: Tidegate, vault: Transit
) -> None:
    tidegate("keys", "new", "cy", "--roles", "steward", "--signer", "hashivault://cy", *WS)
    workspace = site.open("cy")
    principal = workspace.principal
    assert (principal.origin, principal.signer.sealed) == ("hashivault", True)
    from tests.workspaces import admit  # noqa: PLC0415 - one use

    path = site.root / "data.csv"
    path.write_text("a,b\n1,2\n")
    index = admit(workspace, path).index
    assert index is not None
    digest = Entry.parse(workspace.log.entry(index)).envelope
    body = workspace.storage.envelope(str(digest))
    assert isinstance(body, bytes)
    statement = json.loads(Envelope.parse(body).payload)
    assert statement["predicate"]["assurance"] == {"keySealed": True, "signer": "hashivault"}


def test_models_are_signed_by_a_key_in_vault(
    site: Site, tidegate: Tidegate, vault: Transit
) -> None:
    refused = tidegate("keys", "models", "me", "--signer", "hashivault://cy", *WS)
    assert (refused.code, "TG-USE/key-kind" in refused.err) == (2, True)
    made = tidegate("keys", "models", "me", "--signer", "hashivault://models", *WS, "--json")
    assert (made.code, made.json["scheme"]) == (0, "ecdsa-p256-sha256")
    signer = site.open().signer("me-models")
    assert signer.verifier.key_id == made.json["keyId"]
    signer.sign(b"x")


def test_a_key_elsewhere_is_rotated_only_to_another_such_key(
    site: Site, tidegate: Tidegate, vault: Transit
) -> None:
    tidegate("keys", "new", "cy", "--roles", "steward", "--signer", "hashivault://cy", *WS)
    refused = tidegate("keys", "rotate", "cy", *WS)
    assert (refused.code, "TG-USE/kept-elsewhere" in refused.err) == (2, True)
    assert tidegate("keys", "rotate", "cy", "--signer", "hashivault://next", *WS).code == 0
    assert row_of(tidegate, "cy")["state"] == "valid"
    assert site.open("cy").act(ACT).index == 4


def test_the_root_key_and_the_log_key_may_live_elsewhere(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    for name in ("me", "ledger"):
        key = pem(tmp_path / f"{name}.pem")
        ran = tidegate("keys", "rotate", name, "--signer", f"file:{tmp_path}/{name}.pem", *WS)
        assert ran.code == 0, ran.err
        assert row_of(tidegate, name)["keyId"] == key.verifier.key_id
    assert tidegate("keys", "new", "cy", *WS).code == 0
    assert tidegate("log", "check", *WS).code == 0
    p256 = tmp_path / "p256.pem"
    pem(p256, Scheme.P256)
    refused = tidegate("keys", "rotate", "ledger", "--signer", f"file:{p256}", *WS)
    assert (refused.code, "TG-USE/key-kind" in refused.err) == (2, True)


@pytest.mark.parametrize("words", [("new", "cy"), ("rotate", "ana"), ("models", "me")])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_pin_in_a_uri_is_refused_and_not_echoed(
    words: tuple[str, ...], dry: tuple[str, ...], site: Site, tidegate: Tidegate
) -> None:
    uri = f"pkcs11:token=t;object=o?module-path=/x.so&pin-value={PIN}"
    before = site.open().log.head.size
    ran = tidegate("keys", *words, "--signer", uri, *dry, *WS)
    assert (ran.code, "TG-USE/secret-in-uri" in ran.err) == (2, True)
    assert PIN not in ran.out + ran.err
    as_json = tidegate("keys", *words, "--signer", uri, *dry, *WS, "--json")
    assert PIN not in as_json.out + as_json.err
    assert site.open().log.head.size == before
    assert not any(PIN in p.read_text("utf-8", "replace")
                   for p in site.root.rglob("*") if p.is_file())  # fmt: skip


def test_a_key_that_can_not_sign_is_not_published(
    site: Site, tidegate: Tidegate, vault: Transit
) -> None:
    vault.signs_with = Ed25519PrivateKey.generate()
    before = site.open().log.head.size
    ran = tidegate("keys", "new", "cy", "--signer", "hashivault://cy", *WS)
    assert (ran.code, "TG-ACC/foreign-signature" in ran.err) == (1, True)
    assert site.open().log.head.size == before
    assert not (site.root / ".tidegate/keys/cy").exists()


def test_a_key_that_was_exchanged_later_signs_nothing(
    site: Site, tidegate: Tidegate, tmp_path: Path
) -> None:
    pem(tmp_path / "k.pem")
    tidegate("keys", "new", "cy", "--roles", "steward", "--signer", f"file:{tmp_path}/k.pem", *WS)
    pem(tmp_path / "k.pem")
    before = site.open().log.head.size
    with pytest.raises(AccessError) as caught:
        site.open("cy").act(ACT)
    assert caught.value.slug == "other-key"
    assert site.open().log.head.size == before


def test_a_vault_that_is_gone_is_told_and_nothing_is_written(
    site: Site, tidegate: Tidegate, vault: Transit, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidegate("keys", "new", "cy", "--roles", "steward", "--signer", "hashivault://cy", *WS)
    before = site.open().log.head.size
    assert health(tidegate)["signer cy"] == "ok"
    (uri,) = (site.root / ".tidegate/keys/cy").glob("*.uri")
    uri.write_text(uri.read_text().replace(vault.address, "http://127.0.0.1:1"))
    with pytest.raises(RemoteError):
        site.open("cy").act(ACT)
    assert site.open().log.head.size == before
    assert health(tidegate)["signer cy"] == "problem"


def test_public_and_signer_exclude_each_other(site: Site, tidegate: Tidegate) -> None:
    ran = tidegate("keys", "new", "cy", "--public", "x.pem", "--signer", "file:/k.pem", *WS)
    assert (ran.code, "exclude" in ran.err) == (2, True)


@pytest.mark.slow
@pytest.mark.xdist_group("softhsm")
def test_a_principal_s_key_is_in_a_token_and_its_pin_comes_from_a_file(
    site: Site, tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_token(tmp_path / "hsm", monkeypatch)
    import subprocess  # noqa: PLC0415 - SoftHSM reads its configuration once a process
    import sys  # noqa: PLC0415 - same

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tidegate", *words, *WS],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    uri = token.uri("ed25519").partition("&pin-source")[0]
    given = ("--new-passphrase-file", str(token.pin))
    made = run("keys", "new", "cy", "--roles", "steward", "--signer", uri, *given)
    assert made.returncode == 0, made.stderr
    act = ("quarantine", "add", ACT.digest, "--reason", "x", "--as", "cy")
    refused = run(*act)
    assert (refused.returncode, "its PIN is missing" in refused.stderr) == (1, True)
    done = run(*act, "--passphrase-file", str(token.pin))
    assert done.returncode == 0, done.stderr
    assert "signer cy" in run("doctor").stdout
