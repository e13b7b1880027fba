"""The table of refusals: each case is used, has one class, and says what it is."""

import re
from pathlib import Path

import pytest

import tidegate.core.identity
from tidegate.core.errors import AccessError, TidegateError
from tidegate.core.identity.refusals import _BY_SLUG, _CASES, refusal

CORE = Path(tidegate.core.identity.__file__).parents[1]


@pytest.mark.parametrize("slug", _BY_SLUG)
def test_a_case_makes_an_error_with_its_slug(slug: str) -> None:
    error = refusal(slug, "somewhere", "x" * 9_999)
    assert isinstance(error, TidegateError)
    assert error.code.endswith(f"/{slug}")
    assert len(error.cause or "") <= 500
    assert not error.problem.endswith(".")


def test_no_slug_stands_for_two_cases() -> None:
    assert len(_BY_SLUG) == sum(map(len, _CASES.values()))


def test_the_class_may_be_that_of_the_place() -> None:
    assert isinstance(refusal("bad-key", kind=AccessError), AccessError)


def test_every_case_is_raised_somewhere() -> None:
    homes = (CORE / "identity", CORE / "attest", CORE.parent / "interop", CORE.parent / "custody")
    sources = [path for home in homes for path in home.glob("*.py")]
    text = "".join(path.read_text() for path in sources if path.name != "refusals.py")
    used = set(re.findall(r'"([a-z0-9-]+)"', text))
    assert set(_BY_SLUG) <= used
