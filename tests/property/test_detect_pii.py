"""Properties of the PII detector over arbitrary text and columns."""

from itertools import pairwise

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.detect.text.pii import inspect_table, inspect_text
from tidegate.detect.text.pii_checks import iban, luhn
from tidegate.detect.text.pii_hits import find

NOISE = st.text(alphabet="0123456789 -.+@:()abcxyzAKIAeyJghp_/\n", max_size=200)


@given(st.one_of(st.text(max_size=300), NOISE))
@settings(max_examples=150, deadline=None)
def test_hits_lie_in_order_inside_the_text(text: str) -> None:
    hits = find(text, doubt=1.0)
    assert all(0 <= hit.start < hit.end <= len(text) for hit in hits)
    assert all(a.end <= b.start for a, b in pairwise(hits))


@given(NOISE, NOISE)
@settings(max_examples=80, deadline=None)
def test_a_planted_value_is_found_whatever_stands_around_it(before: str, after: str) -> None:
    text = f"{before}\nmail jane.doe@mail.example \n{after}"
    assert "EMAIL" in {hit.kind.name for hit in find(text)}


@given(st.lists(st.one_of(st.none(), NOISE), max_size=30), st.text(max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_table_is_examined_and_counted_within_its_rows(
    cells: list[str | None], name: str
) -> None:
    table = pa.table({name: pa.array(cells, pa.string())})
    report = inspect_table(table)
    assert report.coverage.examined == 1
    assert all(0 < verdict.rows <= len(cells) for verdict in report.columns)
    assert all(verdict.distinct <= verdict.alike for verdict in report.columns)


@given(st.integers(0, 10**14), st.integers(0, 14), st.integers(1, 9))
@settings(deadline=None)
def test_every_one_digit_error_breaks_the_check(body: int, place: int, by: int) -> None:
    """Luhn and mod 97 detect all single-digit errors."""
    stem = f"{body:015d}"
    number = next(stem + last for last in "0123456789" if luhn(stem + last))
    wrong = list(number)
    wrong[place] = str((int(wrong[place]) + by) % 10)
    assert not luhn("".join(wrong))
    account = list("DE89370400440532013000")
    account[8 + place % 14] = str((int(account[8 + place % 14]) + by) % 10)
    assert not iban("".join(account))


@given(st.text(max_size=400))
@settings(max_examples=60, deadline=None)
def test_findings_are_masked_and_serialisable(text: str) -> None:
    planted = f"{text} key AKIAH3SNJMYFFWSE37TS end"
    for finding in inspect_text(planted).findings:
        assert "AKIAH3SNJMYFFWSE37TS" not in str(finding.to_json())
