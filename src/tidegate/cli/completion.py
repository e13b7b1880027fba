"""``tidegate completion``: a completion script for a shell.

::

    $ tidegate completion bash > ~/.local/share/bash-completion/completions/tidegate
"""

from enum import StrEnum
from importlib import import_module

from cyclopts import App

from tidegate.cli import GROUPS, CommandGroup, build_app, output


class Shell(StrEnum):
    """Shells that a script can be written for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


app = App(name="completion", help="Write a completion script for a shell.")


@app.default
def completion(shell: Shell, /) -> int:
    """Write a completion script for a shell to standard output.

    Args:
        shell: For which shell.
    """
    usable = build_app(group for group in GROUPS if _importable(group))
    output.write(usable.generate_completion(prog_name="tidegate", shell=shell.value))
    return 0


def _importable(group: CommandGroup) -> bool:
    # A command whose extra is not installed can't be completed, and must not stop the others.
    try:
        import_module(group.target.partition(":")[0])
    except ModuleNotFoundError:
        return False
    return True
