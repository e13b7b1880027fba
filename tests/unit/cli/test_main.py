"""Everything that goes wrong becomes one short text, the right exit code, and no traceback."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from cyclopts import App

import tidegate
from tidegate import __main__, cli
from tidegate.cli import GROUPS, CommandGroup
from tidegate.cli.output import problem
from tidegate.core import errors
from tidegate.core.errors import EXIT_PRECEDENCE, TidegateError, worst_exit_code
from tidegate.report.schemas import schema

COMMAND = (sys.executable, "-m", "tidegate")


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", **environ},
    )


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Add the command ``break``, which raises what the test puts into the list."""
    raised: list[BaseException] = []
    app = App(name="break")

    @app.default
    def fail(*, format: str = "text") -> int:  # noqa: A002 - the flag's name
        raise raised[0]

    built = cli.build_app(())
    built.command(app)
    group = CommandGroup("break", "Tools", "Break.")
    monkeypatch.setattr(__main__, "build_app", lambda: built)
    monkeypatch.setattr(__main__, "GROUPS", (group,))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("TIDEGATE_DEBUG", raising=False)
    return raised


EXIT_CODES = {
    "TidegateError": 70,
    "UsageError": 2,
    "ConfigError": 2,
    "PolicyError": 2,
    "AccessError": 1,
    "SubjectError": 2,
    "EmptySubject": 3,
    "UnreadableSubject": 4,
    "CheckError": 4,
    "VerificationError": 5,
    "SignatureError": 5,
    "TrustError": 5,
    "ProofError": 5,
    "FreshnessError": 5,
    "LedgerError": 5,
    "ForkError": 5,
    "RollbackError": 5,
    "StoreError": 6,
    "SchemaError": 6,
    "BusyError": 6,
    "RemoteError": 6,
}


