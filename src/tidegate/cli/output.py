"""The only module that prints: results to standard output, everything else to standard error.

A reader that goes away (``| head``) is no error: what is left is dropped, and the process ends
with the exit code that the decision has.
"""

import os
import shutil
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

from tidegate.cli.steps import Steps
from tidegate.core.canonical import Json
from tidegate.core.errors import TidegateError, UsageError
from tidegate.telemetry import redact

if TYPE_CHECKING:
    from tidegate.app.workspace import Workspace
    from tidegate.cli.options import Reporting
    from tidegate.core.decision import Decision
    from tidegate.core.policy.directives import Directive
    from tidegate.report import Report, Style

_LABEL = 9


class Shape(StrEnum):
    """How a command that reports no findings writes its answer."""

    TEXT = "text"
    JSON = "json"


def prepare_streams() -> None:
    """Make both streams accept every string, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a test's or a notebook's stream has none
            reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Write to standard output; a closed pipe is silence, not an error."""
    _write(sys.stdout, text)


def notice(text: str) -> None:
    """Write a line for the person at the terminal to standard error, line breaks kept."""
    from tidegate.report.untrusted import plain  # noqa: PLC0415 - keeps --version light

    _write(sys.stderr, "".join(plain(line) + "\n" for line in text.splitlines()))


def silence() -> None:
    """Drop what is still to be written to standard output, also by the interpreter's exit."""
    _silence(sys.stdout)


def emit_decision(decision: "Decision", options: "Reporting") -> int:
    """Write a gate's decision as asked, and return the exit code that it has."""
    from tidegate.report import Report  # noqa: PLC0415 - keeps --version light

    return emit_report(Report.of_decision(decision, fail_on=options.fail_on), options)


def emit_report(report: "Report", options: "Reporting") -> int:
    """Write a report in each format that was asked for, and return its exit code."""
    from tidegate.report import Format, render  # noqa: PLC0415 - keeps --version light

    for form, target in options.targets():
        if target is not None:
            save(target, render(report, form, _style(options, colour=False)))
        elif not (options.quiet and form is Format.TEXT):
            write(render(report, form, _style(options, colour=colour(sys.stdout))))
    return report.exit_code


def emit_act(workspace: "Workspace", act: "Directive", *, dry_run: bool) -> int:
    """Sign a directive, append it, and say where it stands; on a dry run only say what it is.

    Raises:
        UsageError: It would have no effect.
    """
    from tidegate.app.effect import check_effect  # noqa: PLC0415 - keeps --version light

    check_effect(workspace, act)
    if dry_run:
        emit_json(act.to_json())
        notice("dry run: nothing was signed or appended")
        return 0
    receipt = workspace.act(act)
    emit_text([(act.kind, f"log {receipt.index}, envelope {receipt.envelope}")])
    return 0


def emit_error(error: TidegateError, *, as_json: bool = False) -> int:
    """Write an error in at most 12 lines, or as one JSON object, and return its exit code."""
    if as_json:
        emit_json(problem(error))
    else:
        _write(sys.stderr, _error_text(error))
    return error.exit_code


def problem(error: TidegateError) -> dict[str, Json]:
    """Return the machine-readable error (schema: problem/v1)."""
    fields = {
        "code": error.code,
        "problem": error.problem,
        "where": error.where,
        "cause": error.cause,
        "nextStep": error.next_step,
    }
    texts = {key: redact(value) for key, value in fields.items() if value is not None}
    return {"schema": "problem/v1", **texts, "exitCode": error.exit_code}


def emit_json(value: Json) -> None:
    """Write one JSON document to standard output, and nothing else."""
    from tidegate.report.json import dump  # noqa: PLC0415 - keeps --version light

    write(dump(value, indent=2) + "\n")


