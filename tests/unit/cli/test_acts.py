"""init, verify, evidence, approve, waive, quarantine and graph over a small workspace."""

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from tests.sites import Site, Tidegate

from tidegate.core.clock import DAY, SystemClock

WS = ("-C", "ws")


def lax(site: Site) -> str:
    """Let the test's gate admit; return the digest of what it admits."""
    known = {rule.id for rule in site.open().policy.rules if rule.gate.startswith("ingest")}
    text = 'extends = "default"\nname = "lax"\nversion = "1"\n'
    text += "".join(f'[[rule]]\nid = "{rule}"\nmode = "shadow"\n' for rule in sorted(known))
    (site.root / "lax.toml").write_text(text)
    site.use("lax.toml")
    return site.admit()


def test_init_begins_a_workspace_once(tidegate: Tidegate) -> None:
    made = tidegate("init", "new", "--unsealed", "--name", "credit", "--principal", "ana=steward",
                    "--principal", "bo")  # fmt: skip
    assert (made.code, "NOT sealed" in made.out, "pin sha256:" in made.out) == (0, True, True)
    again = tidegate("init", "new", "--unsealed")
    assert (again.code, "workspace-exists" in again.err) == (2, True)
    keys = tidegate("keys", "list", "-C", "new", "--format", "json").json["keys"]
    assert [(row["principal"], len(row["roles"])) for row in keys] == [
        ("ana", 1), ("bo", 7), ("ledger", 0),
    ]  # fmt: skip
    bad = tidegate("init", "x", "--unsealed", "--principal", "ana=king")
    assert (bad.code, Path("x").exists()) == (2, False)


def test_init_that_fails_leaves_nothing(tidegate: Tidegate) -> None:
    ran = tidegate("init", "x", "--unsealed", "--principal", "Bad Name")
    assert (ran.code, Path("x").exists()) == (2, False)


def test_verify_walks_back_and_says_what_is_missing(site: Site, tidegate: Tidegate) -> None:
    digest = lax(site)
    good = tidegate("verify", "ws/data.csv", *WS, "--format", "json")
    assert (good.code, good.json["digest"]) == (0, digest)
    assert "every link verifies" in tidegate("verify", digest, *WS).out
    Path("other.csv").write_text("x")
    unknown = tidegate("verify", "other.csv", *WS)
    assert (unknown.code != 0, "NOT proved" in unknown.out) == (True, True)
    assert tidegate("verify", "nothing-of-this-name", *WS).code == 2


def test_evidence_verifies_where_nothing_else_is(site: Site, tidegate: Tidegate) -> None:
    digest = lax(site)
    pin = str(site.open().trust.digest)
    made = tidegate("evidence", "export", "ws/data.csv", *WS, "--output", "e.json",
                    "--trust-file", "t.json")  # fmt: skip
    assert (made.code, pin in made.out) == (0, True)
    site.root.rename("gone")
    away = ("--trust", "t.json", "--pin", pin)
    ran = tidegate("verify", "e.json", *away, "--format", "json")
    assert (ran.code, ran.json["digest"]) == (0, digest)
    assert tidegate("verify", "gone/data.csv", "--evidence", "e.json", *away).code == 0
    Path("other").write_text("x")
    assert tidegate("verify", "other", "--evidence", "e.json", *away).code == 5
    wrong = ("--trust", "t.json", "--pin", "sha256:" + "0" * 64)
    assert tidegate("verify", "e.json", *wrong).code == 5
    unpinned = tidegate("verify", "e.json", "--trust", "t.json")
    assert (unpinned.code, "pin it with --pin" in unpinned.err) == (0, True)
    body = json.loads(Path("e.json").read_text())
    envelope = bytearray(b64decode(body["statements"][-1]["envelope"]))
    envelope[envelope.index(b'"sig":"') + 20] ^= 1
    body["statements"][-1]["envelope"] = b64encode(envelope).decode()
    Path("e.json").write_text(json.dumps(body))
    assert tidegate("verify", "e.json", *away).code == 5
    Path("e.json").write_text("{}")
    assert tidegate("verify", "e.json", *away).code == 5
    assert tidegate("verify", "nowhere.json", *away).code == 2


