"""``tidegate train``: train in a confined process on admitted inputs."""

from typing import Annotated

from cyclopts import App, Parameter

from tidegate.cli import output, session
from tidegate.cli.options import FLAT
from tidegate.cli.wrapped import Wrapping

app = App(name="train", help="Train in a confined process on admitted inputs.")
_DEFAULTS = Wrapping()


@app.command
def run(
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    name: str = "model",
    options: Annotated[Wrapping, FLAT] = _DEFAULTS,
) -> int:
    """Admit the order, train confined, admit the model.

    Args:
        command: The training command, after --.
        name: What to call the model.
        options: What goes in and out, who signs, and how the result is shown.
    """
    from tidegate.app.train import train_model  # noqa: PLC0415 - heavy

    request = options.request(command)
    workspace = session.acting(options)
    with output.progress(f"training {name}", quiet=options.quiet):
        produced = train_model(workspace, request, name=name)
    return output.emit_decision(produced.decision, options)