def emit_table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
) -> None:
    """Write a table to standard output; cells are untrusted text and hold no markup."""
    from io import StringIO  # noqa: PLC0415 - keeps --version light

    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - same
    from rich.console import Console  # noqa: PLC0415 - same
    from rich.table import Table  # noqa: PLC0415 - same
    from rich.text import Text  # noqa: PLC0415 - same

    from tidegate.report.untrusted import clip, plain  # noqa: PLC0415 - same

    table = Table(box=SIMPLE_HEAD, title=Text(plain(title)) if title else None, pad_edge=False)
    for header in headers:
        table.add_column(Text(plain(header)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(clip(str(cell), 2_000)) for cell in row))
    paper = StringIO()
    painted = colour(sys.stdout)
    console = Console(
        file=paper, width=width(), force_terminal=painted, no_color=not painted, highlight=False
    )
    console.print(table)
    lines = [line.rstrip() + "\n" for line in paper.getvalue().splitlines()]
    write("".join(lines).strip("\n") + "\n")


def emit_text(rows: Sequence[tuple[str, str]]) -> None:
    """Write labelled paragraphs, wrapped; a row without a label goes on with the one before."""
    indent = max((len(label) for label, _ in rows), default=0) + 2
    write("".join(_paragraph(label.ljust(indent), text) for label, text in rows))


@contextmanager
def progress(title: str, total: int | None = None, *, quiet: bool = False) -> Generator[Steps]:
    """Show progress on standard error while it is a terminal, else nothing."""
    if quiet or not sys.stderr.isatty():
        yield Steps()
        return
    from tidegate.cli.progress import bar  # noqa: PLC0415 - rich only at a terminal

    with bar(title, total, colour=colour(sys.stderr)) as steps:
        yield steps


def colour(stream: TextIO) -> bool:
    """Tell whether to paint: ``NO_COLOR`` wins over ``FORCE_COLOR``, which wins over the kind."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Return the columns to fill: ``COLUMNS``, else the terminal's, else 100."""
    return max(40, min(shutil.get_terminal_size((100, 24)).columns, 200))


def _style(options: "Reporting", *, colour: bool) -> "Style":
    from tidegate.report import Style  # noqa: PLC0415 - same
    from tidegate.version import __version__  # noqa: PLC0415 - keeps --version light

    return Style(version=__version__, width=width(), colour=colour, explain=options.explain)


def _error_text(error: TidegateError) -> str:
    rows = [
        ("error", error.problem, 3),
        ("where", error.where, 2),
        ("because", error.cause, 3),
        ("next", error.next_step, 3),
    ]
    return "".join(_row(label, text, lines, error.code) for label, text, lines in rows if text)


def _row(label: str, text: str, lines: int, code: str) -> str:
    shown = redact(text[:4_000])
    # The code is apart: "passphrase: the" would read as a secret.
    said = f"{code}: {shown}" if label == "error" else shown
    return _paragraph(label.ljust(_LABEL), said, lines=lines)


def _paragraph(label: str, text: str, *, lines: int | None = None) -> str:
    from tidegate.report.untrusted import clip  # noqa: PLC0415 - keeps --version light

    shown = clip(text, 1_000)
    # Paths and commands stay whole on their line, so that they can be copied.
    pieces = wrap(
        shown,
        width() - len(label),
        max_lines=lines,
        placeholder=" …",
        break_long_words=False,
        break_on_hyphens=False,
    ) or [shown]
    gap = "\n" + " " * len(label)
    return label + gap.join(pieces) + "\n"


def save(target: Path, text: str) -> None:
    """Write a file whole, or not at all.

    Raises:
        UsageError: It can't be written.
    """
    # Written beside and moved, so that a reader never sees half a report.
    part: Path | None = None
    try:
        with NamedTemporaryFile(
            "w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8", delete=False
        ) as file:
            part = Path(file.name)
            file.write(text)
        part.chmod(0o644)
        part.replace(target)
    except OSError as error:
        raise UsageError(
            "the report can't be written",
            where=str(target),
            cause=error.strerror,
            next_step="give --output a file in a folder that exists and can be written",
            slug="output",
        ) from error
    finally:
        if part is not None:  # still there only when it could not be moved
            part.unlink(missing_ok=True)


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
    except OSError:
        _silence(stream)
        if stream is not sys.stderr:  # there is nowhere else to say it
            raise


def _silence(stream: TextIO) -> None:
    # The interpreter flushes at exit and would complain: give it somewhere to flush to.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
