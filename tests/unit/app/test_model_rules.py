"""What people allow model files in a workspace is signed, expires, and never allows a call."""

import json
from pathlib import Path

import pytest
from tests.workspaces import workspace

from tidegate.app.genesis import Founder
from tidegate.app.model_rules import (
    approval,
    install_pack,
    packs_in_force,
    rules_in_force,
    sign_pack,
    verify_pack,
)
from tidegate.app.workspace import Workspace
from tidegate.core.attest import envelope as dsse
from tidegate.core.clock import DAY
from tidegate.core.errors import AccessError, ConfigError, TidegateError, TrustError, UsageError
from tidegate.core.identity.keys import PrivateKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.policy.directives import ApproveClass, Quarantine, RetractClass, RevokeKey
from tidegate.detect.supply import Status, Use, scan_bytes

FILE = b"\x80\x04cmy.models\nNet\n)\x81."
NET = "my.models:Net"
PACK = {
    "name": "mine",
    "versions": "mymodels 1.0",
    "entries": [{"global": NET, "uses": ["data", "new"], "why": "no hook"}],
}


@pytest.fixture
def where(tmp_path: Path) -> Workspace:
    people = (
        Founder("sam", frozenset({Role.STEWARD})),
        Founder("rory", frozenset({Role.RELEASER})),
        Founder("vic", frozenset({Role.VALIDATOR})),
    )
    return workspace(tmp_path, *people)


def at(where: Workspace, who: str, days: float = 0) -> Workspace:
    clock = type(where.clock)(where.clock.now() + int(days * DAY))  # type: ignore[call-arg]
    return Workspace(where.root, where.settings, where.engine, clock, who, state=where.state)


def status(where: Workspace) -> Status:
    rules = rules_in_force(where)
    return scan_bytes(FILE, "f", packs=rules.packs, approved=rules.approved).status


def approve(where: Workspace, who: str, days: float = 7, uses: str = "data,new") -> None:
    person = at(where, who)
    act = approval(NET, uses, "I read it", now=where.clock.now(), term=int(days * DAY))
    person.act(act)


def test_an_approval_holds_until_it_expires(where: Workspace) -> None:
    assert status(where) is Status.FINDINGS
    approve(where, "sam")
    assert status(where) is Status.CLEAN
    assert status(at(where, "sam", 6.9)) is Status.CLEAN
    assert status(at(where, "sam", 7)) is Status.FINDINGS
    entry = rules_in_force(where).get(NET)
    assert entry is not None
    assert "I read it (sam, log " in entry.why


def test_an_approval_can_be_retracted_by_anyone(where: Workspace) -> None:
    approve(where, "sam")
    at(where, "vic").act(RetractClass(callable=NET, reason="it has a hook"))
    assert status(where) is Status.FINDINGS


def test_only_who_guards_may_approve(where: Workspace) -> None:
    with pytest.raises(AccessError):
        approve(where, "rory")
    assert status(where) is Status.FINDINGS


def test_an_approval_by_a_key_that_was_revoked_before_holds_nothing(where: Workspace) -> None:
    sam = at(where, "sam")
    key = sam.principal.key_id
    sam.act(RevokeKey(key_id=key, from_index=0, reason="stolen"))
    with pytest.raises(TrustError):
        approve(where, "sam")


def test_no_approval_allows_a_call_or_code_or_lasts(where: Workspace) -> None:
    now = where.clock.now()
    for name, uses, days in (
        (NET, "data,reduce", 7),
        ("os:system", "data", 7),
        ("builtins:eval", "data", 7),
        (NET, "data", 91),
        (NET, "data", 0),
        ("nocolon", "data", 7),
    ):
        with pytest.raises(TidegateError):
            approval(name, uses, "why", now=now, term=int(days * DAY))
    # What is in the log all the same, signed by who may sign, has no effect either.
    sam = at(where, "sam")
    sam.act(ApproveClass(callable="os:system", uses="data", reason="x", expires=now + DAY))
    sam.act(ApproveClass(callable=NET, uses="data,new", reason="x", expires=now + 400 * DAY))
    rules = rules_in_force(where)
    assert (rules.permits("os:system", Use.DATA), rules.permits(NET, Use.NEW)) == (False, False)


def test_a_pack_takes_two_people(where: Workspace) -> None:
    signed = sign_pack(at(where, "sam"), json.dumps(PACK).encode())
    rory = at(where, "rory")
    checked, act = install_pack(rory, signed, "for the credit team")
    assert (checked.name, checked.signer, status(where)) == ("mine", "sam", Status.FINDINGS)
    with pytest.raises(AccessError):
        at(where, "sam").act(act)
    rory.act(act)
    assert status(where) is Status.CLEAN
    assert [(item.name, item.signer) for item in packs_in_force(where)][-1] == ("mine", "sam")
    at(where, "vic").act(Quarantine(digest=checked.digest, reason="doubts"))
    assert status(where) is Status.FINDINGS


def test_a_pack_that_nobody_who_may_signed_is_refused(where: Workspace) -> None:
    data = json.dumps(PACK).encode()
    with pytest.raises(AccessError):
        sign_pack(at(where, "rory"), data)
    stranger = PrivateKey.generate(Scheme.ED25519)
    releaser = at(where, "rory").principal.signer
    kind = "application/vnd.tidegate.allow-pack+json"
    for signer in (stranger, releaser):
        with pytest.raises(TidegateError):
            verify_pack(where, dsse.sign(data, kind, [signer]).to_bytes())
    guard = at(where, "sam").principal.signer
    with pytest.raises(TrustError):
        verify_pack(where, dsse.sign(data, "application/json", [guard]).to_bytes())
    with pytest.raises(ConfigError):
        verify_pack(where, dsse.sign(b'{"name":"x"}', kind, [guard]).to_bytes())


def test_an_installed_pack_whose_bytes_changed_stops_every_scan(where: Workspace) -> None:
    rory = at(where, "rory")
    checked, act = install_pack(rory, sign_pack(at(where, "sam"), json.dumps(PACK).encode()), "x")
    rory.act(act)
    files = [file for file in where.root.rglob("*") if file.name == checked.digest[7:]]
    files[0].write_bytes(files[0].read_bytes().replace(b"a", b"b", 1))
    with pytest.raises(TidegateError):
        rules_in_force(where)


def test_a_pack_of_a_shipped_name_takes_its_place(where: Workspace) -> None:
    rory = at(where, "rory")
    own = {"name": "torch", "entries": []}
    rory.act(install_pack(rory, sign_pack(at(where, "sam"), json.dumps(own).encode()), "x")[1])
    assert rules_in_force(where).get("torch._utils:_rebuild_tensor_v2") is None


def test_reasons_are_wanted(where: Workspace) -> None:
    with pytest.raises((UsageError, TidegateError)):
        approval(NET, "data", " ", now=where.clock.now(), term=DAY)
