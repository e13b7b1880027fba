"""The configuration: one ``tidegate.toml`` and ``TIDEGATE_SECTION__KEY`` variables.

::

    loaded = load(Path("."), os.environ)
    loaded.settings.store.url, loaded.origins["store.url"]

Only the composition root and the command line read it; everything else is handed its settings.
"""

from tidegate.config.load import FILE, Loaded, load, schema, shown
from tidegate.config.model import Settings
from tidegate.config.quantity import Duration, Size, duration, duration_text, size, size_text

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
