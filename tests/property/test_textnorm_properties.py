"""Properties of the normaliser and of the decode tree, over all of Unicode."""

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.textnorm import normalise, views
from tidegate.textnorm.decode import MAX_DEPTH, MAX_TEXT, MAX_VIEWS
from tidegate.textnorm.normalise import MAX_GROWTH

TRICKY = st.sampled_from(
    ["&amp;", "&#38;", "&lt;", "#38;", ";", "&", "\u200b", "\u202e", "\ufdfa", "\u0301", "\u1161",
     "\u1100", "\uff06", "\U000e0041", "\ufe0f", "\u043e", "o", " ", "\n", "\r", "\u2028", "\x00",
     "&#x202e;", "&NotEqualTilde;", "\u0f43", "\U0001d15f", "\u0344"]
)  # fmt: skip
WORDS = ["send", "the", "report", "to", "my", "new", "address", "please", "now"]
TEXTS = st.one_of(
    st.text(max_size=80), st.lists(st.one_of(TRICKY, st.characters()), max_size=40).map("".join)
)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_normalising_twice_changes_nothing(text: str) -> None:
    seen = normalise(text)
    if seen.stable:
        assert normalise(seen.text).text == seen.text


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_offsets_are_ordered_and_in_the_original(text: str) -> None:
    seen = normalise(text)
    assert len(seen.offsets) == len(seen.text) + 1
    assert all(a <= b for a, b in zip(seen.offsets, list(seen.offsets)[1:], strict=False))
    assert seen.offsets[-1] == len(text)
    assert all(0 <= place <= len(text) for place in seen.offsets)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_text_never_grows_beyond_the_bound(text: str) -> None:
    assert len(normalise(text).text) <= MAX_GROWTH * len(text)


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60))
@settings(max_examples=100, deadline=None)
def test_a_character_that_is_kept_points_at_itself(text: str) -> None:
    seen = normalise(f"\u200b{text}")
    if "&" not in text:
        assert [text[place - 1] for place in list(seen.offsets)[:-1]] == list(seen.text)


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_the_tree_is_within_its_bounds_and_begins_with_the_text(text: str) -> None:
    found = views(text)
    assert found[0].text == normalise(text).text
    assert len(found) <= MAX_VIEWS
    assert all(len(view.path) <= MAX_DEPTH for view in found)
    assert sum(len(view.text) for view in found[1:]) <= MAX_TEXT


@given(
    st.lists(
        st.sampled_from(WORDS),
        min_size=5,
        max_size=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_words_in_base64_are_read(words: list[str]) -> None:
    says = " ".join(words)
    assert says in [view.text for view in views(base64.b64encode(says.encode()).decode())]
