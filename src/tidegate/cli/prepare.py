"""``tidegate prepare``: run a transform over admitted data."""

from typing import Annotated

from cyclopts import App, Parameter

from tidegate.cli import output, session
from tidegate.cli.options import FLAT, Texts
from tidegate.cli.wrapped import Wrapping

app = App(name="prepare", help="Run a transform over admitted data.")
_DEFAULTS = Wrapping()


@app.command
def run(
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    train: Texts = (),
    validation: Texts = (),
    options: Annotated[Wrapping, FLAT] = _DEFAULTS,
) -> int:
    """Admit the order, run the command confined, admit what it leaves, look for shared rows.

    Args:
        command: The transform, after --.
        train: An output that is for training, by its path under --output; may be given several
            times. Without it tables that are called train… count.
        validation: An output that is for validation, likewise; without it those that are called
            valid…, val…, test…, holdout… or eval….
        options: What goes in and out, who signs, and how the result is shown.
    """
    from tidegate.app.prepare import PrepareRequest, prepare  # noqa: PLC0415 - heavy

    request = PrepareRequest(options.request(command), train, validation)
    workspace = session.acting(options)
    with output.progress("preparing", quiet=options.quiet):
        produced = prepare(workspace, request)
    return output.emit_decision(produced.decision, options)
