"""Entries: one canonical form, everything newer kept and never relied upon."""

import json

import pytest

from tidegate.core.canonical import dumps
from tidegate.core.errors import UsageError, VerificationError
from tidegate.core.ledger.entry import KINDS, Entry, genesis

DIGEST = "sha256:" + "a" * 64
FULL = Entry(
    "attestation",
    "acme",
    time=5,
    actor="zoë",
    key_id="k",
    tool="tidegate 1",
    subjects=(DIGEST,),
    envelope=DIGEST,
    predicate_type="urn:tidegate:x",
)


def test_the_form_is_canonical() -> None:
    data = FULL.to_bytes()
    assert data == dumps(json.loads(data))
    assert data.startswith('{"actor":"zoë","envelope":'.encode())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_round_trips(kind: str) -> None:
    extra = dict.fromkeys(sorted(KINDS[kind]), "x")
    entry = Entry(kind, "acme", time=1, extra=extra)
    entry.check()
    back = Entry.parse(entry.to_bytes())
    assert back.known
    assert (back.kind, back.extra, back.to_bytes()) == (kind, extra, entry.to_bytes())


def test_a_genesis_names_the_last_head_before_it() -> None:
    entry = genesis("acme", "o/2", actor="a", tool="t", predecessor="o/1\n5\nx\n")
    assert Entry.parse(entry.to_bytes()).extra == {"origin": "o/2", "predecessor": "o/1\n5\nx\n"}


def changed(**fields: object) -> bytes:
    value = json.loads(FULL.to_bytes()) | fields
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


UNKNOWN = {
    "newer version": changed(v=2),
    "newer version with other types": changed(v=2, subjects="many", time="now", kind=7),
    "unknown kind": changed(kind="telepathy"),
    "unknown field": changed(colour="blue"),
    "unknown field with a float": changed(weight=0.5),
    "another kind's field": changed(successor="x"),
    "nothing": b"{}",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_newer_is_kept_verbatim_and_not_known(name: str) -> None:
    entry = Entry.parse(UNKNOWN[name])
    assert not entry.known
    assert entry.to_bytes() == UNKNOWN[name]
    with pytest.raises(UsageError):
        entry.check()


BAD = {
    "no json": b"hello",
    "a list": b"[]",
    "key twice": b'{"v":1,"v":1}',
    "not canonical": FULL.to_bytes().replace(b",", b", "),
    "missing field": dumps({"v": 1, "kind": "drill"}),
    "time is text": changed(time="5"),
    "time is true": changed(time=True),
    "version is true": changed(v=True),
    "version is a float": changed(v=1.0),
    "negative time": changed(time=-1),
    "subject is no digest": changed(subjects=["sha256:zz"]),
    "subject is no text": changed(subjects=[5]),
    "envelope is no digest": changed(envelope="x"),
    "envelope is empty": changed(envelope=""),
    "envelope is null": changed(envelope=None),
    "float in a known field": changed(kind="gap", count=0.5),
    "too large": changed(tool="x" * 70_000),
}


@pytest.mark.parametrize("name", BAD)
def test_what_claims_this_version_and_is_not_is_refused(name: str) -> None:
    with pytest.raises(VerificationError):
        Entry.parse(BAD[name])


UNWRITABLE = {
    "unknown kind": Entry("telepathy", "acme"),
    "another kind's field": Entry("drill", "acme", extra={"origin": "x"}),
    "another version": Entry("drill", "acme", version=2),
    "no envelope": Entry("drill", "acme", envelope=""),
    "no digest": Entry("drill", "acme", subjects=("x",)),
    "too large": Entry("drill", "acme", tool="x" * 70_000),
    "half a character": Entry("drill", "acme", tool="\ud800"),
    "float": Entry("gap", "acme", extra={"count": 0.5}),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_could_not_be_read_again_is_not_written(name: str) -> None:
    with pytest.raises(UsageError):
        UNWRITABLE[name].check()
