"""Every principal's key is in the trust root, the ledger and the folder, or counts nowhere."""

from pathlib import Path

import pytest
from tests.sites import Ran, Site, Tidegate

from tidegate.app.trust import read_chain, read_pin, read_trust
from tidegate.core.identity.keys import PublicKey, Scheme
from tidegate.core.identity.roles import Role
from tidegate.core.identity.trust import Purpose
from tidegate.core.ledger.note import Note
from tidegate.core.policy.directives import Quarantine
from tidegate.core.verify import note_keys

DIGEST = "sha256:" + "ab" * 32
WS = ("-C", "ws")


def keys(tidegate: Tidegate, name: str) -> list[dict[str, object]]:
    listed = tidegate("keys", "list", *WS, "--format", "json").json["keys"]
    return [row for row in listed if row["principal"] == name]


def test_a_new_key_is_trusted_logged_and_can_act(site: Site, tidegate: Tidegate) -> None:
    made = tidegate("keys", "new", "cy", "--roles", "steward,operator", *WS, "--format", "json")
    assert (made.code, made.json["trustVersion"], made.json["kept"]) == (0, 2, "unsealed")
    (row,) = keys(tidegate, "cy")
    assert (row["state"], row["roles"], row["root"]) == ("valid", ["operator", "steward"], False)
    assert site.open("cy").act(Quarantine(digest=DIGEST, reason="test")).index == 3
    shown = tidegate("log", "show", *WS, "--format", "json").json["entries"]
    assert [(line["kind"], line["actor"], line["state"]) for line in shown[2:]] == [
        ("trust", "me", "verified"),
        ("directive", "cy", "verified"),
    ]


def test_without_roles_a_new_principal_only_reads(site: Site, tidegate: Tidegate) -> None:
    assert tidegate("keys", "new", "cy", *WS).code == 0
    assert keys(tidegate, "cy")[0]["roles"] == ["auditor"]
    ran = tidegate("quarantine", "add", DIGEST, "--reason", "x", "--as", "cy", *WS)
    assert (ran.code, "TG-ACC/role" in ran.err) == (1, True)


