"""A URI says where a key is and never what opens it; what is refused is not shown."""

import pytest

from tidegate.core.errors import AccessError, TidegateError, UsageError
from tidegate.custody.signers.opening import Access, locate
from tidegate.custody.signers.uri import SignerUri, read_source

SECRET = "hunter2-97531"


@pytest.mark.parametrize(
    "text",
    [
        f"pkcs11:token=t;object=o?pin-value={SECRET}",
        f"pkcs11:token=t;pin-value={SECRET}?module-path=/x.so",
        f"pkcs11:token=t;object=o?module-path=/x.so&PIN={SECRET}",
        f"pkcs11:token=t;object=o?pin%2Dvalue={SECRET}",
        f"hashivault://ann:{SECRET}@vault/key",
        f"hashivault://{SECRET}%40vault/key",
        f"hashivault://key?password={SECRET}",
        f"file:/k.pem?passphrase={SECRET}",
        f"awskms:1234?secret={SECRET}",
    ],
)
def test_a_secret_in_a_uri_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        locate(text, Access())
    assert caught.value.code == "TG-USE/secret-in-uri"
    assert SECRET not in _all_of(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"hashivault://key?vault-token={SECRET}",
        f"pkcs11:token=t;object=o;x={SECRET}?module-path=/x.so",
        f"pkcs11:token=t;object=o?module-name={SECRET}",
        f"pkcs11:token=t;object=o?module-path={SECRET}",
        f"pkcs11:token=t;object=o;object={SECRET}?module-path=/x.so",
        "pkcs11:token=t?module-path=/x.so",
        f"gcpkms:projects/{SECRET}",
        f"awskms:{SECRET}!",
        f"azurekms://evil.example/keys/{SECRET}",
        f"file:?{SECRET}",
        f"hashivault:{SECRET}",
        f"hashivault://key?address=http://vault.example/{SECRET}",
        f"hashivault://key?address=https://ann:{SECRET}@vault.example",
        f"hashivault://key?mount=../{SECRET}&address=https://v",
        f"nosuch:{SECRET}",
        SECRET,
        f"pkcs11:token=a b{SECRET}",
        f"file:{SECRET}" + "x" * 2_000,
        "",
    ],
)
def test_what_no_driver_understands_is_refused_and_not_shown(text: str) -> None:
    environ = {"VAULT_TOKEN": "s.x"}
    with pytest.raises((UsageError, AccessError)) as caught:
        locate(text, Access(environ=environ))
    assert SECRET not in _all_of(caught.value)
    assert caught.value.next_step


def test_no_command_is_run_to_get_a_pin() -> None:
    uri = SignerUri.parse("pkcs11:token=t;object=o?module-path=/x.so&pin-source=%7Ccat%20/etc/pin")
    with pytest.raises(UsageError):
        read_source(uri, "pin-source")


def test_a_uri_is_kept_as_it_was_given() -> None:
    text = "pkcs11:token=a%3Bb;object=o?module-path=/x.so&pin-source=file:/run/pin"
    uri = SignerUri.parse(text)
    assert str(uri) == text
    assert uri.path_attributes({"token", "object"})["token"] == "a;b"
    assert not uri.asks
    assert SignerUri.parse("pkcs11:token=a;object=o?module-path=/x.so").asks


def _all_of(error: TidegateError) -> str:
    return " ".join(map(str, (error, error.next_step, error.code)))
