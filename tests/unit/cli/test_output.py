"""Results go where they were sent, and the exit code comes with them."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.cli import output
from tidegate.cli.options import Gating, Reporting, Showing, read_passphrase
from tidegate.cli.progress import bar
from tidegate.core.decision import Decision, SubjectRef
from tidegate.core.errors import AccessError, TidegateError, UsageError
from tidegate.core.finding import Coverage, Finding, Location, Severity
from tidegate.core.stage import Outcome
from tidegate.report import Format, Report

DENIED = Decision(
    stage="ingest",
    action="admit",
    outcome=Outcome.DENY,
    subjects=(SubjectRef("drop.csv", "table", "sha256:" + "0" * 64),),
    checks=(),
    rules=(),
    policy="default@1",
)


def test_a_decision_is_written_and_gives_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.emit_decision(DENIED, Reporting()) == 1
    out, err = capsys.readouterr()
    assert "DENY" in out
    assert err == ""


def test_standard_output_holds_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.emit_decision(DENIED, Reporting(format=(Format.JSON,))) == 1
    assert json.loads(capsys.readouterr().out)["exitCode"] == 1


def test_several_formats_go_to_several_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Reporting(
        format=(Format.SARIF, Format.JUNIT, Format.TEXT),
        output=(tmp_path / "a.sarif", tmp_path / "b.xml"),
    )
    assert output.emit_decision(DENIED, options) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sarif", "b.xml"]
    assert "DENY" in capsys.readouterr().out


def test_quiet_leaves_only_what_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output.emit_decision(DENIED, Reporting(quiet=True)) == 1
    assert capsys.readouterr().out == ""
    json_options = Reporting(quiet=True, format=(Format.JSON,))
    assert output.emit_decision(DENIED, json_options) == 1
    assert capsys.readouterr().out.startswith("{")


PLACES = (
    ("more files than formats", (), (Path("a"), Path("b"))),
    ("two on standard output", (Format.JSON, Format.TEXT), ()),
    ("one file twice", (Format.JSON, Format.TEXT), (Path("a"), Path("a"))),
    ("dash is standard output", (Format.JSON, Format.TEXT), (Path("-"),)),
)


@pytest.mark.parametrize(("name", "formats", "files"), PLACES, ids=[case[0] for case in PLACES])
def test_colliding_outputs_are_usage_errors(
    name: str, formats: tuple[Format, ...], files: tuple[Path, ...]
) -> None:
    with pytest.raises(UsageError) as caught:
        Reporting(format=formats, output=files).targets()
    assert caught.value.code == "TG-USE/output"


def test_an_output_that_cannot_be_written_is_2_and_leaves_nothing(tmp_path: Path) -> None:
    options = Reporting(format=(Format.JSON,), output=(tmp_path / "no" / "a.json",))
    with pytest.raises(UsageError) as caught:
        output.emit_decision(DENIED, options)
    assert str(tmp_path / "no" / "a.json") == caught.value.where
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_keeps_the_decisions_exit_code() -> None:
    program = (
        "import sys; from tidegate.cli import output; from tidegate.cli.options import Reporting;"
        "from tidegate.core.finding import *; from tidegate.report import Report;"
        "found = [Finding('TG-X-01/y', Severity.HIGH, 'm' * 999, Location('p'))] * 400;"
        "sys.exit(output.emit_report(Report.of_findings('s', found, Coverage(1, 1)), Reporting()))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, b"")


def test_table_cells_hold_no_markup_and_no_escapes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [("[red]x[/red]", "a\x1b[31m\nb"), ("=cmd|'/C'!A0", 3)]
    output.emit(Showing(), {}, output.Table(("name", "what"), rows))
    text = capsys.readouterr().out
    assert "[red]x[/red]" in text
    assert r"a\x1b[31m\nb" in text
    assert "\x1b" not in text


def test_paragraphs_are_aligned_and_commands_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    command = output.Whole("tidegate verify " + "x" * 60 + " --pin y")
    output.emit(Showing(), {}, [("a", "one " * 12)], [("longer", command)], "a line")
    first, second, third, last = capsys.readouterr().out.splitlines()
    assert (first[:8], second[:8]) == ("a       ", " " * 8)
    assert (third, last) == (f"longer  {command}", "a line")


def test_an_answer_is_a_document_a_line_or_text(capsys: pytest.CaptureFixture[str]) -> None:
    machine = Showing(json=True)
    output.emit(machine, {"a": 1}, "text")
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    output.emit_line(machine, {"a": 1}, "text")
    output.emit_line(machine, {"a": 2}, "text")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"a": 1}, {"a": 2},
    ]  # fmt: skip
    output.emit_line(Showing(), {"a": 1}, output.Table(("x",), [], "nothing"), "text")
    assert capsys.readouterr().out == "nothing\ntext\n"


@pytest.mark.parametrize(
    ("environ", "painted"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_follows_the_environment(
    environ: dict[str, str],
    painted: bool,  # noqa: FBT001 - a case's column
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    output.emit_decision(DENIED, Reporting())
    assert ("\x1b[31mDENY" in capsys.readouterr().out) is painted


def test_width_follows_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in (("60", 60), ("5", 40), ("9999", 200)):
        monkeypatch.setenv("COLUMNS", columns)
        assert output.width() == width


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("reading", 3) as steps:
        steps.advance()
        steps.say("b.csv")
    assert capsys.readouterr() == ("", "")


def test_a_progress_bar_draws_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with bar("reading [red]", None, colour=False) as steps:
        steps.advance()
        steps.say("\x1b[2J[bold]b")
    assert capsys.readouterr().out == ""


def test_gating_options_have_every_shared_flag() -> None:
    assert set(Gating.__dataclass_fields__) == {
        "workspace",
        "format",
        "json",
        "output",
        "fail_on",
        "explain",
        "quiet",
        "principal",
        "passphrase_fd",
        "passphrase_file",
        "dry_run",
    }


def _file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_bytes(data)
    file.chmod(mode)
    return file


def test_a_passphrase_comes_from_a_descriptor_or_a_private_file(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"correct horse\n")
    os.close(writer)
    assert read_passphrase(fd=reader) == b"correct horse"
    os.close(reader)
    assert read_passphrase(file=_file(tmp_path, b"battery\r\n")) == b"battery"
    assert read_passphrase() is None
    assert read_passphrase(prompt="passphrase") is None  # no terminal in tests


@pytest.mark.parametrize(
    ("data", "mode", "code"),
    [
        (b"", 0o600, "TG-ACC/passphrase"),
        (b"\n", 0o600, "TG-ACC/passphrase"),
        (b"x" * 5_000, 0o600, "TG-ACC/passphrase"),
        (b"open", 0o644, "TG-ACC/passphrase-open"),
    ],
)
def test_a_bad_passphrase_file_is_refused(
    data: bytes, mode: int, code: str, tmp_path: Path
) -> None:
    with pytest.raises(AccessError) as caught:
        read_passphrase(file=_file(tmp_path, data, mode))
    assert caught.value.code == code


def test_missing_and_doubled_passphrase_sources_are_refused(tmp_path: Path) -> None:
    for fd, file in ((None, tmp_path / "none"), (9_999, None), (0, tmp_path)):
        with pytest.raises(TidegateError):
            read_passphrase(fd, file)


def test_no_option_takes_a_passphrase_itself() -> None:
    names = {name for name in Gating.__dataclass_fields__ if "passphrase" in name}
    assert names == {"passphrase_fd", "passphrase_file"}


def test_only_output_prints() -> None:
    """Every other module of the command line hands its text to it."""
    folder = Path(output.__file__).parent
    for path in folder.glob("*.py"):
        calls = [
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
        ]
        printing = {"print", "sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer.write"}
        assert path.name == "output.py" or printing.isdisjoint(calls), path


def test_fail_on_reaches_the_exit_code() -> None:
    found = [Finding("TG-X-01/y", Severity.MEDIUM, "m", Location("p"))]
    report = Report.of_findings("s", found, Coverage(1, 1), fail_on=Severity.HIGH)
    assert output.emit_report(report, Reporting(quiet=True)) == 0
