"""``tidegate config``: check it, show it with the origin of each value, write its schema."""

import os
from typing import Annotated

from cyclopts import App, Parameter

from tidegate.cli import output
from tidegate.cli.options import FLAT, Place
from tidegate.config import FILE, Loaded, load, schema, shown
from tidegate.core.errors import UsageError

app = App(name="config", help="Check and show the configuration and where it comes from.")

HERE = Place()


@app.command
def check(
    *,
    format: output.Shape = output.Shape.TEXT,  # noqa: A002 - it is the flag's name
    place: Annotated[Place, FLAT] = HERE,
) -> int:
    """Check the configuration file and the environment.

    Args:
        format: Text or one JSON document.
        place: Where the workspace is.
    """
    loaded = _load(place)
    set_keys = [key for key, origin in loaded.origins.items() if origin != "default"]
    if format is output.Shape.JSON:
        output.emit_json({"ok": True, "file": loaded.file and str(loaded.file), "set": set_keys})
        return 0
    source = FILE if loaded.file else f"no {FILE}: defaults"
    output.write(f"ok: {source}, {len(set_keys)} of {len(loaded.origins)} settings are set\n")
    return 0


@app.command
def show(
    *,
    origin: Annotated[bool, Parameter(negative=())] = False,
    format: output.Shape = output.Shape.TEXT,  # noqa: A002 - it is the flag's name
    place: Annotated[Place, FLAT] = HERE,
) -> int:
    """Show every setting; secrets are hidden.

    Args:
        origin: Say where each value comes from.
        format: Text or one JSON document.
        place: Where the workspace is.
    """
    loaded = _load(place)
    values = {
        f"{section}.{key}": value
        for section, table in shown(loaded.settings).items()
        for key, value in table.items()
    }
    if format is output.Shape.JSON:
        rows = {
            key: {"value": value, "origin": loaded.origins[key]} if origin else value
            for key, value in values.items()
        }
        output.emit_json(rows)
        return 0
    headers = ("setting", "value", "from") if origin else ("setting", "value")
    output.emit_table(
        headers,
        [(key, _text(value), loaded.origins[key])[: len(headers)] for key, value in values.items()],
    )
    return 0


@app.command(name="schema")
def write_schema() -> int:
    """Write the JSON Schema of the configuration file."""
    output.emit_json(schema())
    return 0


def _load(place: Place) -> Loaded:
    if not place.workspace.is_dir():
        raise UsageError(
            "there is no such folder",
            where=str(place.workspace),
            next_step="name the folder of a workspace with -C",
            slug="no-such-folder",
        )
    return load(place.workspace, os.environ)


def _text(value: object) -> str:
    if isinstance(value, list | dict):
        from tidegate.report.json import dump  # noqa: PLC0415 - only for lists of tables

        return dump(value)
    return "-" if value is None else str(value)
