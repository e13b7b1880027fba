"""A progress bar on standard error, drawn with rich."""

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tidegate.cli.steps import Steps
from tidegate.report.untrusted import clip


class _Bar(Steps):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int = 1) -> None:
        self._progress.advance(self._task, count)

    def say(self, text: str) -> None:
        self._progress.update(self._task, description=escape(clip(text, 60)))


@contextmanager
def bar(title: str, total: int | None, *, colour: bool) -> Generator[Steps]:
    """Draw a bar that vanishes when it is done; without a total it only moves."""
    console = Console(stderr=True, no_color=not colour)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress, progress.add_task(escape(clip(title, 60)), total=total))
