"""The JSON Schemas (draft 2020-12) of what ``--format json`` prints, shipped with the package.

>>> schema("problem/v1")["title"]
'problem/v1'
"""

import json
from importlib.resources import files

from tidegate.core.canonical import Json

NAMES: tuple[str, ...] = ("decision/v1", "report/v1", "problem/v1")
"""The value of the key ``schema`` in each document."""


def schema(name: str) -> dict[str, Json]:
    """Return one schema.

    Raises:
        KeyError: There is none of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    file = files("tidegate.report").joinpath(f"data/{name.replace('/', '-')}.json")
    loaded: dict[str, Json] = json.loads(file.read_text(encoding="utf-8"))
    return loaded
