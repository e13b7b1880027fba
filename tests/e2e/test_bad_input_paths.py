"""Wrong paths, wrong names and empty folders, for each command that takes one."""

from pathlib import Path

import pytest
from tests.e2e.refusals import Case, refused, table
from tests.e2e.running import Cli
from tests.sites import Site

_WS = "-C ws"
_SETS = "--set a=data.csv --set b=other.csv --label-column b"
_FILE, _PATH, _NAME = "TG-SUB/no-such-file", "TG-SUB/no-such-path", "TG-SUB/no-such-artifact"
_NOTHING, _OUTPUT = "TG-SUB/empty-folder", "TG-USE/output"


@pytest.fixture(autouse=True)
def things(site: Site, tmp_path: Path) -> None:
    """What lies in the folder beside the workspace ``ws``."""
    (tmp_path / "data.csv").write_text("a,b\n1,0\n2,1\n")
    (tmp_path / "other.csv").write_text("a,b\n3,0\n4,1\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "head.csv").write_text("a,b\n")


@table(
    Case("scan nope", 2, _FILE, "nope"),
    Case("init data.csv/ws --unsealed", 2, "TG-SUB/path", "data.csv"),
    Case("demo data.csv/x", 2, "TG-SUB/path", "data.csv"),
    Case("config check -C nope", 2, "TG-USE/no-such-folder", "nope"),
    Case("config show -C nope", 2, "TG-USE/no-such-folder", "nope"),
    Case(f"ingest admit nope {_WS}", 2, _PATH, "nope"),
    Case(f"ingest admit data.csv --schema nope {_WS}", 2, "TG-USE/bad-schema-file", "nope"),
    Case(f"prepare run --input a=nope --output out {_WS} -- true", 2, _PATH, "nope"),
    Case(f"train run --input a=nope --output out {_WS} -- true", 2, _PATH, "nope"),
    Case(f"validate run --model nope {_SETS} {_WS} -- true", 2, _PATH, "nope"),
    Case(
        f"validate run --model data.csv --set a=nope.csv --set b=data.csv --label-column b {_WS}"
        " -- true", 2, _PATH, "nope.csv",
    ),
    Case(f"registry admit nope --name m --version 1 {_WS}", 2, _PATH, "nope"),
    Case(f"serve check nope --deployed-as m/prod {_WS}", 2, _PATH, "nope"),
    Case("serve gateway events nope", 2, "TG-SUB/no-spool", "nope"),
    Case("serve gateway key acme --file nope/keys", 2, "TG-USE/key-file", "nope"),
    Case(f"monitor run --model m/prod --reference nope --window data.csv {_WS}", 2, _NAME,
         "m/prod"),
    Case("monitor profile nope.csv --output p.json", 2, _PATH, "nope"),
    Case("monitor profile nope --output p.json", 2, _PATH, "nope"),
    Case(f"verify nope {_WS}", 2, _NAME, "nope"),
    Case("verify --evidence nope data.csv", 2, _FILE, "nope"),
    Case("verify nope --trust nope", 2, _FILE, "nope"),
    Case(f"log verify-proof nope {_WS}", 2, _FILE, "nope"),
    Case("log verify-proof data.csv --trust nope", 2, _FILE, "nope"),
    Case(f"log export data.csv {_WS}", 2, "TG-USE/not-a-folder", "data.csv"),
    Case(f"log cosign nope {_WS}", 2, _FILE, "nope"),
    Case("log witness watch nope k", 2, "TG-USE/no-witness-folder", "nope"),
    Case("log witness answer nope nope", 2, "TG-USE/no-witness-folder", "nope"),
    Case("log witness init data.csv --name w.example/1 --unsealed", 2, "TG-USE/not-a-folder",
         "data.csv"),
    Case(f"graph trace nope {_WS}", 2, _NAME, "nope"),
    Case(f"graph taint nope {_WS}", 2, _NAME, "nope"),
    Case(f"evidence export nope {_WS}", 2, _NAME, "nope"),
    Case(f"keys new cy --public nope {_WS}", 2, _FILE, "nope"),
    Case("policy check nope", 2, "TG-POL/unreadable", "nope"),
    Case("policy test nope", 2, "TG-POL/unreadable", "nope"),
    Case(f"policy sign nope {_WS}", 2, "TG-POL/unreadable", "nope"),
    Case(f"policy what-if nope {_WS}", 2, "TG-POL/unreadable", "nope"),
    Case(f"approve nope --for ingest/admit --reason x {_WS}", 2, _NAME, "nope"),
    Case(f"waive grant TG-ING-02 --scope nope --reason x --owner o {_WS}", 2, _NAME, "nope"),
    Case(f"quarantine add nope --reason x {_WS}", 2, _NAME, "nope"),
    Case(f"quarantine release nope --reason x {_WS}", 2, _NAME, "nope"),
    Case(f"db restore nope {_WS}", 2, "TG-USE/exists", "tidegate.db"),
    Case(f"db import nope {_WS}", 2, "TG-SUB/unreadable", "nope"),
)  # fmt: skip
def test_a_wrong_path_is_refused(case: Case, cli: Cli) -> None:
    refused(cli, case)


@table(
    Case(f"log head --output nope/head {_WS}", 2, _OUTPUT, "nope/head"),
    Case(f"log prove 0 --output empty {_WS}", 2, _OUTPUT, "empty"),
    Case(f"graph draw nope/x.svg {_WS}", 2, _OUTPUT, "nope/x.svg"),
    Case(f"graph draw empty {_WS}", 2, _OUTPUT, "empty"),
    Case(f"keys export me --output nope/k.pem {_WS}", 2, _OUTPUT, "nope/k.pem"),
    Case(f"evidence export ws/data.csv --output nope/e {_WS}", 2, _OUTPUT, "nope/e"),
    Case(f"trust export nope/trust.json {_WS}", 2, _OUTPUT, "nope/trust.json"),
    Case(f"trust export empty {_WS}", 2, _OUTPUT, "empty"),
    Case("scan data.csv --format sarif --output nope/x", 2, _OUTPUT, "nope/x"),
    Case("scan data.csv --format sarif --output a --output b", 2, _OUTPUT, "--output", json=False),
    Case("scan data.csv --format text --format markdown", 2, _OUTPUT, "one place"),
    Case(f"trust log-successor ws {_WS}", 2, "TG-USE/exists", "ws"),
    Case(f"db backup empty {_WS}", 2, "TG-USE/exists", "empty"),
    Case(f"db backup nope/b.db {_WS}", 2, _OUTPUT, "nope/b.db"),
    Case(f"db export nope/e {_WS}", 2, _OUTPUT, "nope/e"),
    Case(f"db export empty {_WS}", 2, _OUTPUT, "empty"),
)
def test_a_place_that_cannot_be_written_keeps_what_it_had(case: Case, cli: Cli) -> None:
    refused(cli, case)


@table(
    Case(f"ingest admit empty {_WS}", 3, _NOTHING, "empty"),
    Case(f"ingest admit empty.csv {_WS}", 3, "TG-SUB/empty-file", "empty.csv"),
    Case("monitor profile empty.csv --output p.json", 3, "TG-SUB/empty-file", "empty.csv"),
    Case("monitor profile head.csv --output p.json", 3, "TG-SUB/empty-table", "head.csv"),
    Case(f"prepare run --input a=empty --output out {_WS} -- true", 3, _NOTHING, "empty"),
    Case(f"train run --input a=empty --output out {_WS} -- true", 3, _NOTHING, "empty"),
    Case(f"validate run --model empty {_SETS} {_WS} -- true", 3, _NOTHING, "empty"),
    Case(f"registry admit empty --name m --version 1 {_WS}", 3, _NOTHING, "empty"),
    Case(f"serve check empty --deployed-as m/prod {_WS}", 3, _NOTHING, "empty"),
    Case(f"verify empty {_WS}", 3, _NOTHING, "empty"),
    Case(f"graph trace empty {_WS}", 3, _NOTHING, "empty"),
    Case(f"evidence export empty {_WS}", 3, _NOTHING, "empty"),
    Case(f"approve empty --for ingest/admit --reason x {_WS}", 3, _NOTHING, "empty"),
    Case(f"quarantine add empty --reason x {_WS}", 3, _NOTHING, "empty"),
    Case("verify --evidence empty data.csv", 2, _FILE, "empty"),
    Case(f"log verify-proof empty {_WS}", 2, _FILE, "empty"),
    Case(f"log cosign empty {_WS}", 2, _FILE, "empty"),
    Case("log witness watch empty key", 2, "TG-USE/no-witness-folder", "empty"),
    Case(f"keys new cy --public empty {_WS}", 2, _FILE, "empty"),
    Case("policy check empty", 2, "TG-POL/unreadable", "empty"),
    Case("policy check empty.csv", 2, "TG-POL/missing-key", "empty.csv"),
    Case(f"db import empty {_WS}", 2, "TG-SUB/unreadable", "empty"),
)
def test_an_empty_folder_or_file_is_no_pass(case: Case, cli: Cli) -> None:
    refused(cli, case)


@pytest.mark.parametrize("line", ["scan empty", "serve gateway events empty"])
def test_a_report_of_nothing_exits_with_3(line: str, cli: Cli) -> None:
    ran = cli(*line.split())
    assert (ran.code, ran.err) == (3, ""), ran
    assert "ALLOW" not in ran.out


@table(
    Case("nope", 2, "TG-USE/unknown-command", "nope"),
    Case("--nope", 2, "TG-USE/arguments", "--nope"),
    Case("scan data.csv --nope", 2, "TG-USE/arguments", "--nope"),
    Case("scan data.csv --fail-on nope", 2, "TG-USE/arguments", "--fail-on"),
    Case("scan data.csv --time-limit 5", 2, "TG-USE/bad-duration", "--time-limit"),
    Case("explain TG-NOPE", 2, "TG-USE/unknown-id", "TG-NOPE"),
    Case("completion csh", 2, "TG-USE/arguments", "csh", json=False),
    Case("drill run nope --dry-run", 2, "TG-USE/no-such-drill", "nope"),
    Case(f"log prove 99 {_WS}", 2, "TG-SUB/no-such-entry", "99"),
    Case(f"log prove nope {_WS}", 2, "TG-SUB/bad-digest", "nope"),
    Case(f"policy explain 99 {_WS}", 2, "TG-SUB/no-such-entry", "99"),
    Case(f"policy explain 0 {_WS}", 2, "TG-SUB/no-decision", "0"),
    Case(f"keys export nobody {_WS}", 2, "TG-USE/no-such-key", "nobody"),
    Case(f"keys rotate nobody {_WS}", 2, "TG-USE/no-key", "nobody"),
    Case(f"keys models nobody {_WS}", 2, "TG-USE/not-a-releaser", "nobody"),
    Case(f"trust revoke nobody --from 0 --reason x {_WS}", 2, "TG-USE/no-such-key", "nobody"),
    Case(f"trust add-witness nope {_WS}", 2, "TG-USE/bad-vkey", "nope"),
    Case(f"registry promote m --stage prod --model data.csv {_WS}", 2, "TG-USE/bad-name", "m"),
    Case(f"registry promote m@1 --stage prod --model nope {_WS}", 2, "TG-SUB/not-admitted", "m@1"),
    Case(f"registry rollback m/prod --to 1 --reason x {_WS}", 2, "TG-SUB/not-in-history", "m/prod"),
    Case(f"serve gateway m/prod --release data.csv {_WS}", 2, _NAME, "m/prod"),
    Case(f"db shred nope --reason x {_WS}", 2, "TG-SUB/bad-digest", "nope"),
    Case(f"waive grant TG-NOP-01 --reason x --owner o {_WS}", 2, "TG-USE/unknown-control",
         "TG-NOP-01"),
    Case(f"waive grant TG-ING-02 --reason x --owner o --expires-in 99d {_WS}", 2,
         "TG-USE/waiver-term", "99d"),
    Case(f"approve data.csv --for ingests/admit --reason x {_WS}", 2, "TG-USE/unknown-gate",
         "ingests"),
    Case(f"approve data.csv --for ingest/admit --reason '' {_WS}", 2, "TG-USE/arguments",
         "--reason"),
)  # fmt: skip
def test_a_wrong_word_is_refused(case: Case, cli: Cli) -> None:
    refused(cli, case)


@table(
    Case(f"waive retract waiver-99 --reason x {_WS}", 2, "TG-USE/no-effect", "waiver-99"),
    Case(f"approve waiver-99 --for waive --reason x {_WS}", 2, "TG-USE/no-effect", "waiver-99"),
    Case(f"approve data.csv --for ingest/admit --retract --reason x {_WS}", 2, "TG-USE/no-effect",
         "sha256:"),
    Case(f"quarantine release data.csv --reason x {_WS}", 2, "TG-USE/no-effect", "sha256:"),
    Case(f"trust reinstate ana --reason x {_WS}", 2, "TG-USE/no-effect", "reinstate-key"),
    Case(f"ingest source remove nope {_WS}", 2, "TG-USE/no-such-source", "nope"),
)  # fmt: skip
def test_an_act_without_effect_is_not_signed(case: Case, cli: Cli) -> None:
    refused(cli, Case(case.line, case.code, case.error, case.says))
