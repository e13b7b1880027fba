"""The strict readers that every parser of signed JSON rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from tidegate.core.canonical import Json
from tidegate.core.clock import Micros
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import AccessError, VerificationError
from tidegate.core.identity.reading import Fields, decode_base64, encode_base64
from tidegate.core.identity.record import Record


class Kind(StrEnum):
    EBB = "ebb"
    FLOW = "flow"


@dataclass(frozen=True, slots=True)
class Gauge(Record):
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tide(Record):
    what = "tide"

    kind: Kind
    at: Micros
    digest: Digest
    gauges: tuple[Gauge, ...]
    tags: frozenset[Kind] = frozenset()
    until: Micros | None = None
    seen: bool = False
    facts: Mapping[str, Json] = field(default_factory=dict[str, Json])
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])


TIDE = Tide(
    Kind.EBB,
    Micros(5),
    sha256(b"x"),
    (Gauge("a"), Gauge("b", "n")),
    tags=frozenset(Kind),
    facts={"deep": [1, {"k": None}]},
    extra={"later": {"x": 1}},
)


def test_a_record_reads_what_it_wrote() -> None:
    assert Tide.from_json(TIDE.to_json()) == TIDE


def test_a_record_is_plain_json_in_camel_case() -> None:
    shown = TIDE.to_json()
    assert shown["tags"] == ["ebb", "flow"]
    assert shown["until"] is None
    assert shown["gauges"][1] == {"name": "b", "note": "n"}
    assert shown["later"] == {"x": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", "spring"),
        ("kind", None),
        ("at", "5"),
        ("at", True),
        ("at", -1),
        ("at", 2**60),
        ("digest", "sha256:zz"),
        ("gauges", {}),
        ("gauges", [{"name": ""}]),
        ("gauges", [{"name": "a", "note": "", "unknown": 1}]),
        ("tags", ["neap"]),
        ("until", "never"),
        ("seen", 1),
        ("facts", []),
    ],
)
def test_a_field_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(VerificationError):
        Tide.from_json({**TIDE.to_json(), name: value})


@pytest.mark.parametrize("name", ["kind", "at", "digest", "gauges", "tags", "until", "seen"])
def test_a_missing_field_is_refused_by_name(name: str) -> None:
    given = {key: value for key, value in TIDE.to_json().items() if key != name}
    with pytest.raises(VerificationError) as caught:
        Tide.from_json(given)
    assert caught.value.where == name
    assert caught.value.code == "TG-VER/bad-tide"


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_only_objects_are_read(value: Any) -> None:
    with pytest.raises(AccessError):
        Fields(value, "demo", error=AccessError)


@pytest.mark.parametrize(
    "text",
    ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "Q Q=", "+-8=", "é", "QQ==QQ=="],
)
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        decode_base64(text)


@pytest.mark.parametrize("data", [b"", b"\xfb\xff", b"tide"])
def test_base64_round_trip(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


def test_text_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(VerificationError):
        Fields({"a": "\ud800"}, "demo").text("a")
