"""Whatever a bill of materials holds, it comes back from both formats as it was."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.boms import FULL, boms

from tidegate.core.errors import SubjectError
from tidegate.interop.bom import Bom, Spec, diff, merge, read_bom, score, write_bom

pytestmark = pytest.mark.slow


@settings(max_examples=60, deadline=None)
@given(boms(), st.sampled_from([Spec.CYCLONEDX_16, Spec.CYCLONEDX_17]))
def test_cyclonedx_gives_back_what_it_was_given(bom: Bom, spec: Spec) -> None:
    found = read_bom(write_bom(bom, spec))
    assert found.bom == bom
    assert found.losses == ()


@settings(max_examples=60, deadline=None)
@given(boms())
def test_spdx_gives_back_what_it_was_given(bom: Bom) -> None:
    """All but the assessments, which it says it can't hold."""
    found = read_bom(write_bom(bom, Spec.SPDX_3))
    assert found.bom == replace(bom, assessments=())
    assert found.losses == ()


@settings(max_examples=60, deadline=None)
@given(boms(), st.sampled_from(Spec))
def test_the_order_of_parts_makes_no_difference(bom: Bom, spec: Spec) -> None:
    turned = replace(
        bom, data=bom.data[::-1], packages=bom.packages[::-1], sources=bom.sources[::-1]
    )
    assert write_bom(turned, spec) == write_bom(bom, spec)


@settings(max_examples=60, deadline=None)
@given(boms())
def test_a_bom_differs_from_itself_in_nothing_and_merges_into_itself(bom: Bom) -> None:
    assert diff(bom, bom) == ()
    assert 0 <= float(score(bom).total) <= 1
    once = merge([bom], bom.made_at)
    assert merge([bom, bom], bom.made_at) == once
    assert not [change for change in diff(bom, once) if not change.part.startswith("assessment")]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(Spec), st.data())
def test_a_damaged_document_is_read_or_refused_and_nothing_else(
    spec: Spec, data: st.DataObject
) -> None:
    """One value of a document is replaced: the answer is a reading or a typed refusal."""
    document = json.loads(write_bom(FULL, spec))
    places: list[tuple[Any, Any]] = []
    stack: list[Any] = [document]
    while stack:
        item = stack.pop()
        keys = range(len(item)) if isinstance(item, list) else [*item]
        places += [(item, key) for key in keys]
        stack += [item[key] for key in keys if isinstance(item[key], dict | list)]
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(_json)
    with suppress(SubjectError):  # any other error fails the test
        write_bom(read_bom(json.dumps(document).encode()).bom)
