"""Damaged model files end in a report, in bounded time, and never in an exception."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models import golden, golden_names, pb

from tidegate.detect.supply import Budget, scan_bytes

BUDGET = Budget(seconds=30, file_seconds=20, opcodes=5_000_000)
SMALL = [name for name in golden_names() if len(golden(name)) < 60_000]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6
)


@pytest.mark.slow
@given(name=st.sampled_from(SMALL), edits=EDITS, share=st.sampled_from([1.0, 1.0, 0.7]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_file_ends_in_a_report(
    name: str, edits: list[tuple[float, bytes]], share: float
) -> None:
    data = bytearray(golden(name))
    for place, new in edits:
        at = int(place * (len(data) - 1))
        data[at : at + len(new)] = new
    report = scan_bytes(bytes(data[: int(len(data) * share)]), name, budget=BUDGET)
    json.dumps(report.to_json())


VALUES = st.recursive(
    st.one_of(st.integers(0, 2**64 - 1), st.binary(max_size=12), st.text(max_size=8)),
    lambda inner: st.lists(st.tuples(st.integers(1, 30), inner), max_size=5).map(
        lambda fields: pb(*fields)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@given(fields=st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 5, 7, 8, 202, 502]), VALUES)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_message_ends_in_a_report(fields: list[tuple[int, int | str | bytes]]) -> None:
    json.dumps(scan_bytes(pb(*fields), "x", budget=BUDGET).to_json())
