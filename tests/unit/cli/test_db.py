"""Care of the store: copies, moves, rebuilding and erasure, and what is noticed afterwards."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url
from tests.services import KINDS, empty_database
from tests.sites import Site, Tidegate

WS = ("-C", "ws")


def lose(site: Site) -> None:
    for file in (site.root / ".tidegate").glob("tidegate.db*"):
        file.unlink()


def head(tidegate: Tidegate) -> str:
    return tidegate("log", "head", *WS).out


def test_info_says_what_the_store_holds(site: Site, tidegate: Tidegate) -> None:
    found = tidegate("db", "info", *WS, "--format", "json").json
    assert (found["kind"], found["entries"], found["schema"]) == ("sqlite", 2, found["supported"])
    assert found["bytes"] > 0 < found["free"]
    assert "tidegate.db" in tidegate("db", "info", *WS).out


def test_a_backup_is_taken_back_to_where_there_is_none(site: Site, tidegate: Tidegate) -> None:
    site.admit()
    before = head(tidegate)
    assert tidegate("db", "backup", "b.db", *WS, "--dry-run").code == 0
    assert not Path("b.db").exists()
    assert tidegate("db", "backup", "b.db", *WS).code == 0
    assert tidegate("db", "backup", "b.db", *WS).code == 2, "a copy is not overwritten"
    assert tidegate("db", "restore", "b.db", *WS).code == 2, "neither is a store"
    lose(site)
    assert tidegate("log", "show", *WS).code == 6
    assert tidegate("db", "restore", "b.db", *WS, "--dry-run").code == 0
    assert tidegate("db", "restore", "b.db", *WS).code == 0
    assert head(tidegate) == before
    assert tidegate("log", "check", *WS).code == 0


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_leftovers_of_a_former_store_are_not_mixed_in(
    suffix: str, site: Site, tidegate: Tidegate
) -> None:
    tidegate("db", "backup", "b.db", *WS)
    lose(site)
    left = site.root / f".tidegate/tidegate.db{suffix}"
    left.write_bytes(b"of another store")
    ran = tidegate("db", "restore", "b.db", *WS)
    assert (ran.code, "TG-USE/leftover" in ran.err) == (2, True)
    assert left.read_bytes() == b"of another store"


def test_large_envelopes_travel_with_the_copy(site: Site, tidegate: Tidegate) -> None:
    (site.root / "big.csv").write_text("a\n" + "1\n" * 50)
    order_name = "big.csv"
    site.admit(order_name)
    blobs = site.root / ".tidegate/blobs" / site.open().id
    blob = blobs / "sha256" / "ab" / "file"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(b"evidence")
    tidegate("db", "backup", "b.db", *WS)
    lose(site)
    blob.unlink()
    assert tidegate("db", "restore", "b.db", *WS).code == 0
    assert blob.read_bytes() == b"evidence"


def test_a_copy_that_is_behind_is_refused_and_leaves_nothing(
    site: Site, tidegate: Tidegate
) -> None:
    tidegate("db", "backup", "old.db", *WS)
    site.admit()
    assert tidegate("log", "check", *WS).code == 0, "now this client has seen three entries"
    lose(site)
    ran = tidegate("db", "restore", "old.db", *WS)
    assert (ran.code, "TG-LOG/rollback" in ran.err, "--accept-rollback" in ran.err) == (
        5,
        True,
        True,
    )
    assert not list((site.root / ".tidegate").glob("tidegate.db*"))
    accepted = tidegate("db", "restore", "old.db", "--accept-rollback", *WS)
    assert (accepted.code, "1 entries are lost" in accepted.err) == (0, True)
    assert list(Path("state/tidegate/heads").glob("*.fork")), "both heads are kept"
    assert tidegate("log", "check", *WS).code == 0
    assert tidegate("trust", "log-successor", "next", *WS).code == 0


def test_a_copy_of_another_log_is_refused(site: Site, tidegate: Tidegate, tmp_path: Path) -> None:
    assert tidegate("init", "other", "--unsealed").code == 0
    tidegate("db", "backup", "other.db", "-C", "other")
    head(tidegate)
    lose(site)
    ran = tidegate("db", "restore", "other.db", *WS)
    assert (ran.code, "other-workspace" in ran.err) == (2, True)
    assert not list((site.root / ".tidegate").glob("tidegate.db*"))


def test_a_damaged_copy_is_refused(site: Site, tidegate: Tidegate) -> None:
    site.admit()
    tidegate("db", "backup", "b.db", *WS)
    with sqlite3.connect("b.db") as database:
        database.execute("UPDATE log_tile SET hashes = zeroblob(length(hashes))")
    database.close()
    lose(site)
    ran = tidegate("db", "restore", "b.db", *WS)
    assert (ran.code, "TG-LOG/bad-backup" in ran.err) == (5, True)
    Path("b.db").write_text("no database")
    assert tidegate("db", "restore", "b.db", *WS).code == 6
    assert tidegate("db", "restore", "nowhere.db", *WS).code == 2
    assert not list((site.root / ".tidegate").glob("tidegate.db*"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_moves_the_log_to_another_database_with_the_same_head(
    kind: str, site: Site, tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.admit()
    before = head(tidegate)
    assert tidegate("db", "export", "log.jsonl", *WS).code == 0
    assert tidegate("db", "export", *WS).out.encode() == Path("log.jsonl").read_bytes()
    assert tidegate("db", "import", "log.jsonl", *WS).code == 2, "it is there already"
    with empty_database(kind, tmp_path) as url:
        monkeypatch.setenv("TIDEGATE_STORE__URL", url)
        assert tidegate("log", "head", *WS).code == 6
        assert tidegate("db", "upgrade", *WS, "--dry-run").code == 0
        assert tidegate("db", "upgrade", *WS).code == 0
        assert tidegate("db", "import", "log.jsonl", *WS, "--dry-run").code == 0
        ran = tidegate("db", "import", "log.jsonl", *WS)
        assert ran.code == 0
        assert (make_url(url).password or "no password") not in ran.out
        assert head(tidegate) == before
        assert tidegate("log", "check", *WS).code == 0
        assert tidegate("db", "rebuild", *WS).code == 0
        assert tidegate("db", "info", *WS).code == 0
        assert tidegate("db", "backup", "x.db", *WS).code == (0 if kind == "sqlite" else 2)
        site.admit("more.csv")


BAD_EXPORTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "cut off": lambda lines: lines[:-1],
    "a line is gone": lambda lines: [*lines[:2], *lines[3:]],
    "a line was changed": lambda lines: [*lines[:2], lines[1], *lines[3:]],
    "another workspace's": lambda lines: [lines[0].replace(b'"workspace":"', b'"workspace":"x')],
    "no export": lambda _: [b"hello\n"],
    "empty": lambda _: [],
}


@pytest.mark.parametrize("case", BAD_EXPORTS)
def test_a_bad_export_writes_nothing(case: str, site: Site, tidegate: Tidegate) -> None:
    site.admit()
    tidegate("db", "export", "log.jsonl", *WS)
    lines = Path("log.jsonl").read_bytes().splitlines(keepends=True)
    Path("log.jsonl").write_bytes(b"".join(BAD_EXPORTS[case](lines)))
    lose(site)
    tidegate("db", "upgrade", *WS)
    assert tidegate("db", "import", "log.jsonl", *WS).code in {2, 5}
    assert tidegate("db", "info", *WS, "--format", "json").json["entries"] == 0


def test_an_export_that_is_behind_is_refused(site: Site, tidegate: Tidegate) -> None:
    tidegate("db", "export", "old.jsonl", *WS)
    site.admit()
    tidegate("log", "check", *WS)
    lose(site)
    tidegate("db", "upgrade", *WS)
    ran = tidegate("db", "import", "old.jsonl", *WS)
    assert (ran.code, "TG-LOG/rollback" in ran.err) == (5, True)


def test_rebuild_gives_what_was_there_or_says_that_it_does_not(
    site: Site, tidegate: Tidegate
) -> None:
    site.admit()
    tidegate("quarantine", "add", "ws/data.csv", "--reason", "x", *WS)
    ran = tidegate("db", "rebuild", *WS, "--format", "json")
    assert (ran.code, ran.json["equal"], ran.json["entries"], ran.json["unknown"]) == (
        0, True, 4, 0,
    )  # fmt: skip
    with sqlite3.connect(site.root / ".tidegate/tidegate.db") as database:
        database.execute("UPDATE attestation SET outcome = 'allow' WHERE outcome <> ''")
    changed = tidegate("db", "rebuild", *WS)
    assert (changed.code, "NOT equal" in changed.out) == (5, True)
    assert tidegate("db", "rebuild", *WS).code == 0


WHY = (*WS, "--reason", "the right to be forgotten, case 7")


def test_erased_bytes_are_gone_and_their_absence_is_no_damage(
    site: Site, tidegate: Tidegate
) -> None:
    site.admit()
    line = tidegate("log", "show", *WS, "--format", "json").json["entries"][2]
    envelope = line["envelope"]
    assert tidegate("db", "shred", envelope, *WHY).code == 2, "not without --yes"
    dry = tidegate("db", "shred", envelope, *WHY, "--dry-run")
    assert (dry.code, "log 2" in dry.out) == (0, True)
    assert tidegate("db", "shred", envelope, "--yes", *WHY).code == 0
    assert tidegate("log", "show", *WS, "--format", "json").json["entries"][2]["state"] == "erased"
    assert tidegate("log", "check", *WS, "--format", "json").json["erased"] == 1
    assert (
        tidegate("log", "show", *WS, "--format", "json").json["entries"][-1]["kind"] == "directive"
    )
    assert tidegate("db", "rebuild", *WS).code == 0
    assert tidegate("db", "shred", "sha256:" + "0" * 64, "--yes", *WHY).code == 2


@pytest.mark.parametrize(
    "arguments",
    [("info",), ("backup", "x"), ("restore", "x"), ("upgrade",), ("rebuild",), ("export", "x")],
    ids=lambda one: one[0],
)
def test_without_a_workspace_there_is_nothing_to_care_for(
    arguments: tuple[str, ...], tidegate: Tidegate
) -> None:
    ran = tidegate("db", *arguments, "-C", ".")
    assert (ran.code, "tidegate init" in ran.err) == (2, True)
    assert not Path(".tidegate").exists()


def test_a_newer_schema_is_refused_by_upgrade_too(site: Site, tidegate: Tidegate) -> None:
    with sqlite3.connect(site.root / ".tidegate/tidegate.db") as database:
        database.execute("UPDATE tidegate_schema SET version_num = '0099'")
    assert tidegate("db", "upgrade", *WS).code == 6
    ran = tidegate("db", "info", *WS)
    assert (ran.code, "newer-schema" in ran.err) == (6, True)