def test_the_table_has_every_error_class() -> None:
    classes = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, TidegateError)
    }
    assert classes == set(EXIT_CODES)


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items())
def test_each_error_ends_the_process_with_its_code(
    name: str, code: int, failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(
        getattr(errors, name)(
            "word " * 300,
            where="place " * 300,
            cause="cause " * 300,
            next_step="step " * 300,
            slug="case",
        )
    )
    assert __main__.main(["break"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert 4 <= len(err.splitlines()) <= 12
    assert all(len(line) <= 100 for line in err.splitlines())
    assert getattr(errors, name).family + "/case" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("flag", [["--format", "json"], ["--format=jsonl"]])
def test_json_errors_are_one_object_on_standard_output(
    flag: list[str], failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    failing.append(errors.StoreError("locked", where="a.db", next_step="wait", slug="busy"))
    assert __main__.main(["break", *flag]) == 6
    out, err = capsys.readouterr()
    document = json.loads(out)
    jsonschema.validate(document, schema("problem/v1"))
    assert (document["code"], document["exitCode"], err) == ("TG-STO/busy", 6, "")


def test_interruption_is_one_line_and_130(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(KeyboardInterrupt())
    assert __main__.main(["break"]) == 130
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)


@pytest.mark.parametrize("error", [ValueError("s3cret=abc"), AssertionError(), RecursionError()])
def test_anything_else_is_our_bug_with_the_traceback_in_a_private_file(
    error: Exception,
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing.append(error)
    assert __main__.main(["break"]) == 70
    err = capsys.readouterr().err
    (crash,) = tmp_path.iterdir()
    assert "Traceback" not in err
    assert "TG-BUG/unexpected" in err
    assert crash.name in err
    assert "Traceback" in crash.read_text()
    assert stat.S_IMODE(crash.stat().st_mode) == 0o600


def test_secrets_are_masked_in_errors_and_crash_files(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for error in (
        errors.StoreError("no", where="postgresql://bob:hunter2@db/x", cause="password=hunter2"),
        ValueError("token: hunter2 in postgresql://bob:hunter2@db/x"),
    ):
        failing[:] = [error]
        __main__.main(["break"])
        assert "hunter2" not in capsys.readouterr().err
    assert all("hunter2" not in file.read_text() for file in tmp_path.iterdir())


def test_debugging_shows_the_traceback(
    failing: list[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEGATE_DEBUG", "1")
    failing.append(ValueError("x"))
    assert __main__.main(["break"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_untrusted_text_in_errors_is_made_visible(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(errors.SubjectError("bad name \x1b[2J\u202e\nnext     rm -rf", where="a\rb"))
    __main__.main(["break"])
    err = capsys.readouterr().err
    assert all(line.isprintable() for line in err.splitlines())
    steps = [line for line in err.splitlines() if line.startswith("next")]
    assert steps == ["next     see `tidegate explain TG-SUB`"]


def test_a_full_disk_is_no_bug(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(OSError(errno.ENOSPC, "full", "/x/y"))
    assert __main__.main(["break"]) == 6
    assert "TG-STO/disk" in capsys.readouterr().err


def test_a_missing_extra_is_named(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    error = ImportError("cannot import the command")
    error.__cause__ = ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow.lib")
    failing.append(error)
    assert __main__.main(["break"]) == 2
    assert "pip install 'tidegate[data]'" in capsys.readouterr().err


USAGE = (
    (["scna"], "did you mean `tidegate scan`?"),
    (["\x1b[31m"], "tidegate --help"),
    (["explain", "TG-REG-99"], "TG-REG"),
    (["explain", "--formt", "json"], "--format"),
    (["explain", "--format", "jsn"], "json"),
    (["config", "shw"], "show"),
    (["completion", "bsh"], "bash"),
    (["completion"], "completion --help"),
    (["--hepl"], "--help"),
    (["trust", "shwo"], "did you mean `tidegate trust show`?"),
    (["log", "witness", "serv"], "`tidegate log witness serve`"),
    (["ingest", "add"], "there are source, admit"),
    (["trust", "revoke"], "`tidegate trust revoke` needs KEY"),
    (["trust", "revoke", "x"], "needs --from"),
    (["log", "head", "--output"], "--output wants a value"),
    (["ingest", "admit"], "see `tidegate ingest admit --help`"),
)


@pytest.mark.parametrize(("arguments", "hint"), USAGE, ids=lambda value: str(value)[:30])
def test_usage_errors_are_2_with_a_hint(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, hint in err) == ("", True)
    assert err.startswith("error    TG-USE/")
    assert len(err.splitlines()) <= 12


def test_precedence_of_exit_codes() -> None:
    """70 > 2 > 6 > 5 > 1 > 4 > 3 > 0."""
    for place, code in enumerate(EXIT_PRECEDENCE):
        assert worst_exit_code(*reversed(EXIT_PRECEDENCE[place:])) == code
    assert worst_exit_code() == 0


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_listed_command_resolves(group: CommandGroup) -> None:
    module, _, attribute = group.target.partition(":")
    if find_spec(module) is None:
        pytest.skip(f"{module} is not written yet")
    app = getattr(__import__(module, fromlist=[attribute]), attribute)
    assert isinstance(app, App)


def test_commands_are_listed_once() -> None:
    names = [group.name for group in GROUPS]
    assert len(set(names)) == len(names)


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{tidegate.__version__}\n"
    assert version("tidegate") == tidegate.__version__


def test_public_names_are_the_same_objects_as_at_their_homes() -> None:
    for name in tidegate.__all__:
        assert getattr(tidegate, name).__name__ == name
    assert set(tidegate.__all__) < set(dir(tidegate))
    with pytest.raises(AttributeError):
        _ = tidegate.nonsense


@pytest.mark.parametrize(("arguments", "budget"), [(["--version"], 150), (["--help"], 450)])
def test_import_budget(arguments: list[str], budget: int) -> None:
    program = (
        "import sys; from tidegate.__main__ import main; main(sys.argv[1:]);"
        "print(len(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert int(done.stderr) <= budget


def test_help_imports_no_command() -> None:
    program = (
        "import sys; from tidegate.__main__ import main; main(['--help']);"
        "print([name for name in sys.modules if name.startswith('tidegate.cli.')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == str(
        ["tidegate.cli.steps", "tidegate.cli.output", "tidegate.cli.console"]
    )


def test_help_lists_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main([]) == 0
    text = capsys.readouterr().out
    assert all(f" {group.name} " in text for group in GROUPS)
    assert "130" in text


def test_a_reader_that_goes_away_is_no_error() -> None:
    """``tidegate explain | head`` is quiet and keeps the command's own exit code."""
    for arguments in (["explain", "--format", "json"], ["--help"]):
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")


def test_a_full_standard_output_is_6() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "explain"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 6
    assert "TG-STO/disk" in done.stderr


def test_ctrl_c_from_outside_is_130() -> None:
    program = (
        "import sys, time; from tidegate import __main__ as m;"
        "m._dispatch = lambda a: (print('up', flush=True), time.sleep(30));"
        "sys.exit(m.main([]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, len(err.splitlines())) == (130, 1)


def test_an_ascii_terminal_is_no_reason_to_fail() -> None:
    done = run("explain", "TG-Ünknown", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "\\xdc" in done.stderr


def test_problem_has_no_empty_fields() -> None:
    assert problem(TidegateError("x")) == {
        "schema": "problem/v1",
        "code": "TG-BUG",
        "problem": "x",
        "exitCode": 70,
    }
