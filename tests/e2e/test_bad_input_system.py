"""What the system refuses: files that may not be read, a full disk, Ctrl-C, a reader that left."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.e2e.refusals import Case, refused, table
from tests.e2e.running import Cli, Ran, Running
from tests.sites import Site

_WS = "-C ws"
_CLOSED = "TG-SUB/unreadable"
_PICKLE = b"\x80\x04K\x01."


@pytest.fixture
def owner(stranger: Cli) -> Iterator[Cli]:
    """A user without privileges, a workspace, and files that not even their owner may read."""
    assert stranger("init", "ws", "--unsealed").code == 0
    assert stranger("quarantine", "list", "-C", "ws").code == 0
    folder = stranger.folder
    (folder / "data.csv").write_text("a,b\n1,0\n2,1\n")
    (folder / "closed.csv").write_text("a,b\n1,0\n")
    (folder / "closed").mkdir()
    (folder / "half").mkdir()
    (folder / "half/a.pkl").write_bytes(_PICKLE)
    (folder / "half/b.pkl").write_bytes(_PICKLE)
    for name in ("closed.csv", "closed", "half/b.pkl"):
        (folder / name).chmod(0)
    yield stranger
    (folder / "closed").chmod(0o700)


_SETS = "--set a=data.csv --set b=closed.csv --label-column b"


@table(
    Case(f"ingest admit closed.csv {_WS}", 4, _CLOSED, "closed.csv"),
    Case(f"ingest admit closed {_WS}", 4, _CLOSED, "closed"),
    Case(f"ingest admit half {_WS}", 4, _CLOSED, "b.pkl"),
    Case(f"ingest admit data.csv --schema closed.csv {_WS}", 2, "TG-USE/bad-schema-file",
         "closed.csv"),
    Case(f"prepare run --input a=closed.csv --output out {_WS} -- true", 4, _CLOSED, "closed.csv"),
    Case(f"train run --input a=closed.csv --output out {_WS} -- true", 4, _CLOSED, "closed.csv"),
    Case(f"validate run --model closed.csv {_SETS} {_WS} -- true", 4, _CLOSED, "closed.csv"),
    Case(f"validate run --model data.csv {_SETS} {_WS} -- true", 4, _CLOSED, "closed.csv"),
    Case(f"registry admit half --name m --version 1 {_WS}", 4, _CLOSED, "b.pkl"),
    Case(f"serve check closed.csv --deployed-as m/prod {_WS}", 4, _CLOSED, "closed.csv"),
    Case("serve gateway events closed", 2, "TG-SUB/no-spool", "closed"),
    Case("serve gateway key acme --file closed/k", 2, "TG-USE/key-file", "closed/k"),
    Case("monitor profile closed.csv --output p.json", 4, _CLOSED, "closed.csv"),
    Case(f"verify closed.csv {_WS}", 4, _CLOSED, "closed.csv"),
    Case("verify --evidence closed.csv data.csv", 4, _CLOSED, "closed.csv"),
    Case(f"log verify-proof closed.csv {_WS}", 4, _CLOSED, "closed.csv"),
    Case(f"log cosign closed.csv {_WS}", 4, _CLOSED, "closed.csv"),
    Case(f"graph taint closed {_WS}", 4, _CLOSED, "closed"),
    Case(f"evidence export closed.csv {_WS}", 4, _CLOSED, "closed.csv"),
    Case(f"approve closed.csv --for ingest/admit --reason x {_WS}", 4, _CLOSED, "closed.csv"),
    Case(f"quarantine add half --reason x {_WS}", 4, _CLOSED, "b.pkl"),
    Case(f"keys new cy --public closed.csv {_WS}", 4, _CLOSED, "closed.csv"),
    Case("policy check closed.csv", 2, "TG-POL/unreadable", "closed.csv"),
    Case(f"db import closed.csv {_WS}", 2, _CLOSED, "closed.csv"),
    Case(f"approve data.csv --for ingest/admit --reason x --passphrase-file closed.csv {_WS}", 1,
         "TG-ACC/passphrase", "closed.csv"),
    Case("scan data.csv --format sarif --output closed/s", 2, "TG-USE/output", "closed/s"),
    Case(f"trust export closed/t {_WS}", 2, "TG-USE/output", "closed/t"),
    Case(f"log export closed {_WS}", 6, "TG-STO/read", "closed"),
    Case(f"db backup closed/b.db {_WS}", 2, "TG-SUB/path", "closed/b.db"),
    Case("init closed/ws --unsealed", 2, "TG-SUB/path", "closed"),
    Case("demo closed/d", 2, "TG-SUB/path", "closed"),
)  # fmt: skip
def test_what_may_not_be_read_or_written_is_named(case: Case, owner: Cli) -> None:
    refused(owner, case)


@pytest.mark.parametrize("name", ["closed.csv", "closed", "half"])
def test_what_a_scan_could_not_read_is_not_clean(name: str, owner: Cli) -> None:
    ran = owner("scan", name)
    assert ran.code == 4, ran
    assert "Traceback" not in ran.err


HOMES: dict[str, tuple[str, int, int, str, str]] = {
    "the configuration": ("tidegate.toml", 0, 2, "TG-CFG/unreadable", "tidegate.toml"),
    "the store": (".tidegate/tidegate.db", 0, 6, "TG-STO/gone", "tidegate.db"),
    "the trust root": (".tidegate/trust.json", 0, 5, "TG-VER/no-trust-root", "trust.json"),
    "the pin": (".tidegate/trust-anchor", 0, 5, "TG-VER/no-anchor", "trust-anchor"),
    "the home": (".tidegate", 0, 2, "TG-SUB/path", ".tidegate"),
    "the keys": (".tidegate/keys", 0, 2, "TG-SUB/path", "keys"),
}


@pytest.mark.parametrize("what", HOMES)
def test_a_workspace_that_is_closed_to_this_user_is_left_alone(what: str, owner: Cli) -> None:
    name, mode, code, error, says = HOMES[what]
    path = owner.folder / "ws" / name
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        refused(owner, Case(f"ingest admit data.csv {_WS}", code, error, says))
    finally:
        path.chmod(before)
    assert owner("log", "check", "-C", "ws").code == 0


def test_a_store_that_may_only_be_read_takes_nothing(owner: Cli) -> None:
    home = owner.folder / "ws/.tidegate"
    (home / "tidegate.db").chmod(0o400)
    home.chmod(0o500)
    line = f"approve data.csv --for ingest/admit --reason x {_WS}"
    refused(owner, Case(line, 6, "TG-STO/read-only", "tidegate.db"))


_FULL = """\
set -e
mount -t tmpfs -o size=6m none "$1"
cp -a "$2/." "$1/"
cd "$1"
dd if=/dev/zero of=ballast bs=4k 2>/dev/null || true
number=0
while read -r line; do
    number=$((number + 1))
    code=0
    "$3" -m tidegate $line > "$4/$number.out" 2> "$4/$number.err" || code=$?
    echo $code > "$4/$number.code"
