"""Logs are one JSON object a line, about Tidegate only, and hold no secrets or contents."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from tidegate.core.errors import StoreError
from tidegate.telemetry import configure, redact, span

LOGGER = logging.getLogger("tidegate.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    out = io.StringIO()
    handler = configure(out, level="info")
    yield out
    root = logging.getLogger("tidegate")
    root.removeHandler(handler)
    root.propagate = True
    root.setLevel(logging.NOTSET)


SECRETS = (
    "postgresql://bob:hunter2@db/x",
    "postgresql://bob:a@hunter2:b@db/x",
    "Authorization: Bearer hunter2hunter2",
    "password=hunter2 next",
    'api_key: "hunter2"',
    '{"client_secret": "hunter2"}',
    "TIDEGATE_GATEWAY__TOKEN=hunter2",
    "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\nhunter2 and cut off",
)


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text", ["sha256:abcd at index 3", "model/weights.pkl", "a token of thanks"]
)
def test_other_text_is_kept(text: str) -> None:
    assert redact(text) == text


def test_masking_is_fast_on_hostile_text() -> None:
    for text in ("password" * 20_000, "-" * 100_000, "a:" * 50_000, "x" * 100_000 + "="):
        assert redact(text)


def test_records_are_json_lines_with_scalar_extras(stream: io.StringIO) -> None:
    LOGGER.info("entry\nappended %s", "x", extra={"index": 3, "digest": "sha256:ab", "rows": [1]})
    record = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert record["event"] == "entry\nappended x"
    assert (record["index"], record["digest"], record["rows"]) == (3, "sha256:ab", "[1]")
    assert record["time"].endswith("Z")


def test_long_values_are_cut(stream: io.StringIO) -> None:
    LOGGER.warning("x" * 10_000)
    assert len(stream.getvalue()) < 1_000


def test_exceptions_are_a_code_and_places_without_values(stream: io.StringIO) -> None:
    def fail() -> None:
        raise StoreError("row 'Jane Doe' is bad", slug="row")

    try:
        fail()
    except StoreError:
        LOGGER.exception("append failed")
    record = json.loads(stream.getvalue())
    assert record["error"] == "TG-STO/row"
    assert "test_telemetry.py" in record["at"][0]
    assert "Jane" not in stream.getvalue()


def test_configuring_again_replaces_the_handler(stream: io.StringIO) -> None:
    second = io.StringIO()
    handler = configure(second, form="text")
    LOGGER.warning("a\x1b[31mb", extra={"index": 1})
    assert stream.getvalue() == ""
    assert second.getvalue() == "warning: a\\x1b[31mb index=1\n"
    logging.getLogger("tidegate").removeHandler(handler)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        configure(io.StringIO(), level="loud")


def test_a_span_lets_values_and_exceptions_through() -> None:
    with span("gate", stage="ingest", index=1):
        pass
    with pytest.raises(KeyError), span("gate"):
        raise KeyError("x")
