"""``tidegate config``: check it, show it with the origin of each value, write its schema."""

import os
from typing import Annotated

from cyclopts import App

from tidegate.cli import output
from tidegate.cli.options import FLAT, Flag, Place, Reading
from tidegate.config import FILE, Loaded, load, schema, shown
from tidegate.core.errors import UsageError

app = App(name="config", help="Check and show the configuration and where it comes from.")


@app.command
def check(*, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """Check the configuration file and the environment.

    JSON: `ok`; `file`, or null where there is none; `set`, the settings that are no defaults.

    Args:
        reading: Where the workspace is, and how the answer is shown.
    """
    loaded = _load(reading)
    set_keys = [key for key, origin in loaded.origins.items() if origin != "default"]
    source = FILE if loaded.file else f"no {FILE}: defaults"
    facts = {"ok": True, "file": loaded.file and str(loaded.file), "set": set_keys}
    said = f"ok: {source}, {len(set_keys)} of {len(loaded.origins)} settings are set"
    output.emit(reading, facts, said)
    return 0


@app.command
def show(*, origin: Flag = False, reading: Annotated[Reading, FLAT] = Reading()) -> int:
    """Show every setting; secrets are hidden.

    JSON: `settings` (`setting`, `value`, `origin`).

    Args:
        origin: Say where each value comes from; a program is always told.
        reading: Where the workspace is, and how the answer is shown.
    """
    loaded = _load(reading)
    values = {
        f"{section}.{key}": value
        for section, table in shown(loaded.settings).items()
        for key, value in table.items()
    }
    facts = [
        {"setting": key, "value": value, "origin": loaded.origins[key]}
        for key, value in values.items()
    ]
    headers = ("setting", "value", "from") if origin else ("setting", "value")
    rows = [
        (key, _text(value), loaded.origins[key])[: len(headers)] for key, value in values.items()
    ]
    output.emit(reading, {"settings": facts}, output.Table(headers, rows))
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
