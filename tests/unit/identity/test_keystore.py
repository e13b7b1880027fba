"""The key store: one current key a principal, and every public key that it ever had."""

from pathlib import Path

import pytest

from tidegate.core.errors import AccessError, UsageError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.custody.keystore import KeyStore, check_principal
from tidegate.custody.sealed import Cost


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys", Cost(log2_n=14))


def test_a_created_key_is_loaded_with_its_passphrase(store: KeyStore) -> None:
    made = store.create("ana", passphrase=b"p")
    loaded = store.load("ana", passphrase=b"p")
    assert made.verifier == loaded.verifier
    assert made.sealed
    assert loaded.sealed


def test_an_unsealed_key_says_so(store: KeyStore) -> None:
    assert not store.create("ana", passphrase=None).sealed
    assert not store.load("ana", passphrase=None).sealed
    assert store.list()[0].sealed is False


def test_the_list_needs_no_passphrase(store: KeyStore) -> None:
    ana = store.create("ana", passphrase=b"p")
    bob = store.create("bob@example.org", scheme=Scheme.P256, passphrase=None)
    listed = [(key.principal, key.key, key.current, key.sealed) for key in store.list()]
    assert listed == [
        ("ana", ana.verifier, True, True),
        ("bob@example.org", bob.verifier, True, False),
    ]


def test_an_absent_folder_holds_no_keys(store: KeyStore) -> None:
    assert store.list() == ()


def test_a_second_first_key_is_refused(store: KeyStore) -> None:
    store.create("ana", passphrase=None)
    with pytest.raises(UsageError) as caught:
        store.create("ana", passphrase=None)
    assert caught.value.slug == "key-exists"


def test_rotation_keeps_the_old_public_key_and_scheme(store: KeyStore) -> None:
    old = store.create("ana", scheme=Scheme.P384, passphrase=b"p")
    new = store.rotate("ana", passphrase=b"q")
    assert new.verifier != old.verifier
    assert new.verifier.scheme is Scheme.P384
    assert store.current("ana") == new.verifier.key_id
    assert store.load("ana", passphrase=b"q").verifier == new.verifier
    by_id = store.load("ana", passphrase=b"p", key_id=old.verifier.key_id)
    assert by_id.verifier == old.verifier
    assert [key.current for key in store.list()] == [True, False]


def test_a_forgotten_key_is_public_only(store: KeyStore) -> None:
    old = store.create("ana", passphrase=None).verifier
    store.rotate("ana", passphrase=None)
    store.forget("ana", old.key_id)
    assert store.public("ana", old.key_id) == old
    assert [key.sealed for key in store.list()] == [False, None]
    with pytest.raises(AccessError):
        store.load("ana", passphrase=None, key_id=old.key_id)


def test_the_current_key_is_not_forgotten(store: KeyStore) -> None:
    key = store.create("ana", passphrase=None).verifier
    with pytest.raises(UsageError):
        store.forget("ana", key.key_id)


def test_a_key_from_elsewhere_becomes_current(store: KeyStore) -> None:
    key = PrivateKey.generate(Scheme.P256)
    store.add("ana", key, passphrase=b"p")
    assert store.load("ana", passphrase=b"p").verifier == key.verifier


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../ana",
        "a/b",
        "a\\b",
        "Ana",
        "-a",
        ".a",
        "a\n",
        "a\0",
        "é",
        "a" * 129,
        "a b",
    ],
)
def test_names_that_a_file_system_could_misread_are_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        store.create(name, passphrase=None)
    assert caught.value.slug == "bad-principal"


@pytest.mark.parametrize("name", ["a", "ana", "ana.b-c_d+e@example.org", "0", "a" * 128])
def test_ordinary_names_are_accepted(name: str) -> None:
    assert check_principal(name) == name


def test_an_absent_key_is_named(store: KeyStore) -> None:
    with pytest.raises(AccessError) as caught:
        store.load("ana", passphrase=None)
    assert caught.value.slug == "no-key"
    with pytest.raises(AccessError):
        store.rotate("ana", passphrase=None)
    store.create("ana", passphrase=None)
    with pytest.raises(AccessError):
        store.public("ana", "0" * 64)
    for key_id in ("../x", "zz", ""):
        with pytest.raises((UsageError, AccessError)):
            store.public("ana", key_id)


def test_another_principals_key_file_is_refused(store: KeyStore) -> None:
    ana = store.create("ana", passphrase=None).verifier
    bob = store.create("bob", passphrase=None).verifier
    home = store.folder
    (home / "bob" / f"{bob.key_id}.key").replace(home / "ana" / f"{ana.key_id}.key")
    with pytest.raises(AccessError) as caught:
        store.load("ana", passphrase=None)
    assert caught.value.slug == "bad-key-file"


def test_a_swapped_public_key_is_refused(store: KeyStore) -> None:
    ana = store.create("ana", passphrase=None).verifier
    bob = store.create("bob", passphrase=None).verifier
    (store.folder / "ana" / f"{ana.key_id}.pub").write_bytes(bob.pem)
    with pytest.raises(AccessError):
        store.list()


def test_the_folders_are_closed_to_others(store: KeyStore) -> None:
    store.create("ana", passphrase=None)
    assert (store.folder / "ana").stat().st_mode & 0o077 == 0


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(AccessError) as caught:
        KeyStore(tmp_path / "keys", Cost(log2_n=14)).create("ana", passphrase=None)
    assert caught.value.slug == "key-unwritten"


def test_a_crash_before_the_switch_leaves_the_old_key_current(store: KeyStore) -> None:
    old = store.create("ana", passphrase=None).verifier
    current = (store.folder / "ana" / "current").read_bytes()
    store.rotate("ana", passphrase=None)
    (store.folder / "ana" / "current").write_bytes(current)
    assert store.load("ana", passphrase=None).verifier == old