REFUSED = {
    "a second key": (("new", "ana"), 2, "TG-USE/key-exists"),
    "an upper-case name": (("new", "Zoe"), 2, "TG-USE/bad-principal"),
    "the log's name": (("new", "ledger"), 2, "TG-USE/reserved-name"),
    "a model key's name": (("new", "x-models"), 2, "TG-USE/reserved-name"),
    "an unknown role": (("new", "cy", "--roles", "king"), 2, "TG-USE/bad-role"),
    "a public key that is none": (("new", "cy", "--public", "ws/tidegate.toml"), 5, "TG-VER/"),
    "a public key that is absent": (("new", "cy", "--public", "nowhere"), 2, "TG-SUB/no-such-file"),
    "a stranger's rotation": (("rotate", "cy"), 2, "TG-USE/no-key"),
    "a steward's model key": (("models", "ana"), 2, "TG-USE/not-a-releaser"),
    "a stranger's export": (("export", "cy"), 2, "TG-USE/no-such-key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_nothing(case: str, site: Site, tidegate: Tidegate) -> None:
    arguments, code, slug = REFUSED[case]
    before = sorted(site.root.rglob("*.key"))
    ran = tidegate("keys", *arguments, *WS)
    assert (ran.code, slug in ran.err, "next" in ran.err) == (code, True, True)
    assert sorted(site.root.rglob("*.key")) == before
    assert len(read_chain(site.root / ".tidegate/trust.json")) == 1


@pytest.mark.parametrize(
    "arguments", [("new", "cy"), ("rotate", "ana"), ("models", "me")], ids=lambda one: one[0]
)
def test_a_dry_run_writes_nothing(
    arguments: tuple[str, ...], site: Site, tidegate: Tidegate
) -> None:
    def state() -> dict[Path, bytes]:
        files = [file for file in site.root.rglob("*") if file.is_file()]
        return {file: file.read_bytes() for file in files if "tidegate.db" not in file.name}

    before, size = state(), site.open().log.head.size
    ran = tidegate("keys", *arguments, *WS, "--dry-run")
    assert (ran.code, "dry run" in ran.err) == (0, True)
    assert (state(), site.open().log.head.size) == (before, size)


def test_rotation_ends_the_old_window_and_opens_the_new(site: Site, tidegate: Tidegate) -> None:
    assert tidegate("keys", "rotate", "ana", *WS).code == 0
    old, new = keys(tidegate, "ana")
    assert (old["state"], new["state"]) == ("ended", "valid")
    assert old["validUntil"] == new["validFrom"]
    assert old["roles"] == new["roles"]
    assert site.open("ana").act(Quarantine(digest=DIGEST, reason="x")).index == 3
    old_key = site.open().keys.load("ana", passphrase=None, key_id=str(old["keyId"]))
    assert old_key.verifier.key_id == old["keyId"], "what it signed can still be looked into"


def test_the_root_key_hands_over_to_its_successor(site: Site, tidegate: Tidegate) -> None:
    """The old root key allows the version, the new one proves that it can make the next."""
    first = site.open().trust
    assert tidegate("keys", "rotate", "me", *WS).code == 0
    assert tidegate("keys", "new", "cy", *WS).code == 0
    now = read_trust(site.root / ".tidegate/trust.json", read_pin(site.root / ".tidegate"))
    assert now.version == 3
    assert now.root_keys != first.root_keys
    root = [row for row in keys(tidegate, "me") if row["root"]]
    assert [row["state"] for row in root] == ["valid"]


def test_the_logs_key_is_rotated_and_the_old_heads_still_verify(
    site: Site, tidegate: Tidegate
) -> None:
    assert tidegate("keys", "rotate", "ledger", *WS).code == 0
    site.admit()
    workspace = site.open()
    old, new = note_keys(workspace.trust, Purpose.LOG)
    assert Note.parse(workspace.log.checkpoint()).verify([old, new])[0].key == new
    size = workspace.log.head.size - 1
    assert Note.parse(workspace.storage.checkpoint(size) or b"").verify([old, new])[0].key == old
    assert tidegate("log", "check", *WS).code == 0
    assert tidegate("doctor", *WS).code == 0


def test_an_interrupted_rotation_can_be_repeated(site: Site, tidegate: Tidegate) -> None:
    """The key is on disk and no version names it: the log still has its key, ana soon has hers."""
    store = site.open().keys
    store.rotate("ana", passphrase=None)
    store.rotate("ledger", passphrase=None)
    assert [row["state"] for row in keys(tidegate, "ana")] == ["valid", "untrusted"]
    assert tidegate("keys", "rotate", "ana", *WS).code == 0
    assert tidegate("keys", "rotate", "ledger", *WS).code == 0
    site.open("ana").act(Quarantine(digest=DIGEST, reason="x"))
    assert tidegate("log", "check", *WS).code == 0


def test_an_interrupted_creation_can_be_repeated(site: Site, tidegate: Tidegate) -> None:
    left = site.open().keys.create("cy", passphrase=None)
    assert tidegate("keys", "new", "cy", *WS).code == 0
    assert [row["keyId"] for row in keys(tidegate, "cy")] == [left.verifier.key_id]


def test_a_releaser_gets_a_key_for_models(site: Site, tidegate: Tidegate) -> None:
    made = tidegate("keys", "models", "me", *WS, "--format", "json").json
    trusted = site.open().trust.entry(made["keyId"])
    assert (trusted.principal, trusted.key.scheme) == ("me", Scheme.P256)
    assert Role.RELEASER in trusted.roles
    assert site.open().keys.current("me-models") == made["keyId"]
    again = tidegate("keys", "models", "me", *WS)
    assert (again.code, "keys rotate me-models" in again.err) == (2, True)
    assert tidegate("keys", "rotate", "me-models", *WS).code == 0


def test_a_key_that_was_made_elsewhere_is_trusted_by_its_public_half(
    site: Site, tidegate: Tidegate, founded: Path
) -> None:
    pem = tidegate("keys", "export", "ana", "-C", founded, "--output", "cy.pem")
    assert pem.code == 0
    other = tidegate("init", "other", "--unsealed", "--principal", "cy=steward")
    assert other.code == 0
    tidegate("keys", "export", "cy", "-C", "other", "--output", "cy.pem")
    assert tidegate("keys", "new", "cy", "--public", "cy.pem", *WS).code == 0
    assert keys(tidegate, "cy")[0]["kept"] == "elsewhere"


def test_export_gives_the_public_half_only(site: Site, tidegate: Tidegate) -> None:
    ran = tidegate("keys", "export", "ana", *WS)
    assert PublicKey.from_pem(ran.out.encode()).key_id == keys(tidegate, "ana")[0]["keyId"]
    assert "PRIVATE" not in ran.out


def test_keys_are_sealed_with_the_workspaces_passphrase_or_one_of_their_own(
    tmp_path: Path, tidegate: Tidegate
) -> None:
    for name in ("all", "own"):
        (tmp_path / name).write_text(f"{name} tide\n")
        (tmp_path / name).chmod(0o600)
    assert tidegate("init", "ws", "--passphrase-file", "all").code == 0
    refused: Ran = tidegate("keys", "new", "ana", *WS)
    assert (refused.code, "TG-ACC/passphrase-needed" in refused.err) == (1, True)
    assert tidegate("keys", "list", *WS).code == 0, "reading needs no passphrase"
    assert tidegate("log", "check", *WS).code == 0
    sealed = ("--passphrase-file", "all")
    assert "sealed" in tidegate("keys", "new", "ana", *WS, *sealed).out
    own = ("--new-passphrase-file", "own")
    assert tidegate("keys", "new", "bo", *WS, *sealed, *own).code == 0
    store = Site(tmp_path / "ws").open().keys
    assert store.load("ana", passphrase=b"all tide").sealed
    assert store.load("bo", passphrase=b"own tide").sealed
    assert not list((tmp_path / "ws").rglob("*.tmp"))
