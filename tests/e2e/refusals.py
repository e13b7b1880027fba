"""What every refusal owes to the person who gets it, and that it left nothing behind.

::

    @table(Case("scan nope", 2, "TG-SUB/no-such-file", "nope"))
    def test_a_wrong_path_is_refused(case: Case, cli: Cli) -> None:
        refused(cli, case)
"""

import hashlib
import os
import re
import shlex
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.running import Cli, Ran

MAX_LINES = 12
_LONGEST = 300
_STORE = re.compile(r"\.db(-wal|-shm)?$")
_MEMORY = "state"


@dataclass(frozen=True)
class Case:
    """A command that is refused, and how."""

    line: str
    """The command as it is typed, without ``tidegate``."""
    code: int
    error: str
    """The stable error code."""
    says: str
    """What the error names: the path, key, option or principal that it is about."""
    json: bool = True
    """Whether the command takes ``--format json``."""
    notes: int = 0
    """Lines that stand on standard error before the error."""

    @property
    def argv(self) -> list[str]:
        """The arguments."""
        return shlex.split(self.line)


def table(*cases: Case) -> pytest.MarkDecorator:
    """Make a test of each case, called as its command."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.line) for case in cases])


def refused(cli: Cli, case: Case, root: Path | None = None) -> Ran:
    """Run a command that must be refused, for a person and for a program, and check both.

    Args:
        cli: Who runs it.
        case: What is to happen.
        root: The folder in which nothing may change; where commands run without it.
    """
    before = contents(root or cli.folder)
    ran = cli(*case.argv)
    _told(ran, case)
    if case.json:
        words = case.argv
        place = words.index("--") if "--" in words else len(words)
        _reported(cli(*words[:place], "--format", "json", *words[place:]), case)
    assert contents(root or cli.folder) == before, f"{ran}\nleft something behind"
    return ran


def _told(ran: Ran, case: Case) -> None:
    lines = ran.err.splitlines()
    assert ran.code == case.code, ran
    assert ran.part("error").startswith(f"{case.error}: "), ran
    assert case.says in f"{ran.part('error')} {ran.part('where')}", ran
    assert sum(line.startswith("next ") for line in lines) == 1, f"{ran}\nwithout a next step"
    assert len(lines) <= MAX_LINES, ran
    assert max(map(len, lines)) <= _LONGEST, ran
    assert "Traceback" not in ran.err, ran
    assert ran.out == "", f"{ran}\nwrote a result"


def _reported(ran: Ran, case: Case) -> None:
    assert ran.code == case.code, ran
    found = ran.json
    assert (found["schema"], found["code"]) == ("problem/v1", case.error), ran
    assert found["exitCode"] == case.code, ran
    assert found["nextStep"], ran
    assert case.says in f"{found['problem']} {found.get('where', '')}", ran
    assert len(ran.err.splitlines()) == case.notes, ran


def contents(root: Path) -> dict[str, str]:
    """Return the digest of each file below a folder; of a store, that of all its rows.

    What this client remembers of heads is left out: reading a log may move it on.
    """
    found: dict[str, str] = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name != _MEMORY]
        for name in (*names, *files):
            path = Path(folder, name)
            if not _STORE.search(name):
                found[str(path.relative_to(root))] = _digest(path)
            elif name.endswith(".db"):
                found[str(path.relative_to(root))] = _rows(path)
    return found


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    except PermissionError:  # never for root
        return "closed"


def _rows(path: Path) -> str:
    try:
        connection = sqlite3.connect(path)
        try:
            lines = "\n".join(connection.iterdump())
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return _digest(path)
    return hashlib.sha256(lines.encode()).hexdigest()
