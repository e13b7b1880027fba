"""What an entry says of itself decides nothing until it is verified: garbage stops nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.attest.uris import GATE
from tidegate.core.canonical import dumps
from tidegate.graph.places import Places

GOOD = dumps({"kind": "attestation", "predicateType": GATE, "subjects": ["sha256:aa"], "time": 5})


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000,
        dumps({"kind": ["x"], "time": 5}),
        dumps({"kind": "trust", "subjects": 7}),
        dumps({"kind": "trust", "subjects": [["x"], None]}),
        dumps({"kind": "attestation", "predicateType": GATE, "subjects": [{}]}),
    ],
)  # fmt: skip
def test_an_entry_that_is_none_is_passed_over(garbage: bytes) -> None:
    places = Places()
    places.extend([GOOD, garbage, GOOD])
    assert places.size == 3
    assert places.about("sha256:aa") == [0, 2]
    assert places.trust == []


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_stop_it(entries: list[bytes]) -> None:
    places = Places()
    places.extend(entries)
    assert places.size == len(entries)
