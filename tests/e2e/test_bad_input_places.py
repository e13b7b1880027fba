"""No workspace, a second one, a store that can't be used, and configuration that is not known."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.refusals import Case, contents, refused, table
from tests.e2e.running import Cli
from tests.sites import Site

_WS = "-C ws"
_NONE = "TG-USE/no-workspace"


@pytest.fixture(autouse=True)
def things(site: Site, tmp_path: Path) -> None:
    """What lies in the folder beside the workspace ``ws``."""
    (tmp_path / "data.csv").write_text("a,b\n1,0\n2,1\n")
    (tmp_path / "bare").mkdir()


_COMMANDS = """
ingest admit data.csv
prepare run --input a=data.csv --output out -- true
train run --input a=data.csv --output out -- true
validate run --model data.csv --set a=data.csv --set b=data.csv --label-column b -- true
registry admit data.csv --name m --version 1
registry promote m@1 --stage prod --model data.csv
serve check data.csv --deployed-as m/prod
monitor run --model m/prod --reference data.csv --window data.csv
verify data.csv
log show
log check
log verify-proof data.csv
graph trace data.csv
graph taint data.csv
keys list
keys new cy
keys rotate me
trust show
policy show
policy test
policy what-if default
policy explain 2
db info
db rebuild
doctor
ingest source list
ingest source add s --tier web --owner o
registry list
registry rollback m/prod --to 1 --reason x
serve gateway m/prod --release data.csv
log head
log prove 0
log export out
log cosign
log serve
graph draw x.svg
evidence export data.csv
keys export me
trust pull
trust export t.json
trust revoke me --from 0 --reason x
trust log-successor next
approve data.csv --for ingest/admit --reason x
waive list
waive grant TG-ING-02 --reason x --owner o
quarantine list
quarantine add data.csv --reason x
db upgrade
db backup b.db
db restore data.csv
db export out
db import data.csv
"""


def _in_bare(lines: str) -> list[Case]:
    found = []
    for line in lines.strip().splitlines():
        before, dashes, command = line.partition(" -- ")
        found.append(Case(f"{before} -C bare{dashes}{command}", 2, _NONE, "bare"))
    return found


@table(*_in_bare(_COMMANDS))
def test_without_a_workspace_a_command_says_how_to_begin_one(case: Case, cli: Cli) -> None:
    refused(cli, case)


@table(
    Case("init ws --unsealed", 2, "TG-USE/workspace-exists", "ws"),
    Case("init new --unsealed --principal a=king", 2, "TG-USE/bad-role", "a=king"),
    Case("init new --unsealed --principal 'a b'", 2, "TG-USE/bad-principal", "a b"),
    Case("init new --unsealed --principal a --principal a", 2, "TG-USE/key-exists", "a"),
)  # fmt: skip
def test_a_workspace_is_not_begun_twice_nor_half(case: Case, cli: Cli) -> None:
    refused(cli, case)


def _schema(version: str) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        with sqlite3.connect(store) as connection:
            connection.execute("UPDATE tidegate_schema SET version_num = ?", (version,))
        connection.close()

    return change


def _foreign(store: Path) -> None:
    store.unlink()
    with sqlite3.connect(store) as connection:
        connection.execute("CREATE TABLE shop (id INTEGER)")
    connection.close()


STORES: dict[str, tuple[Callable[[Path], object], str, int, str]] = {
    "of a newer schema": (_schema("9999"), "TG-STO/newer-schema", 6, "release that wrote it"),
    "of an older schema": (_schema("0000"), "TG-STO/old-schema", 6, "db upgrade"),
    "of another program": (_foreign, "TG-STO/foreign-database", 6, "path"),
    "that is no database": (lambda store: store.write_bytes(b"%PDF-1.7" * 900),
                            "TG-STO/not-a-database", 6, "restore"),
    "that is cut off": (lambda store: store.write_bytes(store.read_bytes()[:20_000]),
                        "TG-STO/damaged", 6, "restore"),
    "that is gone": (Path.unlink, "TG-STO/missing", 6, "path"),
}  # fmt: skip
_USES = (
    "log show -C ws",
    "ingest admit data.csv -C ws",
    "approve data.csv --for ingest/admit --reason x -C ws",
    "verify data.csv -C ws",
    "keys new cy -C ws",
    "db export out -C ws",
)


@pytest.mark.parametrize("kind", STORES)
def test_a_store_that_cannot_be_used_is_left_as_it_is(kind: str, site: Site, cli: Cli) -> None:
    spoil, error, code, step = STORES[kind]
    store = site.root / ".tidegate/tidegate.db"
    for suffix in ("-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
    spoil(store)
    for line in _USES:
        ran = refused(cli, Case(line, code, error, "tidegate.db"))
        assert step in ran.part("next"), ran
    doctor = cli("doctor", "-C", "ws", "--format", "json")
    assert doctor.code == 1, doctor
    assert doctor.json["ok"] is False


def test_a_newer_store_is_neither_upgraded_nor_copied_back(site: Site, cli: Cli) -> None:
    store = site.root / ".tidegate/tidegate.db"
    assert cli("db", "backup", "copy.db", "-C", "ws").code == 0
    _schema("9999")(store)
    refused(cli, Case("db upgrade -C ws", 6, "TG-STO/newer-schema", "tidegate.db"))
    shutil.move(store, cli.folder / "away.db")
    _schema("9999")(cli.folder / "copy.db")
    refused(cli, Case("db restore copy.db -C ws", 6, "TG-STO/newer-schema", "copy.db"))
    (cli.folder / "junk.db").write_bytes(b"junk" * 5_000)
    junk = Case("db restore junk.db -C ws", 6, "TG-STO/not-a-database", "junk.db")
    refused(cli, junk)


CONFIGURATIONS = {
    '[store]\nurll = "x"': ("TG-CFG/unknown-key", "store.urll", "'url'"),
    '[stor]\nurl = "x"': ("TG-CFG/unknown-key", "stor", "'store'"),
    "[store": ("TG-CFG/syntax", "tidegate.toml:11", "config check"),
    '[policy]\nmode = "no"': ("TG-CFG/bad-value", "policy.mode", "schema"),
    "[sandbox]\ncpu_seconds = -1": ("TG-CFG/bad-value", "sandbox.cpu_seconds", "schema"),
    '[store]\nurl = "mysql://ann:hunter2@db/x"': ("TG-CFG/bad-store-url", "store.url", "sqlite"),
}
_READ = ("log show -C ws", "keys list -C ws", "ingest admit data.csv -C ws")


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configuration_that_is_not_understood_is_refused_with_its_line(
    text: str, site: Site, cli: Cli
) -> None:
    error, says, step = CONFIGURATIONS[text]
    with (site.root / "tidegate.toml").open("a") as file:
        file.write(f"\n{text}\n")
    lines = _READ if "bad-store" in error else (*_READ, "config check -C ws", "doctor -C ws")
    for line in lines:
        ran = refused(cli, Case(line, 2, error, says))
        assert step in ran.part("next"), ran
        assert "hunter2" not in ran.err


def test_a_policy_that_is_not_there_decides_nothing(site: Site, cli: Cli) -> None:
    with (site.root / "tidegate.toml").open("a") as file:
        file.write('\n[policy]\nbundle = "nope.toml"\n')
    for line in ("ingest admit data.csv -C ws", "policy show -C ws"):
        refused(cli, Case(line, 2, "TG-POL/unreadable", "nope.toml"))


VARIABLES = {
    "TIDEGATE_STOR__URL": ("x", "TG-CFG/unknown-variable", "TIDEGATE_STORE__URL"),
    "TIDEGATE_POLICY_MODE": ("warn", "TG-CFG/unknown-variable", "TIDEGATE_POLICY__MODE"),
    "TIDEGATE_SANDBOX__CPU_SECONDS": ("many", "TG-CFG/bad-value", "unset"),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_a_misspelt_variable_is_refused(name: str, site: Site, cli: Cli) -> None:
    text, error, step = VARIABLES[name]
    given = cli.given(**{name: text})
    for line in (*_READ, "config check -C ws", "doctor -C ws"):
        ran = refused(given, Case(line, 2, error, name))
        assert step in ran.part("next"), ran
    refused(given, Case("init new --unsealed", 2, error, name))


def test_a_variable_counts_from_the_first_command_on(cli: Cli) -> None:
    """A store that was named in the environment is where `init` makes it."""
    elsewhere = cli.folder / "elsewhere.db"
    given = cli.given(TIDEGATE_STORE__URL=f"sqlite:///{elsewhere}")
    assert given("init", "new", "--unsealed").code == 0
    assert elsewhere.exists()
    assert not (cli.folder / "new/.tidegate/tidegate.db").exists()
    before = contents(cli.folder)
    assert given("log", "check", "-C", "new").code == 0
    assert contents(cli.folder) == before
