"""Private keys at rest: sealed, or openly unsealed, and refused when anything is off."""

import json
import os
from pathlib import Path

import pytest

from tidegate.core.errors import AccessError, UsageError, VerificationError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.custody import sealed
from tidegate.custody.sealed import Cost

KEY = PrivateKey.generate(Scheme.ED25519)
CHEAP = Cost(log2_n=14)
SEALED = sealed.seal(KEY, principal="ana", passphrase=b"low tide", cost=CHEAP)
OPEN = sealed.seal(KEY, principal="ana", passphrase=None)


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("passphrase", [b"low tide", None])
def test_a_kept_key_is_the_same_key(scheme: Scheme, passphrase: bytes | None) -> None:
    key = PrivateKey.generate(scheme)
    data = sealed.seal(key, principal="ana", passphrase=passphrase, cost=CHEAP)
    again = sealed.unseal(data, passphrase=passphrase)
    assert again.verifier == key.verifier
    assert again.sealed is (passphrase is not None)
    key.verifier.verify(again.sign(b"x"), b"x")


def test_the_public_part_needs_no_passphrase() -> None:
    told = sealed.info(SEALED)
    assert (told.principal, told.key, told.sealed) == ("ana", KEY.verifier, True)
    assert sealed.info(OPEN).sealed is False


def test_the_secret_is_not_in_a_sealed_file() -> None:
    assert KEY.secret().hex() not in SEALED.hex()
    assert json.loads(OPEN)["secret"] not in SEALED.decode()


def test_two_seals_of_one_key_share_nothing_but_the_public_part() -> None:
    other = json.loads(sealed.seal(KEY, principal="ana", passphrase=b"low tide", cost=CHEAP))
    this = json.loads(SEALED)
    assert this["secret"] != other["secret"]
    assert this["seal"]["salt"] != other["seal"]["salt"]
    assert this["seal"]["nonce"] != other["seal"]["nonce"]


@pytest.mark.parametrize(
    ("passphrase", "slug"),
    [(None, "passphrase-needed"), (b"high tide", "bad-passphrase"), (b"", "bad-passphrase")],
)
def test_the_wrong_passphrase_is_named(passphrase: bytes | None, slug: str) -> None:
    with pytest.raises(AccessError) as caught:
        sealed.unseal(SEALED, passphrase=passphrase)
    assert caught.value.slug == slug


def test_an_empty_passphrase_seals_nothing() -> None:
    with pytest.raises(UsageError):
        sealed.seal(KEY, principal="ana", passphrase=b"")


@pytest.mark.parametrize("cost", [(13, 8, 1), (21, 8, 1), (63, 8, 1), (17, 1, 1), (17, 8, 5)])
def test_costs_out_of_bounds_are_refused_before_any_derivation(cost: tuple[int, int, int]) -> None:
    with pytest.raises(VerificationError):
        Cost(*cost)
    value = json.loads(SEALED)
    value["seal"]["cost"] = dict(zip(("log2N", "r", "p"), cost, strict=True))
    with pytest.raises(AccessError):
        sealed.unseal(_bytes(value), passphrase=b"low tide")


def _bytes(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _edited(data: bytes, **changes: object) -> bytes:
    return _bytes({**json.loads(data), **changes})


OTHER = PrivateKey.generate(Scheme.ED25519)


@pytest.mark.parametrize(
    "data",
    [
        _edited(SEALED, principal="bob"),
        _edited(SEALED, public=OTHER.verifier.to_json()),
        _edited(SEALED, schema="tidegate/private-key/v2"),
        _edited(SEALED, seal=None),
        _edited(SEALED, more=1),
        _edited(OPEN, public=OTHER.verifier.to_json()),
        _edited(OPEN, seal=json.loads(SEALED)["seal"]),
        SEALED.rstrip(),
        SEALED.replace(b":", b": ", 1),
        b"",
        b"{}",
        b"[" * 10_000,
        b"x" * 40_000,
    ],
)
def test_an_edited_file_is_refused(data: bytes) -> None:
    with pytest.raises(AccessError):
        sealed.unseal(data, passphrase=b"low tide")


def test_a_key_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    old = os.umask(0)
    try:
        sealed.write_atomic(path, SEALED)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sealed.read_private(path) == SEALED
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666, 0o777])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.key"
    sealed.write_atomic(path, SEALED)
    path.chmod(mode)
    with pytest.raises(AccessError) as caught:
        sealed.read_private(path)
    assert caught.value.slug == "key-permissions"
    assert "chmod 600" in (caught.value.next_step or "")


def test_links_folders_fifos_and_absent_files_are_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    sealed.write_atomic(path, SEALED)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("link", "fifo", "folder", "absent"):
        with pytest.raises(AccessError):
            sealed.info(sealed.read_private(tmp_path / name))


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.key").mkdir()
    with pytest.raises(AccessError):
        sealed.write_atomic(tmp_path / "a.key", SEALED)
    with pytest.raises(AccessError):
        sealed.write_atomic(tmp_path / "absent" / "a.key", SEALED)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.key"]
