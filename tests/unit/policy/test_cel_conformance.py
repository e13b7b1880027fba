"""The engine against the published conformance suite of the language."""

import re
from pathlib import Path

import pytest

from tidegate.core.errors import PolicyError
from tidegate.core.policy.language import CelEngine

FILES = ["logic", "comparisons", "integer_math", "string", "lists", "macros"]
TEST = re.compile(
    r"""\n\ {2}test:?\ \{\n(?:\ {4}(?:name|description):[^\n]*\n)*
        \ {4}expr:\ (?P<quote>["'])(?P<expr>(?:\\.|[^\n])*?)(?P=quote)\n
        \ {4}value:?\ \{\ bool_value:\ (?P<value>true|false)\ \}\n""",
    re.VERBOSE,
)


@pytest.mark.parametrize("name", FILES)
def test_boolean_cases_give_the_published_values(name: str, shared: Path) -> None:
    """Cases over constants with a boolean result; a case that our dialect lacks may not compile."""
    text = (shared / "data/supply/cel" / f"{name}.textproto").read_text("utf-8")
    environment = CelEngine().environment({})
    ran = 0
    for case in TEST.finditer(text):
        expression = re.sub(r"\\(['\"\\])", r"\1", case["expr"])
        if "\\" in expression:
            continue
        try:
            program = environment.compile(expression)
        except PolicyError:
            continue
        assert program.run(environment.bind({})) is (case["value"] == "true"), expression
        ran += 1
    assert ran >= 10
