"""Whose keys count: shown, exported, pulled from the ledger, revoked, witnessed, succeeded."""

import shutil
from pathlib import Path

import pytest
from tests.sites import Site, Tidegate

from tidegate.app.trust import read_chain, read_pin, read_trust, write_chain
from tidegate.app.workspace import Workspace
from tidegate.core.attest.chain import sign_trust_root
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.note import COSIGNATURE, ED25519, NoteKey
from tidegate.core.policy.directives import Quarantine

WS = ("-C", "ws")
DIGEST = "sha256:" + "ab" * 32


def key_of(tidegate: Tidegate, name: str) -> str:
    listed = tidegate("keys", "list", *WS, "--format", "json").json["keys"]
    return str(next(row["keyId"] for row in listed if row["principal"] == name))


def test_show_names_keys_pin_and_log_key(site: Site, tidegate: Tidegate) -> None:
    shown = tidegate("trust", "show", *WS, "--format", "json").json
    assert shown["pin"] == shown["digest"] == str(site.open().trust.digest)
    assert NoteKey.from_vkey(shown["logKeys"][0]).name == site.open().origin
    assert [row["principal"] for row in shown["keys"]] == ["me", "ana", "bo", "ledger"]
    text = tidegate("trust", "show", *WS).out
    assert all(word in text for word in (shown["pin"], shown["logKeys"][0], "me (root)"))


def test_an_exported_trust_root_verifies_elsewhere(site: Site, tidegate: Tidegate) -> None:
    tidegate("keys", "new", "cy", *WS)
    assert tidegate("trust", "export", "t.json", *WS).code == 0
    assert read_trust(Path("t.json"), read_pin(site.root / ".tidegate")).version == 2


def test_pull_brings_a_folder_that_is_behind_up_to_date(site: Site, tidegate: Tidegate) -> None:
    """What the older version could not verify counts afterwards."""
    file = site.root / ".tidegate/trust.json"
    old = file.read_bytes()
    tidegate("keys", "new", "cy", "--roles", "steward", *WS)
    site.open("cy").act(Quarantine(digest=DIGEST, reason="x"))
    new = file.read_bytes()
    file.write_bytes(old)
    behind = tidegate("quarantine", "list", *WS)
    assert (behind.code, "trust pull" in behind.err) == (5, True)
    assert tidegate("trust", "pull", *WS, "--dry-run").code == 0
    assert file.read_bytes() == old
    pulled = tidegate("trust", "pull", *WS)
    assert (pulled.code, "version 2" in pulled.out) == (0, True)
    assert file.read_bytes() == new
    assert "cy" in tidegate("quarantine", "list", *WS).out
    assert tidegate("db", "rebuild", *WS).code == 0


def test_pull_restores_a_lost_file_from_the_pin(site: Site, tidegate: Tidegate) -> None:
    file = site.root / ".tidegate/trust.json"
    tidegate("keys", "rotate", "ledger", *WS)
    kept = file.read_bytes()
    file.unlink()
    assert tidegate("trust", "pull", *WS).code == 0
    assert file.read_bytes() == kept


def test_pull_refuses_a_folder_that_contradicts_the_ledger(site: Site, tidegate: Tidegate) -> None:
    home = site.root / ".tidegate"
    chain = read_chain(home / "trust.json")
    tidegate("keys", "new", "cy", *WS)
    workspace = site.open()
    guard = workspace.keys.load("me", passphrase=None)
    other = read_trust(home / "trust.json", read_pin(home))
    # Another second version, as only a holder of the root key could make it.
    forged = sign_trust_root(
        type(other)(**{name: getattr(other, name) for name in other.__slots__ if name != "keys"},
                    keys=other.keys[:-1]), [guard],
    )  # fmt: skip
    write_chain(home / "trust.json", [*chain, forged])
    ran = tidegate("trust", "pull", *WS)
    assert (ran.code, "TG-VER/trust-contradiction" in ran.err) == (5, True)


def test_the_ledgers_versions_are_not_believed_without_root_signatures(
    site: Site, tidegate: Tidegate
) -> None:
    """A pin of another trust root refuses them all."""
    pin = site.root / ".tidegate/trust-anchor"
    pin.write_text(DIGEST + "\n")
    ran = tidegate("trust", "pull", *WS)
    assert (ran.code, "TG-VER/wrong-anchor" in ran.err) == (5, True)


def test_a_revoked_key_counts_until_the_index_and_can_be_reinstated(
    site: Site, tidegate: Tidegate
) -> None:
    first = site.open("ana").act(Quarantine(digest=DIGEST, reason="good"))
    second = site.open("ana").act(Quarantine(digest="sha256:" + "cd" * 32, reason="stolen"))
    assert (first.index, second.index) == (2, 3)
    dry = tidegate("trust", "revoke", "ana", "--from", 3, "--reason", "lost", *WS, "--dry-run")
    assert (dry.code, "1 entries" in dry.out, site.open().log.head.size) == (0, True, 4)
    done = tidegate("trust", "revoke", "ana", "--from", 3, "--reason", "lost", *WS)
    assert (done.code, "log 3" in done.out) == (0, True)
    listed = tidegate("quarantine", "list", *WS).out
    # A quarantine only takes trust away: it stands until somebody who may releases it.
    assert ("good" in listed, "stolen" in listed) == (True, True)
    state = tidegate("trust", "show", *WS).out
    assert "revoked from 3" in state
    assert tidegate("trust", "reinstate", "ana", "--reason", "found", *WS).code == 0
    assert "revoked from" not in tidegate("trust", "show", *WS).out


