"""The ledger from the command line: read, proved, checked, exported, witnessed, served."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sites import Site, Tidegate

from tidegate.client import HttpLog
from tidegate.core.identity.trust import Purpose
from tidegate.core.ledger.checkpoint import open_checkpoint
from tidegate.core.verify import note_keys
from tidegate.logbook.export import open_folder

WS = ("-C", "ws")


def change(site: Site, statement: str, *values: object) -> None:
    with sqlite3.connect(site.root / ".tidegate/tidegate.db") as database:
        assert database.execute(statement, values).rowcount == 1


def test_show_tells_what_each_statement_says(site: Site, tidegate: Tidegate) -> None:
    site.admit("a.csv")
    tidegate("quarantine", "add", "ws/a.csv", "--reason", "odd\x1b[31m", *WS)
    shown = tidegate("log", "show", *WS, "--format", "json").json
    assert [(line["kind"], line["state"]) for line in shown["entries"]] == [
        ("genesis", "unsigned"),
        ("trust", "verified"),
        ("attestation", "verified"),
        ("directive", "verified"),
    ]
    assert shown["entries"][2]["says"] == "ingest/admit deny: a.csv"
    text = tidegate("log", "show", *WS, "--from", 2, "--limit", 2).out
    assert "genesis" not in text
    assert "\\x1b[31m" in text, "text from outside is made visible"


@pytest.mark.parametrize(
    ("arguments", "first"),
    [((), 0), (("--limit", 1), 1), (("--from", 1), 1), (("--from", 9), None)],
    ids=["all", "newest", "from", "beyond"],
)
def test_show_pages(
    arguments: tuple[object, ...], first: int | None, site: Site, tidegate: Tidegate
) -> None:
    lines = tidegate("log", "show", *arguments, *WS, "--format", "json").json["entries"]
    assert (lines[0]["index"] if lines else None) == first


DAMAGE = {
    "an envelope is gone": "UPDATE envelope SET bytes = NULL WHERE idx = 1",
    "an envelope was changed": "UPDATE envelope SET bytes = x'00' WHERE idx = 1",
    "an entry was changed": "UPDATE log_entry SET entry = x'7b7d' WHERE idx = 1",
    "an entry is gone": "DELETE FROM log_entry WHERE idx = 1",
    "a head that others saw is gone": "DELETE FROM log_entry WHERE idx = 2",
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_ends_with_5(case: str, site: Site, tidegate: Tidegate) -> None:
    site.admit()
    assert tidegate("log", "check", *WS).code == 0
    change(site, DAMAGE[case])
    assert tidegate("log", "show", *WS).code == 5
    ran = tidegate("log", "check", *WS, "--format", "json")
    assert ran.code == 5
    assert ran.json.get("damages") or ran.json["exitCode"] == 5


def test_check_counts_what_it_read(site: Site, tidegate: Tidegate) -> None:
    found = tidegate("log", "check", *WS, "--format", "json").json
    assert (found["ok"], found["entries"], found["checkpoint"], found["envelopes"]) == (
        True, 2, 2, 1,
    )  # fmt: skip
    assert "whole" in tidegate("log", "check", *WS).out


def test_check_notices_a_log_that_went_back(site: Site, tidegate: Tidegate) -> None:
    tidegate("db", "backup", "old.db", *WS)
    site.admit()
    assert tidegate("log", "check", *WS).code == 0, "from here on this head is remembered"
    for file in (site.root / ".tidegate").glob("tidegate.db*"):
        file.unlink()
    Path("old.db").rename(site.root / ".tidegate/tidegate.db")
    ran = tidegate("log", "check", *WS)
    assert (ran.code, "rollback" in ran.out) == (5, True)


@pytest.mark.parametrize("by", ["index", "artifact", "envelope"])
def test_a_proof_file_verifies_with_the_trust_root_alone(
    by: str, site: Site, tidegate: Tidegate
) -> None:
    digest = site.admit()
    envelope = tidegate("log", "show", *WS, "--format", "json").json["entries"][2]["envelope"]
    named = {"index": "2", "artifact": digest, "envelope": envelope}[by]
    assert tidegate("log", "prove", named, *WS, "--output", "x.tlog-proof").code == 0
    tidegate("trust", "export", "t.json", *WS)
    pin = tidegate("trust", "show", *WS, "--format", "json").json["pin"]
    site.root.rename("elsewhere")
    away = ("--trust", "t.json", "--pin", pin)
    ran = tidegate("log", "verify-proof", "x.tlog-proof", *away, "--format", "json")
    assert (ran.code, ran.json["index"], ran.json["subjects"]) == (0, 2, [digest])
    data = bytearray(Path("x.tlog-proof").read_bytes())
    data[data.index(b"extra ") + 30] ^= 1
    Path("x.tlog-proof").write_bytes(data)
    assert tidegate("log", "verify-proof", "x.tlog-proof", *away).code == 5


@pytest.mark.parametrize(
    ("entry", "code"),
    [("99", 2), ("sha256:" + "0" * 64, 2), ("sha256:0", 2), ("nonsense", 2), ("9" * 40, 2)],
)
def test_what_is_not_in_the_log_is_not_proved(
    entry: str, code: int, site: Site, tidegate: Tidegate
) -> None:
    ran = tidegate("log", "prove", entry, *WS)
    assert (ran.code, ran.out) == (code, "")


def test_head_and_export_verify_as_any_client_would(site: Site, tidegate: Tidegate) -> None:
    head = tidegate("log", "head", *WS).out.encode()
    keys = note_keys(site.open().trust, Purpose.LOG)
    checkpoint = open_checkpoint(head, keys).checkpoint
    assert tidegate("log", "export", "tiles", *WS).code == 0
    assert Path("tiles/checkpoint").read_bytes() == head
    assert len(list(open_folder(Path("tiles"), checkpoint).entries())) == 2
    site.admit()
    assert tidegate("log", "export", "tiles", *WS).code == 0, "it is brought up to date"
    Path("tiles/tile/entries/000.p/3").write_bytes(b"x")
    assert tidegate("log", "export", "tiles", *WS).code == 5


def test_a_witness_cosigns_by_file_and_never_a_shorter_log(site: Site, tidegate: Tidegate) -> None:
    log_key = tidegate("trust", "show", *WS, "--format", "json").json["logKeys"][0]
    made = tidegate("log", "witness", "init", "wit", "--name", "w.example/1", "--unsealed")
    vkey = made.out.split("add-witness")[1].split()[0]
    assert tidegate("log", "cosign", "ws/tidegate.toml", *WS).code == 2, "no witness is trusted yet"
    tidegate("trust", "add-witness", vkey, "--threshold", 1, *WS)
    needs = tidegate("verify", "sha256:" + "0" * 64, *WS)
    assert (needs.code, "too-few-witnesses" in needs.err) == (5, True)
    assert tidegate("log", "cosign", "--request", "ask", *WS).code == 0
    stranger = tidegate("log", "witness", "answer", "wit", "ask", "--output", "lines")
    assert (stranger.code, "404" in stranger.err) == (6, True)
    tidegate("log", "witness", "watch", "wit", log_key)
    assert tidegate("log", "witness", "answer", "wit", "ask", "--output", "lines").code == 0
    assert tidegate("log", "cosign", "lines", *WS).code == 0
    assert "w.example/1" in tidegate("log", "head", *WS).out
    assert tidegate("doctor", *WS).code == 0
    site.admit()
    tidegate("log", "cosign", "--request", "ask", *WS)
    behind = tidegate("log", "witness", "answer", "wit", "ask")
    assert (behind.code, "--old 3" in behind.err) == (6, True)
    tidegate("log", "cosign", "--request", "ask", "--old", 3, *WS)
    assert tidegate("log", "witness", "answer", "wit", "ask", "--output", "lines").code == 0
    assert tidegate("log", "cosign", "lines", *WS).code == 0
    Path("lines").write_text("\N{EM DASH} someone AAAAAAAA\n")
    assert tidegate("log", "cosign", "lines", *WS).code == 5


def test_a_second_witness_is_not_made_over_the_first(tidegate: Tidegate) -> None:
    init = ("log", "witness", "init", "wit", "--name", "w", "--unsealed")
    assert tidegate(*init, "--dry-run").code == 0
    assert not Path("wit").exists()
    assert (tidegate(*init).code, tidegate(*init).code) == (0, 2)
    assert tidegate("log", "witness", "answer", "nowhere", "x").code == 2
    assert tidegate("log", "witness", "init", "x", "--name", "a b", "--unsealed").code == 2
    assert not Path("x").exists()


@pytest.mark.slow
def test_log_and_witness_speak_http(site: Site, tidegate: Tidegate, tmp_path: Path) -> None:
    log_key = tidegate("trust", "show", *WS, "--format", "json").json["logKeys"][0]
    made = tidegate(
        "log", "witness", "init", "wit", "--name", "w.example/1", "--unsealed", "--log", log_key
    )
    vkey = made.out.split("add-witness")[1].split()[0]
    tidegate("trust", "add-witness", vkey, *WS)
    served = [("log", "serve", *WS), ("log", "witness", "serve", "wit")]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tidegate", *arguments, "--listen", "127.0.0.1:0", "--json"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        for arguments in served
    ]  # fmt: skip
    try:
        started = [json.loads(one.stdout.readline()) for one in processes if one.stdout]
        assert [one["serving"] for one in started] == [site.open().origin, "the witness"]
        log, witness = (one["url"] for one in started)
        with HttpLog(log) as remote:
            assert remote.checkpoint() == site.open().log.checkpoint()
        assert tidegate("log", "cosign", witness, *WS).code == 0
        assert "w.example/1" in tidegate("log", "head", *WS).out
        taken = tidegate("log", "serve", *WS, "--listen", log.removeprefix("http://"))
        assert (taken.code, "TG-NET/listen" in taken.err) == (6, True)
    finally:
        for process in processes:
            process.terminate()
            process.communicate(timeout=30)
    assert tidegate("log", "cosign", witness, *WS).code == 6
    assert tidegate("log", "serve", *WS, "--listen", "nowhere").code == 2
