"""Environment variables that stand for keys: ``TIDEGATE_STORE__URL`` is ``store.url``.

A variable that begins with ``TIDEGATE_`` and is no key is refused: a misspelt one would
otherwise silently leave the default in force.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BeforeValidator

from tidegate.config.model import Section, Settings
from tidegate.core.errors import ConfigError

PREFIX = "TIDEGATE_"

OTHER_VARIABLES = frozenset(
    {
        "TIDEGATE_FOLDER",  # folder of tidegate.toml, for plug-ins of other programs
        "TIDEGATE_DEBUG",  # traceback of an error on standard error
        "TIDEGATE_INPUTS",  # handed to wrapped commands
        "TIDEGATE_OUTPUT",  # same
        "TIDEGATE_DATA_FORMAT",  # same
        "TIDEGATE_REQUIRE_SERVICES",  # makes a missing service fail the test suite
    }
)
"""Variables that are not configuration."""

FREE_PREFIXES = ("TIDEGATE_TEST_", "TIDEGATE_PARAM_")
"""Variables of the test suite, and parameters of wrapped commands."""


def all_keys() -> list[tuple[str, str]]:
    """Return every section and key."""
    return [(section, key) for section, model in sections().items() for key in model.model_fields]


def variables() -> dict[str, tuple[str, str]]:
    """Return every variable that can be set, with its section and key."""
    return {
        f"{PREFIX}{section.upper()}__{key.upper()}": (section, key)
        for section, key in all_keys()
        if not _is_list_of_tables(section, key)
    }


def sections() -> dict[str, type[Section]]:
    """Return the model of each section."""
    found: dict[str, type[Section]] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found[name] = field.annotation
    return found


def read(environ: Mapping[str, str]) -> dict[tuple[str, str], Any]:
    """Return the value of each key that the environment sets.

    Raises:
        ConfigError: A variable is misspelt, or its value does not fit its key.
    """
    known = variables()
    found: dict[tuple[str, str], Any] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES or name.startswith(FREE_PREFIXES):
            continue
        if name not in known:
            raise _misspelt(name, known)
        section, key = known[name]
        found[section, key] = _value(name, section, key, environ[name])
    return found


def _misspelt(name: str, known: Mapping[str, object]) -> ConfigError:
    close = get_close_matches(name, [*known, *OTHER_VARIABLES], n=1)
    return ConfigError(
        f"the environment variable {name} is no setting",
        where=f"environment {name}",
        next_step=f"did you mean {close[0]}?" if close else "unset it, or see the reference",
        slug="unknown-variable",
    )


def _value(name: str, section: str, key: str, text: str) -> Any:
    """Bring the text into the type that the file would have; the model checks the rest."""
    annotation = sections()[section].model_fields[key].annotation
    if annotation is int and not _written_with_unit(section, key):
        try:
            return int(text)
        except ValueError:
            raise ConfigError(
                f"{section}.{key}: {text[:40]!r} is not a whole number",
                where=f"environment {name}",
                next_step=f"correct it or unset {name}",
                slug="bad-value",
            ) from None
    if get_origin(annotation) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _is_list_of_tables(section: str, key: str) -> bool:
    # A list of tables has no form in one variable.
    annotation = sections()[section].model_fields[key].annotation
    return any(
        isinstance(part, type) and issubclass(part, Section) for part in get_args(annotation)
    )


def _written_with_unit(section: str, key: str) -> bool:
    metadata = sections()[section].model_fields[key].metadata
    return any(isinstance(item, BeforeValidator) for item in metadata)
