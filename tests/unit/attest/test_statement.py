"""in-toto statements: written canonically, read strictly, foreign fields kept."""

import json
from typing import Any

import pytest

from tidegate.core.attest.statement import MAX_DIGESTS, Statement, Subject
from tidegate.core.digest import Digest, sha256
from tidegate.core.errors import VerificationError

FOREIGN: dict[str, Any] = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [
        {"uri": "pkg:pypi/x", "digest": {"gitCommit": "ab" * 20, "dirHash": "h1:abc="}},
        {"name": "b", "digest": {"sha256": "cd" * 32}, "annotations": {"a": 1}},
    ],
    "predicateType": "https://example.org/p/v1",
    "predicate": {"score": 0.5},
    "later": True,
}


def test_a_statement_is_canonical_and_reads_what_it_wrote() -> None:
    subject = Subject.of("m", sha256(b"m"), {"blake3": "ef" * 32})
    statement = Statement((subject,), "urn:x:v1", {"b": 1, "a": [None]}, {"later": 1})
    assert Statement.parse(statement.to_bytes()) == statement
    assert statement.to_bytes().startswith(b'{"_type":"https://in-toto.io/Statement/v1",')


def test_foreign_fields_and_digests_are_kept() -> None:
    read = Statement.parse(json.dumps(FOREIGN).encode())
    assert read.to_json() == FOREIGN
    assert read.subjects[0].name == ""
    assert read.speaks_of(Digest("sha256", "cd" * 32))
    assert not read.speaks_of(sha256(b"x"))


def test_what_has_no_canonical_form_is_not_signed() -> None:
    with pytest.raises(ValueError, match="float"):
        Statement.parse(json.dumps(FOREIGN).encode()).to_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"_type": None},
        {"subject": []},
        {"subject": {}},
        {"subject": [{"name": "x"}]},
        {"subject": [{"name": "x", "digest": {}}]},
        {"subject": [{"name": 3, "digest": {"sha256": "ab" * 32}}]},
        {"subject": [{"name": "x", "digest": {"sha256": "AB" * 32}}]},
        {"subject": [{"name": "x", "digest": {"sha256": "ab" * 31}}]},
        {"subject": [{"name": "x", "digest": {"sha256": 5}}]},
        {"subject": [{"name": "x", "digest": {"odd": ""}}]},
        {"subject": [{"name": "x", "digest": {"odd": "x" * 2000}}]},
        {"subject": [{"name": "x", "digest": {str(n): "x" for n in range(MAX_DIGESTS + 1)}}]},
        {"predicateType": ""},
        {"predicate": None},
        {"predicate": []},
    ],
)
def test_a_damaged_statement_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VerificationError):
        Statement.parse(json.dumps({**FOREIGN, **changes}).encode())


@pytest.mark.parametrize(
    "data", [b"", b"null", b"\xff", b'{"a":1,"a":2}', b"[" * 5_000, b'{"a":NaN}']
)
def test_rubbish_is_no_statement(data: bytes) -> None:
    with pytest.raises(VerificationError):
        Statement.parse(data)
