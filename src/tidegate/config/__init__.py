"""The configuration: one ``tidegate.toml`` and ``TIDEGATE_SECTION__KEY`` variables.

::

    loaded = load(Path("."), os.environ)
    loaded.settings.store.url, loaded.origins["store.url"]

Only the composition root and the command line read it; everything else is handed its settings.
Names are loaded when they are first used: a command that reads no settings does not pay for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.config.model import Settings
    from tidegate.config.quantity import Duration, Size
    from tidegate.config.reading import FILE, Loaded, load, schema, shown
    from tidegate.config.units import duration, duration_text, size, size_text

_HOMES = {
    **dict.fromkeys(("FILE", "Loaded", "load", "schema", "shown"), "reading"),
    **dict.fromkeys(("Settings",), "model"),
    **dict.fromkeys(("Duration", "Size"), "quantity"),
    **dict.fromkeys(("duration", "duration_text", "size", "size_text"), "units"),
}

__all__ = [
    "FILE",
    "Duration",
    "Loaded",
    "Settings",
    "Size",
    "duration",
    "duration_text",
    "load",
    "schema",
    "shown",
    "size",
    "size_text",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