@pytest.mark.parametrize("name", ["nobody", "ffffffffff", "abc"])
def test_an_unknown_key_is_not_revoked(name: str, site: Site, tidegate: Tidegate) -> None:
    ran = tidegate("trust", "revoke", name, "--from", 0, "--reason", "x", *WS)
    assert (ran.code, "keys list" in ran.err) == (2, True)


def test_a_key_may_be_named_by_its_first_digits(site: Site, tidegate: Tidegate) -> None:
    key = key_of(tidegate, "bo")
    ran = tidegate("trust", "revoke", key[:10], "--from", 0, "--reason", "x", *WS)
    assert ran.code == 0
    assert site.open().directives().key_holds(key, 1) is False


def test_an_auditor_revokes_nothing(site: Site, tidegate: Tidegate) -> None:
    tidegate("keys", "new", "cy", *WS)
    ran = tidegate("trust", "revoke", "ana", "--from", 0, "--reason", "x", "--as", "cy", *WS)
    assert (ran.code, "TG-ACC/role" in ran.err) == (1, True)


def test_a_log_key_is_no_witness(site: Site, tidegate: Tidegate) -> None:
    log = NoteKey("w", ED25519, bytes(32)).vkey
    ran = tidegate("trust", "add-witness", log, *WS)
    assert (ran.code, "not-a-witness" in ran.err) == (2, True)
    assert tidegate("trust", "add-witness", "nonsense", *WS).code == 2


def test_a_threshold_that_no_witness_can_meet_is_refused(site: Site, tidegate: Tidegate) -> None:
    vkey = NoteKey("w.example/1", COSIGNATURE, bytes(range(32))).vkey
    assert tidegate("trust", "add-witness", vkey, "--threshold", 2, *WS).code == 5
    assert tidegate("trust", "add-witness", vkey, *WS, "--dry-run").code == 0
    assert len(read_chain(site.root / ".tidegate/trust.json")) == 1


def test_where_the_root_key_is_not_nothing_is_changed(site: Site, tidegate: Tidegate) -> None:
    shutil.rmtree(site.root / ".tidegate/keys/me")
    ran = tidegate("keys", "new", "cy", "--as", "ana", *WS)
    assert (ran.code, "TG-ACC/no-root-key" in ran.err) == (1, True)
    assert site.open().log.head.size == 2


def test_a_successor_names_the_closed_logs_last_head(site: Site, tidegate: Tidegate) -> None:
    site.admit()
    key = key_of(tidegate, "bo")
    tidegate("trust", "revoke", key, "--from", 0, "--reason", "lost", *WS)
    dry = tidegate("trust", "log-successor", "next", *WS, "--dry-run")
    assert (dry.code, Path("next").exists()) == (0, False)
    assert tidegate("trust", "log-successor", "next", *WS).code == 0
    old, new = site.open(), Workspace.open(Path("next"))
    last = Entry.parse(old.log.entry(old.log.head.size - 1))
    first = Entry.parse(new.log.entry(0))
    assert (last.kind, last.extra["successor"]) == ("close", new.origin)
    assert first.extra["predecessor"] == old.log.head.text
    head = new.trust.predecessor
    assert head is not None
    assert (head.origin, head.size, head.root_hash) == (
        old.origin, old.log.head.size, old.log.head.root.hex(),
    )  # fmt: skip
    assert key not in {one.key.key_id for one in new.trust.keys}, "a revoked key does not go on"
    closed = tidegate("quarantine", "add", DIGEST, "--reason", "x", *WS)
    assert (closed.code, new.origin in closed.err) == (5, True)
    goes_on = tidegate("quarantine", "add", DIGEST, "--reason", "x", "-C", "next")
    assert goes_on.code == 0
    assert "follows" in tidegate("trust", "show", "-C", "next").out
    for folder in ("ws", "next"):
        assert tidegate("log", "check", "-C", folder).code == 0
    assert tidegate("trust", "log-successor", "ws", *WS).code == 2, "a folder that is not empty"


def test_an_interrupted_succession_can_be_repeated(site: Site, tidegate: Tidegate) -> None:
    """The log is closed and names a successor that was not made yet."""
    site.open().log.close(Entry("close", site.open().id, actor="me"), "tidegate/abcdefghijkl")
    assert tidegate("trust", "log-successor", "next", *WS).code == 0
    assert Workspace.open(Path("next")).origin == "tidegate/abcdefghijkl"
