"""The documentation names only what is there: commands, flags, files."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from cyclopts import App
from tests.pages import ROOT, blocks

from tidegate.cli import GROUPS, build_app

PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
        *(page for page in (ROOT / "docs").rglob("*.md") if "reference" not in page.parts),
    ]
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"(?<!`)`tidegate ([^`]+)`(?!`)")
_STOPS = {"|", ">", ">>", "&&", ";", "||"}


@cache
def application() -> App:
    return build_app(GROUPS)


def words(line: str) -> list[str]:
    """Split a command line as a shell does, up to a pipe or the wrapped command."""
    found = shlex.split(line, comments=True)
    ends = [found.index(stop) for stop in (_STOPS | {"--"}) & set(found)]
    return found[: min(ends, default=len(found))]


def problems(command: list[str]) -> list[str]:
    """Return what of a command is not there: a subcommand, or a flag."""
    path, apps, rest = application().parse_commands(command)
    if not path:
        return [f"no such command: {' '.join(command)}"]
    last = apps[-1]
    if last.default_command is None:
        # A name alone stands for the group; with words after it, the subcommand is wrong.
        return [f"no such subcommand: {' '.join(command)}"] if plain(rest) else []
    flags = {name for one in last.assemble_argument_collection() for name in one.names}
    flags |= set(last.help_flags) | set(last.version_flags)
    used = [word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)]
    return [f"{' '.join(path)} has no {flag}" for flag in used if flag not in flags]


def plain(rest: list[str]) -> list[str]:
    return [word for word in rest if word not in {"--help", "-h"}]


def asked_of(commands: list[list[str]]) -> list[str]:
    return [
        problem
        for command in commands
        if command and Path(command[0]).name == "tidegate"
        for problem in problems(command[1:])
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_shown_exist(page: Path) -> None:
    lines = [line for block in blocks(page) for line in block.commands()]
    assert not asked_of([words(line) for line in lines])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_the_text_names_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = [" ".join(found.split()) for found in _INLINE.findall(text)]
    assert not asked_of([["tidegate", *words(line)] for line in lines])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("tidegate registri admit", "no such command"),
        ("tidegate registry admitt x", "no such subcommand"),
        ("tidegate registry admit x --nam y", "has no --nam"),
        ("tidegate verify x --output y", "has no --output"),
    ],
)
def test_a_command_that_is_not_there_is_noticed(wrong: str, says: str) -> None:
    assert says in asked_of([words(wrong)])[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = [one or other for one, other in _LINK.findall(page.read_text("utf-8"))]
    near = [target for target in targets if not re.match(r"[a-z]+:|#", target)]
    missing = [one for one in near if not (page.parent / one.partition("#")[0]).exists()]
    assert not missing


def test_the_navigation_lists_every_page() -> None:
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert named == pages