done < "$4/lines"
rm ballast
"$3" -m tidegate log check -C ws > "$4/check"
find . -name '*.part' -o -name '*.tmp' -o -name '.*.??????*' > "$4/left"
ls -d new > "$4/new" 2>/dev/null || true
"""
_LINES = (
    "approve data.csv --for ingest/admit --reason x -C ws",
    "keys new cy --unsealed -C ws",
    "evidence export ws/data.csv --output e.json -C ws",
    "init new --unsealed",
)


def test_a_full_disk_stops_each_command_and_costs_nothing(
    site: Site, cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On a small file system of its own, in a private mount namespace."""
    (cli.folder / "data.csv").write_text("a,b\n1,0\n")
    disk, told = tmp_path_factory.mktemp("disk"), tmp_path_factory.mktemp("told")
    (told / "lines").write_text("".join(f"{line}\n" for line in _LINES))
    size = site.open().log.head.size
    for flags in ("-m", "-Urm"):
        done = subprocess.run(
            ["unshare", flags, "sh", "-c", _FULL, "sh", disk, cli.folder, sys.executable, told],
            env=cli.given(TMPDIR=str(disk)).environ(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    for number, line in enumerate(_LINES, 1):
        out, err, code = (
            (told / f"{number}.{kind}").read_text() for kind in ("out", "err", "code")
        )
        ran = Ran(tuple(line.split()), int(code), out, err)
        assert (ran.code, ran.part("error").split("/")[0]) == (6, "TG-STO"), ran
        assert ran.part("next"), ran
        assert len(err.splitlines()) <= 12, ran
    assert f"{size}, 0 of them unknown" in (told / "check").read_text()
    assert (told / "left").read_text() == ""
    assert (told / "new").read_text() == ""


def _until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < end, "the command did not get so far"
        time.sleep(0.005)


def _interrupted(ran: Ran) -> None:
    assert ran.code == 130, ran
    assert ran.err.splitlines() == ["interrupted; run the same command again to go on"], ran
    assert ran.out == "", ran


def _caught(begin: Callable[[], Running]) -> tuple[Ran, int]:
    """Interrupt a command at work, however fast this machine is; tell how often it was faster."""
    for finished, pause in enumerate((0.4, 0.2, 0.1, 0.05, 0.025)):
        running = begin()
        time.sleep(pause)
        ran = running.interrupt()
        if ran.code == 130:
            return ran, finished
    pytest.fail(f"never caught at work: {ran}")


def test_an_interrupted_init_leaves_nothing(cli: Cli) -> None:
    secret = cli.folder / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    people = [word for name in "abcdefgh" for word in ("--principal", name)]
    running = cli.start("init", "ws", *people, "--passphrase-file", "secret")
    _until((cli.folder / "ws/.tidegate/keys/a").exists)
    _interrupted(running.interrupt())
    assert sorted(path.name for path in cli.folder.iterdir()) == ["secret"]
    assert cli("init", "ws", "--unsealed").code == 0


def test_an_interrupted_admission_logs_nothing_and_can_be_repeated(site: Site, cli: Cli) -> None:
    rows = "".join(f"{n},{n * n % 97},{n % 2}\n" for n in range(400_000))
    (cli.folder / "big.csv").write_text(f"a,b,c\n{rows}")
    size = site.open().log.head.size
    ran, finished = _caught(lambda: cli.start("ingest", "admit", "big.csv", "-C", "ws"))
    _interrupted(ran)
    assert site.open().log.head.size == size + finished
    assert cli("log", "check", "-C", "ws").code == 0
    assert cli("ingest", "admit", "ws/data.csv", "-C", "ws").code == 1, "denied, and logged"
    assert site.open().log.head.size == size + finished + 1


def test_an_interrupted_scan_gives_no_verdict(cli: Cli) -> None:
    many = cli.folder / "many"
    many.mkdir()
    for number in range(3_000):
        (many / f"{number}.pkl").write_bytes(_PICKLE)
    report = cli.folder / "s.sarif"

    def begin() -> Running:
        report.unlink(missing_ok=True)
        return cli.start("scan", "many", "--format", "sarif", "--output", report)

    ran, _ = _caught(begin)
    _interrupted(ran)
    assert [path.name for path in cli.folder.iterdir()] == ["many"]


@pytest.mark.slow
def test_ctrl_c_ends_the_confined_command_as_well(site: Site, cli: Cli) -> None:
    """What stays is the order that was logged before it began; its outputs are nowhere."""
    here, git = ["-C", "ws"], ("git", "-c", "user.name=a", "-c", "user.email=a@b.example")
    owned = ("--owner", "o", "--licence", "CC0-1.0")
    assert cli("ingest", "source", "add", "s", "--tier", "trusted", *owned, *here).code == 0
    (cli.folder / "in.csv").write_text("a,b\n1,0\n2,1\n")
    assert cli(
        "ingest", "admit", "in.csv", "--source", "s", *owned, "--label", "public",
        "--also-approve", *here,
    ).code == 0  # fmt: skip
    code = cli.folder / "code"
    code.mkdir()
    (code / "a.txt").write_text("a")
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "x")):
        subprocess.run([*git, *words], cwd=code, check=True)
    length = f"{600 + os.getpid()}.5"
    running = cli.start(
        "prepare", "run", "--input", "a=in.csv", "--output", "out", "--code", "code", *here, "--",
        "sleep", length,
    )  # fmt: skip
    _until(lambda: _sleeping(length))
    _interrupted(running.interrupt())
    _until(lambda: not _sleeping(length))
    assert not (cli.folder / "out").exists()
    assert cli("log", "check", *here).code == 0


