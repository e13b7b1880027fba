"""The console that help is drawn on: a reader that goes away is no error."""

from rich.console import Console

from tidegate.cli import output


class HelpConsole(Console):
    """Standard output, silent once its reader is gone (rich would end the process with 1)."""

    def on_broken_pipe(self) -> None:
        """Drop the rest."""
        output.silence()
