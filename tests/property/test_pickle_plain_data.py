"""Properties of the model scanner over any data: plain pickles are clean, nothing ever crashes."""

import pickle
import pickletools
import zlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.detect.supply import Budget, Status, scan_bytes

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=30)
    | st.binary(max_size=30)
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(PLAIN, st.integers(0, 5))
def test_plain_data_is_clean(value: Any, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert scan_bytes(data, "x").status is Status.CLEAN
    assert scan_bytes(pickletools.optimize(data), "x").status is Status.CLEAN


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_report(data: bytes) -> None:
    small = Budget(opcodes=10_000, expanded=1 << 20)
    for content in (data, b"\x80\x04" + data, b"PK\x03\x04" + data, zlib.compress(data)):
        report = scan_bytes(content, "x", budget=small)
        assert report.coverage.planned == 1
        assert (report.status is Status.CLEAN) == (report.coverage.complete and not report.findings)


@settings(max_examples=300, deadline=None)
@given(PLAIN, st.integers(0, 5), st.integers(0, 10_000))
def test_a_shortened_pickle_is_never_clean_as_a_pickle(value: Any, protocol: int, cut: int) -> None:
    data = pickle.dumps(value, protocol)
    short = data[: cut % len(data)]
    report = scan_bytes(short, "x")
    assert report.files[0].format != "pickle" or report.status is not Status.CLEAN
