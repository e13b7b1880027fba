"""The only module that prints: results to standard output, everything else to standard error.

A reader that goes away (``| head``) is no error: what is left is dropped, and the process ends
with the exit code that the decision has.
"""

import os
import shutil
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

from tidegate.cli.steps import Steps
from tidegate.core.canonical import Json
from tidegate.core.errors import TidegateError, UsageError
from tidegate.telemetry import redact

if TYPE_CHECKING:
    from tidegate.cli.options import Reporting, Showing
    from tidegate.core.decision import Decision
    from tidegate.report import Report, Style

_LABEL = 9
_STDOUT = Path("-")


@dataclass(frozen=True, slots=True)
class Table:
    """What people read as a table; cells are untrusted text and hold no markup."""

    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    empty: str = ""
    """What is said instead of a table without rows."""


class Whole(str):
    """A text that stays on one line, however wide, such as a command that is to be copied."""

    __slots__ = ()


Part = Table | Sequence[tuple[str, str]] | str
"""What people read: a table, labelled paragraphs, or a line."""


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


def emit(options: "Showing", facts: Mapping[str, Json], *parts: Part) -> None:
    """Write an answer: the facts as one JSON document, or the parts, in their order, for people."""
    if options.as_json:
        emit_json(dict(facts))
        return
    rows: list[tuple[str, str]] = []  # paragraphs in a row are aligned with each other
    for part in parts:
        if not isinstance(part, str | Table):
            rows += part
            continue
        emit_text(rows)
        rows = []
        if isinstance(part, str):
            write(part + "\n")
        else:
            _emit_table(part)
    emit_text(rows)


def emit_line(options: "Showing", facts: Mapping[str, Json], *parts: Part) -> None:
    """Write one answer of many: a line of JSON, so that a program need not wait for the end."""
    if not options.as_json:
        emit(options, facts, *parts)
        return
    from tidegate.report.json import dump  # noqa: PLC0415 - keeps --version light

    write(dump(dict(facts)) + "\n")


def emit_document(
    options: "Showing",
    document: str,
    target: Path | None,
    facts: Mapping[str, Json],
    *parts: Part,
) -> None:
    """Write a document to a file and an answer about it, or the document itself.

    Args:
        options: How the answer is written.
        document: What a command is called for: a proof, a key.
        target: The file; ``None`` or ``-`` is standard output.
        facts: Hold the document, too.
        parts: What people read where the document goes to a file.

    Raises:
        UsageError: It can't be written.
    """
    if target is None or is_stdout(target):
        if options.as_json:
            emit_json({**facts, "file": None})
        else:
            write(document)
        return
    save(target, document)
    emit(options, {**facts, "file": str(target)}, *parts)


def is_stdout(target: Path | None) -> bool:
    """Tell whether a target is standard output: ``-``, or none is named."""
    return target is None or target == _STDOUT


def check_target(options: "Showing", target: Path | None) -> None:
    """Check that a document and a JSON answer about it don't go to one place.

    Raises:
        UsageError: Both would go to standard output.
    """
    if is_stdout(target) and options.as_json:
        raise UsageError(
            "the document and the answer about it would be written to one place",
            where="standard output",
            next_step="name a file for the document, or leave --json away",
            slug="output",
        )


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


def _emit_table(table: Table) -> None:
    from io import StringIO  # noqa: PLC0415 - keeps --version light

    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - same
    from rich.console import Console  # noqa: PLC0415 - same
    from rich.table import Table as Drawn  # noqa: PLC0415 - same
    from rich.text import Text  # noqa: PLC0415 - same

    from tidegate.report.untrusted import clip, plain  # noqa: PLC0415 - same

    if not table.rows:
        write(f"{table.empty}\n" if table.empty else "")
        return
    drawn = Drawn(box=SIMPLE_HEAD, pad_edge=False)
    for header in table.headers:
        drawn.add_column(Text(plain(header)), overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(clip(str(cell), 2_000)) for cell in row))
    paper = StringIO()
    painted = colour(sys.stdout)
    console = Console(
        file=paper, width=width(), force_terminal=painted, no_color=not painted, highlight=False
    )
    console.print(drawn)
    lines = [line.rstrip() + "\n" for line in paper.getvalue().splitlines()]
    write("".join(lines).strip("\n") + "\n")


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
    if isinstance(text, Whole):
        return f"{label}{shown}\n"
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


def save(target: Path, data: str | Iterable[bytes], *, mode: int = 0o644) -> None:
    """Write a file whole, or not at all.

    Args:
        target: The file.
        data: Its text, or its bytes in pieces.
        mode: Who may read it.

    Raises:
        UsageError: It can't be written.
    """
    # Written beside and moved, so that a reader never sees half a file.
    part: Path | None = None
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            part = Path(file.name)
            for piece in (data.encode(),) if isinstance(data, str) else data:
                file.write(piece)
        part.chmod(mode)
        part.replace(target)
    except OSError as error:
        raise UsageError(
            "the file can't be written",
            where=str(target),
            cause=error.strerror,
            next_step="name a file in a folder that exists and can be written",
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