def _sleeping(length: str) -> bool:
    wanted = b"sleep\0" + length.encode() + b"\0"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes() == wanted:
                return True
    return False


def test_an_interrupted_server_stops(site: Site, cli: Cli) -> None:
    running = cli.start("log", "serve", "--listen", "127.0.0.1:0", "-C", "ws")
    time.sleep(1.0)
    ran = running.interrupt()
    assert ran.code == 130, ran
    assert len(ran.err.splitlines()) <= 2, ran


@pytest.mark.parametrize(
    ("line", "code"),
    [("scan data.csv", 0), ("scan empty", 3), ("scan nope", 2), ("log show -C ws", 0)],
)
def test_a_reader_that_went_away_is_silence(
    line: str,
    code: int,
    site: Site,
    cli: Cli,
) -> None:
    """As in ``tidegate … | true``: the decision's exit code stays."""
    (cli.folder / "data.csv").write_text("a,b\n1,0\n")
    (cli.folder / "empty").mkdir()
    shell = f"{sys.executable} -m tidegate {line} 2>err | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=cli.folder, env=cli.environ(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    err = (cli.folder / "err").read_text()
    assert (int(done.stdout), "Traceback" in err, "BrokenPipe" in err) == (code, False, False)
    assert err == "" or code == 2


def test_an_answer_that_cannot_be_written_is_an_error(cli: Cli) -> None:
    (cli.folder / "data.csv").write_text("a,b\n1,0\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tidegate", "scan", "data.csv"], cwd=cli.folder,
            env=cli.environ(), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    ran = Ran(("scan", "data.csv"), done.returncode, "", done.stderr)
    assert (ran.code, "Traceback" in done.stderr) == (6, False), ran
    assert ran.part("next"), ran
    assert len(done.stderr.splitlines()) <= 12
