"""Keys, buckets, readers of requests: the parts of the gateway without a socket."""

from pathlib import Path
from typing import Any

import pytest

from tidegate.core.clock import SECOND, FixedClock
from tidegate.core.errors import AccessError, UsageError
from tidegate.detect.prompt.head import Kind
from tidegate.gateway.keys import KeyFile, Keyring, key_line, new_key
from tidegate.gateway.limits import Buckets, Slots
from tidegate.gateway.problems import Refused
from tidegate.gateway.segments import READERS, Text
from tidegate.gateway.upstream import Upstream


def test_a_key_is_known_by_its_digest_alone() -> None:
    token = new_key("a-1")
    line = key_line("a-1", token)
    assert token.split("_")[2][:20] not in line
    ring = Keyring.parse("# callers\n\n" + line)
    assert ring.identify(token) == "a-1"


def test_every_change_of_a_key_is_refused() -> None:
    token = new_key("web")
    ring = Keyring.parse(key_line("web", token))
    for place, char in enumerate(token):
        for other in ("x" if char != "x" else "y", ""):
            assert ring.identify(token[:place] + other + token[place + 1 :]) is None
    assert ring.identify(token * 20) is None
    assert ring.identify("\ud800") is None


def test_a_caller_may_have_two_keys_while_one_is_replaced() -> None:
    old, new = new_key("web"), new_key("web")
    ring = Keyring.parse(key_line("web", old) + key_line("web", new))
    assert (ring.identify(old), ring.identify(new)) == ("web", "web")


def test_a_key_opens_nothing_under_another_name() -> None:
    token = new_key("web")
    ring = Keyring.parse(key_line("web", new_key("web")) + key_line("admin", token))
    assert ring.identify(token) is None


def test_a_shared_token_is_known_as_such() -> None:
    token = "trial-token-of-16-or-more"
    assert Keyring.parse(key_line("shared", token)).identify(token) == "shared"


@pytest.mark.parametrize("name", ["", "Web", "a_b", "-a", "a-", "a" * 41, "ä", "a b"])
def test_names_that_could_break_a_line_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        new_key(name)


@pytest.mark.parametrize("line", ["web", "web 12", "web " + "g" * 64, "we_b " + "a" * 64])
def test_a_line_that_is_no_key_is_refused_with_its_number(line: str) -> None:
    with pytest.raises(AccessError) as refused:
        Keyring.parse(f"\n{line}\n")
    assert "line 2" in str(refused.value.where)


def test_a_key_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "callers"
    path.write_text(key_line("web", new_key("web")))
    path.chmod(0o666)
    with pytest.raises(AccessError):
        KeyFile(path)


def test_a_bucket_fills_at_its_rate_and_no_further() -> None:
    clock = FixedClock(10)
    buckets = Buckets(clock, per_minute=120, burst=3)
    assert [buckets.take("a").granted for _ in range(5)] == [True, True, True, False, False]
    clock.advance(SECOND // 2)
    assert [buckets.take("a").granted for _ in range(2)] == [True, False]
    clock.advance(3600 * SECOND)
    assert [buckets.take("a").granted for _ in range(4)] == [True, True, True, False]
    clock.advance(-SECOND)
    assert not buckets.take("a").granted, "a clock that goes back gives nothing"


def test_places_are_given_back() -> None:
    slots = Slots(2, 1)
    with slots.hold("a"):
        with pytest.raises(Refused, match="too_many_at_once"), slots.hold("a"):
            pass
        with slots.hold("b"), pytest.raises(Refused, match="busy"), slots.hold("c"):
            pass
    with slots.hold("a"):
        pass


READ: list[tuple[str, dict[str, Any], list[tuple[Kind, str]]]] = [
    ("chat", {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]},
     [(Kind.USER, "u")]),
    ("chat", {"messages": [{"role": "assistant", "content": None, "tool_calls": []},
                           {"role": "tool", "content": [{"type": "text", "text": "t"}]}]},
     [(Kind.DOCUMENT, "t")]),
    ("chat", {"messages": [{"role": "user", "content": ["a", {"type": "text", "text": "b"}]}]},
     [(Kind.USER, "a"), (Kind.USER, "b")]),
    ("completions", {"prompt": "p", "suffix": "q"}, [(Kind.USER, "p"), (Kind.USER, "q")]),
    ("embeddings", {"input": ["a", "b"]}, [(Kind.DOCUMENT, "a"), (Kind.DOCUMENT, "b")]),
    ("infer", {"inputs": [{"datatype": "FP32", "data": [1.0]},
                          {"datatype": "BYTES", "data": [["a"], "b"]}]},
     [(Kind.USER, "b"), (Kind.USER, "a")]),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "body", "expected"), READ)
def test_a_request_is_read_with_who_says_what(
    operation: str, body: dict[str, Any], expected: list[tuple[Kind, str]]
) -> None:
    found: list[Text] = list(READERS[operation](body))
    assert [(text.kind, text.text) for text in found] == expected


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x", "http://", "http://u:p@host", "http://host?x=1", "file:///etc", "http://[::"],
)
def test_an_upstream_that_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        Upstream(url, timeout_s=1, connections=1)
