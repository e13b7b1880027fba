"""The examples of the guides are run, and print what the guides say."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.sites import Ran, Tidegate

GUIDES = Path(__file__).resolve().parents[3] / "docs" / "guide"
PAGES = ("keys-and-trust", "ledger", "policy", "operations", "drills")
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"\s+# exit (\d+)$")


class Reader:
    """Somebody who types what a guide says."""

    def __init__(self, tidegate: Tidegate) -> None:
        self._tidegate = tidegate
        self._witness = ""

    def type(self, line: str) -> Ran:
        """Run one line; what stands for a value of one's own is filled in."""
        for name, value in (("LOG_KEY", self._log_key), ("PIN", self._pin)):
            if name in line.split():
                line = line.replace(name, value())
        line = line.replace("WITNESS_KEY", self._witness)
        words = shlex.split(line)
        if words[0] == "cd":
            os.chdir(words[1])
            return Ran(0, "", "")
        if words[0] != "tidegate":
            done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - the guide's own lines
            return Ran(done.returncode, done.stdout, done.stderr)
        ran = self._tidegate(*words[1:])
        if found := re.search(r"^key\s+(\S+\+\S+)$", ran.out, re.MULTILINE):
            self._witness = found[1]
        return ran

    def _log_key(self) -> str:
        return str(self._tidegate("trust", "show", "--format", "json").json["logKeys"][-1])

    def _pin(self) -> str:
        return str(self._tidegate("trust", "show", "--format", "json").json["pin"])


def expects(line: str) -> re.Pattern[str]:
    """Return what finds an expected line: blanks are alike, an ellipsis is anything in a line."""
    pieces = [
        r"\s+".join(map(re.escape, piece.split())) for piece in line.split("…") if piece.strip()
    ]
    return re.compile(".*?".join(pieces))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_guide_is_true(
    page: str, tidegate: Tidegate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reader, ran, command = Reader(tidegate), Ran(0, "", ""), ""
    blocks = _BLOCK.findall((GUIDES / f"{page}.md").read_text("utf-8"))
    assert blocks
    for line in (line for block in blocks for line in block.splitlines()):
        if line.startswith("$ "):
            command = _EXIT.sub("", line[2:])
            wanted = _EXIT.search(line)
            ran = reader.type(command)
            assert ran.code == int(wanted[1] if wanted else 0), (command, ran)
        else:
            assert expects(line).search(ran.out + ran.err), (command, line, ran)
