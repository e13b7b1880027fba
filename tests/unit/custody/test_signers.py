"""Keys that live elsewhere sign as keys here do; what comes back wrong is no signature."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.hsm import Token, Transit, aws_kms, make_token, transit

from tidegate.core.attest import envelope as dsse
from tidegate.core.errors import AccessError, RemoteError, TidegateError, UsageError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.custody.signers.kms import adapt, public_of, sslib_key
from tidegate.custody.signers.opening import Access, Located, Unlocked, locate
from tidegate.custody.signers.uri import SignerUri

MESSAGE = b"tide" * 20_000


def signs(text: str, access: Access | None = None) -> Located:
    """Sign with a key, and verify with its public half as DSSE does."""
    found = locate(text, access or Access())
    signer = found.open()
    envelope = dsse.sign(MESSAGE, "text/plain", [signer])
    assert dsse.verify(envelope, [found.public]) == (found.public,)
    return found


def refused(text: str, access: Access | None = None, **expected: Any) -> TidegateError:
    with pytest.raises(TidegateError) as caught:
        locate(text, access or Access(), **expected).open().sign(b"x")
    assert caught.value.next_step
    return caught.value


# Files ---------------------------------------------------------------------------------------


def pem(path: Path, scheme: Scheme, passphrase: bytes | None = None) -> PrivateKey:
    key = PrivateKey.generate(scheme)
    path.write_bytes(key.to_pem(passphrase=passphrase))
    path.chmod(0o600)
    return key


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("passphrase", [None, b"low tide"])
def test_a_pem_file_signs(tmp_path: Path, scheme: Scheme, passphrase: bytes | None) -> None:
    key = pem(tmp_path / "a key.pem", scheme, passphrase)
    text = f"file:{tmp_path}/a%20key.pem"
    found = signs(text, Access(secret=lambda _: b"low tide"))
    assert found.public == key.verifier
    assert locate(text, Access(secret=lambda _: b"low tide")).open().sealed == bool(passphrase)


def test_an_encrypted_file_wants_its_passphrase(tmp_path: Path) -> None:
    pem(tmp_path / "k.pem", Scheme.P256, b"low tide")
    text = f"file:{tmp_path}/k.pem"
    assert refused(text).slug == "passphrase-needed"
    assert refused(text, Access(secret=lambda _: b"wrong")).slug == "bad-passphrase"
    (tmp_path / "pass").write_text("low tide\n")
    (tmp_path / "pass").chmod(0o600)
    signs(f"{text}?passphrase-source={tmp_path}/pass")
    (tmp_path / "pass").chmod(0o640)
    assert refused(f"{text}?passphrase-source={tmp_path}/pass").slug == "signer-secret"


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    pem(tmp_path / "k.pem", Scheme.P256)
    (tmp_path / "k.pem").chmod(0o644)
    assert refused(f"file:{tmp_path}/k.pem").slug == "key-permissions"
    assert refused(f"file:{tmp_path}/none.pem").slug == "key-unreadable"


def test_a_file_that_holds_another_key_now_is_refused(tmp_path: Path) -> None:
    old = pem(tmp_path / "k.pem", Scheme.P256)
    pem(tmp_path / "k.pem", Scheme.P256)
    assert refused(f"file:{tmp_path}/k.pem", expected=old.verifier).slug == "other-key"
    # An encrypted file tells its public half only when it is opened: its signature gives it away.
    pem(tmp_path / "k.pem", Scheme.P256, b"low tide")
    access = Access(secret=lambda _: b"low tide")
    found = refused(f"file:{tmp_path}/k.pem", access, expected=old.verifier)
    assert found.slug == "foreign-signature"


# Tokens --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    # One process speaks to one token store: SoftHSM reads its configuration once.
    with pytest.MonkeyPatch.context() as patch:
        yield make_token(tmp_path_factory.mktemp("hsm"), patch)


@pytest.mark.parametrize(
    ("label", "scheme"),
    [
        ("p256", Scheme.P256),
        ("p384", Scheme.P384),
        ("p521", Scheme.P521),
        ("ed25519", Scheme.ED25519),
    ],
)
@pytest.mark.slow
@pytest.mark.xdist_group("softhsm")
def test_a_token_signs(token: Token, label: str, scheme: Scheme) -> None:
    found = signs(token.uri(label))
    assert found.public.scheme is scheme
    signer = found.open()
    assert (signer.sealed, signer.origin) == (True, "pkcs11")
    by_id = token.uri("x").replace("object=x", "object=" + label + ";type=private")
    assert locate(by_id, Access()).public == found.public


@pytest.mark.slow
@pytest.mark.xdist_group("softhsm")
def test_a_key_is_found_by_its_id(token: Token) -> None:
    text = token.uri("x").replace("object=x", "id=%01")
    assert locate(text, Access()).public == locate(token.uri("p256"), Access()).public


@pytest.mark.slow
@pytest.mark.xdist_group("softhsm")
def test_looking_needs_no_pin_and_signing_does(token: Token) -> None:
    text = token.uri("p256").partition("&pin-source")[0]
    found = locate(text, Access())
    with pytest.raises(AccessError) as caught:
        found.open()
    assert "PIN" in str(caught.value)


@pytest.mark.slow
@pytest.mark.xdist_group("softhsm")
def test_a_wrong_pin_and_a_wrong_name_are_told_without_the_pin(token: Token) -> None:
    """In a process of its own: once logged in, a process stays logged in to a token."""
    wrong = token.folder / "wrong"
    wrong.write_text("97531\n")
    wrong.chmod(0o600)
    script = (
        "import sys\n"
        "from tidegate.core.errors import TidegateError\n"
        "from tidegate.custody.signers.opening import Access, locate\n"
        "try:\n"
        "    locate(sys.argv[1], Access()).open()\n"
        "except TidegateError as error:\n"
        "    print(error.code, error, error.next_step)\n"
    )
    import subprocess  # noqa: PLC0415 - one use

    told = subprocess.run(
        [sys.executable, "-c", script, token.uri("p256", pin=wrong)],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=True,
    ).stdout
    assert "TG-ACC/signer-refused" in told
    assert "its PIN is wrong" in told
    assert "97531" not in told
    assert "no such key" in str(refused(token.uri("nobody")))
    assert "0 tokens" in str(refused(token.uri("p256").replace("Test", "Rest")))
    assert refused(token.uri("p256").replace("libsofthsm2", "none")).slug == "signer-refused"


@pytest.mark.slow
@pytest.mark.xdist_group("softhsm")
def test_a_key_that_was_exchanged_in_the_token_is_noticed(token: Token) -> None:
    expected = locate(token.uri("p384"), Access()).public
    assert refused(token.uri("p256"), expected=expected).slug == "other-key"


# Vault ---------------------------------------------------------------------------------------


@pytest.fixture
def vault() -> Iterator[Transit]:
    with transit() as server:
        server.keys = {
            "release": [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)],
            "wide": [ec.generate_private_key(ec.SECP521R1())],
            "middle": [ec.generate_private_key(ec.SECP384R1())],
            "edwards": [Ed25519PrivateKey.generate()],
        }
        yield server


def access_to(vault: Transit, **more: str) -> Access:
    return Access(environ={"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.token, **more})


@pytest.mark.parametrize("name", ["release", "wide", "middle", "edwards"])
def test_vault_signs(vault: Transit, name: str) -> None:
    found = signs(f"hashivault://{name}", access_to(vault))
    assert found.public == PublicKey.of(vault.keys[name][-1].public_key())
    assert found.open().sealed


def test_a_digest_is_sent_to_vault_and_no_message(vault: Transit) -> None:
    signs("hashivault://release", access_to(vault))
    (sent,) = [body for path, body, _ in vault.seen if "/sign/" in path]
    assert len(sent["input"]) == 44


def test_the_version_is_kept_so_that_a_rotation_in_vault_changes_nothing(vault: Transit) -> None:
    found = locate("hashivault://release", access_to(vault))
    assert found.uri.query == {"version": "3", "address": vault.address}
    vault.keys["release"].append(ec.generate_private_key(ec.SECP256R1()))
    assert signs(str(found.uri), access_to(vault)).public == found.public
    # Without the version, the key that is expected is looked for among all of them.
    assert locate("hashivault://release", access_to(vault), found.public).public == found.public
    lost = refused("hashivault://wide", access_to(vault), expected=found.public)
    assert lost.slug == "other-key"


def test_a_key_that_vault_hands_out_is_not_sealed(vault: Transit) -> None:
    vault.exportable = True
    assert not locate("hashivault://release", access_to(vault)).open().sealed


def test_the_token_comes_from_a_file_and_never_from_a_passphrase(
    vault: Transit, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{vault.token}\n")
    (tmp_path / "token").chmod(0o600)
    environ = {"VAULT_ADDR": vault.address}
    signs(f"hashivault://release?token-source={tmp_path}/token", Access(environ=environ))
    asked: list[str] = []

    def secret(what: str) -> bytes:
        asked.append(what)
        return b"the workspace's passphrase"

    assert refused("hashivault://release", Access(secret, environ)).slug == "signer-secret"
    assert not asked


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"VAULT_TOKEN": "s.other"}, "signer-refused"),
        ({"VAULT_TOKEN": ""}, "signer-secret"),
        ({"VAULT_TOKEN": "two\nlines"}, "signer-secret"),
        ({"VAULT_ADDR": ""}, "bad-signer-uri"),
        ({"VAULT_ADDR": "http://vault.example"}, "bad-signer-uri"),
        ({"VAULT_ADDR": "http://127.0.0.1:1"}, "signer-unreachable"),
        ({"VAULT_CACERT": "/no/such.pem"}, "signer-refused"),
    ],
)
def test_a_vault_that_can_not_be_used_is_told(
    vault: Transit, change: dict[str, str], slug: str
) -> None:
    found = refused("hashivault://release", access_to(vault, **change))
    assert found.slug == slug
    assert vault.token not in str(found)


def test_a_key_that_vault_has_not_is_told(vault: Transit) -> None:
    assert refused("hashivault://nobody", access_to(vault)).slug == "signer-refused"
    assert refused("hashivault://release?version=9", access_to(vault)).slug == "bad-signer-uri"


# Attacks: what holds the key lies ------------------------------------------------------------


def test_a_service_that_signs_with_another_key_is_refused(vault: Transit) -> None:
    signer = locate("hashivault://release", access_to(vault)).open()
    vault.signs_with = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(AccessError) as caught:
        signer.sign(b"x")
    assert caught.value.slug == "foreign-signature"


@pytest.mark.parametrize(
    ("answer", "slug"),
    [
        (b'{"data": {"signature": "vault:v3:MEUCIQDx"}}', "foreign-signature"),
        (b'{"data": {"signature": "vault:v3:"}}', "foreign-signature"),
        (b'{"data": {"signature": "vault:v2:MEUCIQDx"}}', "signer-unreachable"),
        (b'{"data": {"signature": "vault:v3:!!!"}}', "signer-unreachable"),
        (b'{"data": {"signature": 7}}', "signer-unreachable"),
        (b'{"data": []}', "signer-unreachable"),
        (b"[" * 100_000, "signer-unreachable"),
        (b"not json", "signer-unreachable"),
        (b'{"data": "' + b"x" * (2 << 20) + b'"}', "signer-unreachable"),
    ],
)
def test_half_a_signature_and_nonsense_are_refused(
    vault: Transit, answer: bytes, slug: str
) -> None:
    signer = locate("hashivault://release", access_to(vault)).open()
    vault.answer = answer
    with pytest.raises((AccessError, RemoteError)) as caught:
        signer.sign(b"x")
    assert caught.value.slug == slug


def _truncated(signature: bytes) -> bytes:
    return signature[:-1]


def _longer(signature: bytes) -> bytes:
    return signature + b"\0"


def _empty(signature: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("spoil", [_truncated, _longer, _empty])
@pytest.mark.parametrize("scheme", list(Scheme))
def test_no_spoilt_signature_leaves(scheme: Scheme, spoil: Callable[[bytes], bytes]) -> None:
    key = PrivateKey.generate(scheme)
    unlocked = Unlocked(sealed=True, sign=lambda message: spoil(key.sign(message)))
    found = Located(key.verifier, SignerUri("x", ""), lambda: unlocked, "x")
    with pytest.raises(AccessError) as caught:
        dsse.sign(b"payload", "text/plain", [found.open()])
    assert caught.value.slug == "foreign-signature"


# Cloud services, through securesystemslib ----------------------------------------------------


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_signer_of_securesystemslib_signs_by_our_scheme(curve: ec.EllipticCurve) -> None:
    signer = pytest.importorskip("securesystemslib.signer")
    raw = ec.generate_private_key(curve)
    key = PrivateKey.of(raw)
    theirs = sslib_key(key.verifier)
    assert public_of(theirs) == key.verifier
    unlocked = adapt(signer.CryptoSigner(raw, theirs))
    found = Located(key.verifier, SignerUri("x", ""), lambda: unlocked, "x").open()
    key.verifier.verify(found.sign(MESSAGE), MESSAGE)


def test_a_key_that_would_sign_with_another_hash_or_algorithm_is_refused() -> None:
    signer = pytest.importorskip("securesystemslib.signer")
    key = PrivateKey.generate(Scheme.P256).verifier
    with pytest.raises(AccessError):
        public_of(
            signer.SSlibKey("k", "ecdsa", "ecdsa-sha2-nistp384", {"public": key.pem.decode()})
        )
    rsa = signer.CryptoSigner.generate_rsa()
    with pytest.raises(AccessError):
        public_of(rsa.public_key)
    with pytest.raises(AccessError):
        sslib_key(PrivateKey.generate(Scheme.ED25519).verifier)


def test_an_error_of_a_service_s_library_is_told_by_its_kind_alone() -> None:
    class Failing:
        def sign(self, payload: bytes) -> None:
            raise ValueError(payload, "token=s3cr3t")

    with pytest.raises(RemoteError) as caught:
        adapt(Failing()).sign(b"x")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("awskms:1234", "aws"),
        ("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "gcp"),
        ("azurekms://acme.vault.azure.net/keys/k/0f", "azure"),
    ],
)
def test_a_missing_library_is_told_with_its_extra(
    text: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib", None)
    found = refused(text)
    assert (found.slug, found.next_step) == ("signer-library", f"pip install 'tidegate[{extra}]'")


@pytest.mark.slow
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
def test_aws_kms_signs(curve: ec.EllipticCurve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's own library speaks with a server on this machine that has a real key."""
    pytest.importorskip("boto3", reason="pip install 'tidegate[aws]'")
    key, name = ec.generate_private_key(curve), "arn:aws:kms:eu-1:111122223333:key/1234abcd"
    with aws_kms(key, name) as url:
        for variable, value in {
            "AWS_ENDPOINT_URL_KMS": url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(variable, value)
        found = signs(f"awskms:{name}")
        assert found.public == PublicKey.of(key.public_key())
        assert signs(str(found.uri)).public == found.public
        assert refused("awskms:other").slug == "signer-unreachable"
        other = PrivateKey.of(ec.generate_private_key(curve)).verifier
        # Its public half is recorded, so nothing is asked: the signature gives it away.
        assert refused(f"awskms:{name}", expected=other).slug == "foreign-signature"


# Plug-ins ------------------------------------------------------------------------------------

PLUGIN = """
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.custody.signers.opening import Located, Unlocked
KEY = PrivateKey.generate(Scheme.P256)
def locate(uri, access, expected):
    return Located(KEY.verifier, uri, lambda: Unlocked(True, KEY.sign))
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plug-in for ``acme:``, and one that would take the place of ``file:``."""
    (tmp_path / "acme_signer.py").write_text(PLUGIN)
    info = tmp_path / "acme_signer-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-signer\nVersion: 1.2\n")
    (info / "RECORD").write_text("acme_signer.py,sha256=abc,1\n")
    (info / "entry_points.txt").write_text(
        "[tidegate.signers]\nacme = acme_signer:locate\nfile = acme_signer:locate\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugin")
def test_a_plugin_is_loaded_only_when_it_is_listed_and_names_itself() -> None:
    assert refused("acme:key").slug == "unknown-signer"
    assert "acme_signer" not in sys.modules
    found = signs("acme:key", Access(plugins=frozenset({"acme"})))
    assert found.origin.startswith("acme acme-signer 1.2 sha256:")


@pytest.mark.usefixtures("plugin")
def test_no_plugin_takes_the_place_of_a_driver_of_ours(tmp_path: Path) -> None:
    key = pem(tmp_path / "k.pem", Scheme.P256)
    found = locate(f"file:{tmp_path}/k.pem", Access(plugins=frozenset({"file"})))
    assert found.public == key.verifier
    with pytest.raises(UsageError):
        locate("none:x", Access(plugins=frozenset({"none"})))
