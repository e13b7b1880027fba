"""What the pages of the documentation show: console blocks, programs, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_EXIT = re.compile(r"\s+# exit (\d+)$")


@dataclass
class Typed:
    """A line that a reader types, and what the page says will be seen."""

    command: str
    code: int = 0
    shown: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    title: str
    text: str

    def typed(self) -> list[Typed]:
        """The lines after a prompt, each with those that follow it."""
        found: list[Typed] = []
        joined = self.text.replace("\\\n", " ")
        for line in joined.splitlines():
            if line.startswith("$ "):
                wanted = _EXIT.search(line)
                found.append(Typed(_EXIT.sub("", line[2:]), int(wanted[1]) if wanted else 0))
            elif found and line.strip():
                found[-1].shown.append(line)
        return found

    def commands(self) -> list[str]:
        """The command lines of a console or shell block."""
        if self.language == "console":
            return [typed.command for typed in self.typed()]
        return self.text.replace("\\\n", " ").splitlines() if self.language == "sh" else []


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's fenced blocks, in order."""
    for language, info, text in _BLOCK.findall(page.read_text("utf-8")):
        title = _TITLE.search(info)
        yield Block(language, title[1] if title else "", text)


def expects(line: str) -> re.Pattern[str]:
    """Return what finds an expected line: blanks are alike, an ellipsis is anything in a line."""
    pieces = [
        r"\s+".join(map(re.escape, piece.split())) for piece in line.split("…") if piece.strip()
    ]
    return re.compile(".*?".join(pieces))
