"""Properties of keys at rest: every one-byte change of a key file is refused with a typed error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.core.errors import AccessError, TidegateError
from tidegate.core.identity.keys import PrivateKey, PublicKey, Scheme
from tidegate.core.identity.reading import decode_base64, encode_base64
from tidegate.custody import sealed
from tidegate.custody.keystore import check_principal
from tidegate.custody.sealed import Cost

KEY = PrivateKey.generate(Scheme.ED25519)
SEALED = sealed.seal(KEY, principal="ana", passphrase=b"low tide", cost=Cost(log2_n=14))
OPEN = sealed.seal(KEY, principal="ana", passphrase=None)
ANA = range(OPEN.index(b'"ana"') + 1, OPEN.index(b'"ana"') + 4)


def flipped(data: bytes, position: int, mask: int) -> bytes:
    position %= len(data)
    return data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
@settings(deadline=None, max_examples=60)
def test_every_changed_byte_of_a_sealed_key_is_refused(position: int, mask: int) -> None:
    with pytest.raises(AccessError):
        sealed.unseal(flipped(SEALED, position, mask), passphrase=b"low tide")


@pytest.mark.slow
def test_a_change_at_each_byte_of_a_sealed_key_is_refused() -> None:
    for position in range(len(SEALED)):
        with pytest.raises(AccessError):
            sealed.unseal(flipped(SEALED, position, 1), passphrase=b"low tide")


def test_every_changed_byte_of_an_unsealed_key_is_refused_but_for_the_name() -> None:
    # Nothing protects an unsealed file's principal; the key store compares it with the folder.
    for position in set(range(len(OPEN))) - set(ANA):
        for mask in (1, 2, 4, 32):
            with pytest.raises(AccessError):
                sealed.unseal(flipped(OPEN, position, mask), passphrase=None)


@given(st.binary(max_size=300))
def test_rubbish_is_no_key(data: bytes) -> None:
    for read in (PublicKey.from_pem, PublicKey.from_der, PrivateKey.from_pem, sealed.info):
        with pytest.raises(TidegateError):
            read(data)


@given(st.binary(max_size=100))
def test_base64_has_one_reading(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


@given(st.text(max_size=12))
def test_base64_that_reads_is_what_would_be_written(text: str) -> None:
    try:
        data = decode_base64(text)
    except ValueError:
        return
    assert encode_base64(data) in {text, text.replace("-", "+").replace("_", "/")}


@given(st.text(max_size=40))
def test_a_principal_is_one_harmless_path_segment(name: str) -> None:
    try:
        checked = check_principal(name)
    except TidegateError:
        return
    assert checked == name.lower()
    assert not set(name) & set("/\\\0 \n")
    assert not name.startswith(".")