def test_an_approval_counts_once_a_principal_and_can_be_taken_back(
    site: Site, tidegate: Tidegate
) -> None:
    digest = site.admit()

    def names() -> tuple[str, ...]:
        state = site.open().directives()
        return state.approvers(digest, "registry/promote", producer=None)

    approve = ("approve", "ws/data.csv", "--for", "registry/promote", "--reason", "seen", *WS)
    assert tidegate(*approve, "--dry-run").code == 0
    assert names() == ()
    for who in ("ana", "bo", "ana"):
        assert tidegate(*approve, "--as", who).code == 0
    assert names() == ("ana", "bo")
    assert tidegate(*approve, "--as", "ana", "--retract").code == 0
    assert names() == ("bo",)
    assert tidegate(*approve, "--as", "nobody").code == 1
    assert tidegate("approve", "no-such", "--for", "x", "--reason", "y", *WS).code == 2


def test_a_waiver_holds_with_a_second_approver_until_it_expires(
    site: Site, tidegate: Tidegate
) -> None:
    grant = ("waive", "grant", "TG-ING-02", "--reason", "migration", "--owner", "me", *WS)
    assert tidegate(*grant, "--dry-run").code == 0
    assert site.open().directives().waivers == {}
    assert tidegate(*grant, "--expires-in", "12h", "--as", "ana").code == 0
    (waiver,) = site.open().directives().waivers.values()
    assert 0 < waiver.expires - SystemClock().now() <= DAY // 2
    assert "2 approvers are needed" in tidegate("waive", "list", *WS).out
    approve = ("approve", waiver.id, "--for", "waive", "--reason", "agreed", *WS)
    assert tidegate(*approve, "--as", "bo").code == 0
    (waiver,) = site.open().directives().waivers.values()
    assert waiver.fault(producer="me", now=SystemClock().now()) == ""
    assert tidegate("waive", "retract", waiver.id, "--reason", "done", *WS).code == 0
    assert site.open().directives().waivers == {}


@pytest.mark.parametrize("term", ["31d", "0s", "7", "soon", "-1d"])
def test_a_waiver_that_could_not_hold_is_refused(term: str, site: Site, tidegate: Tidegate) -> None:
    grant = ("waive", "grant", "TG-ING-02", "--reason", "x", "--owner", "me", *WS)
    ran = tidegate(*grant, f"--expires-in={term}")
    assert (ran.code, site.open().log.head.size) == (2, 2)


def test_a_malformed_act_is_refused(site: Site, tidegate: Tidegate) -> None:
    ran = tidegate("waive", "grant", "ING-2", "--reason", "x", "--owner", "me", *WS)
    assert (ran.code, site.open().log.head.size) == (2, 2)


def test_what_is_held_is_listed_until_it_is_released(site: Site, tidegate: Tidegate) -> None:
    lax(site)
    add = ("quarantine", "add", "ws/data.csv", "--reason", "odd labels", *WS)
    assert tidegate(*add, "--dry-run").code == 0
    assert "odd labels" not in tidegate("quarantine", "list", *WS).out
    assert tidegate(*add, "--as", "ana").code == 0
    assert "odd labels" in tidegate("quarantine", "list", *WS).out
    assert tidegate("verify", "ws/data.csv", *WS).code != 0
    release = ("quarantine", "release", "ws/data.csv", "--reason", "checked", *WS)
    assert tidegate(*release, "--as", "bo").code == 0
    assert tidegate("verify", "ws/data.csv", *WS).code == 0
    assert tidegate(*add, "--revoke", "--as", "bo").code == 0
    assert "revoked" in tidegate("quarantine", "list", *WS).out
    assert tidegate(*release, "--as", "bo").code == 0
    assert "odd labels" not in tidegate("quarantine", "list", *WS).out


def test_lineage_is_traced_and_drawn(site: Site, tidegate: Tidegate) -> None:
    lax(site)
    for way in ("trace", "taint"):
        ran = tidegate("graph", way, "ws/data.csv", *WS, "--format", "json")
        assert (ran.code, ran.json["edges"]) == (0, [])
        assert tidegate("graph", way, "ws/data.csv", *WS).code == 0
    assert tidegate("graph", "draw", "all.svg", *WS).code == 0
    assert tidegate("graph", "draw", "one.svg", "ws/data.csv", *WS).code == 0
    assert "data.csv" in Path("all.svg").read_text()
    assert tidegate("graph", "trace", "nothing", *WS).code == 2
    assert tidegate("graph", "draw", "no/such/folder.svg", *WS).code == 2
