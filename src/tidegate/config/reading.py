"""Read ``tidegate.toml`` and the environment into settings, and remember where each came from.

A setting comes from the environment, else from the file, else from the default.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tidegate.config import environment, locate
from tidegate.config.model import SECRET, Settings
from tidegate.core.errors import ConfigError

FILE = "tidegate.toml"
MAX_BYTES = 1_000_000
"""A larger file is refused unread."""

DEFAULT = "default"
HIDDEN = "***"

_PASSWORD = re.compile(
    r"(?<=://)(?P<user>[^:@/?#\s]*:).*(?=@)|(?<=[?&])(?P<name>[^=&]*(?:pass|secret|token|key)[^=&]*=)[^&#]*",
    re.IGNORECASE,
)
"""The password before the last at sign of a URL, and what its query calls a secret."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and the origin of each."""

    settings: Settings
    origins: Mapping[str, str]
    """``store.url`` → ``default``, ``tidegate.toml:4`` or ``environment TIDEGATE_STORE__URL``."""
    file: Path | None
    """The file that was read; ``None`` when there is none."""


def load(folder: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration of a workspace folder; without a file, defaults hold.

    Raises:
        ConfigError: The file can't be read or parsed, a key or variable is unknown, or a value
            does not fit. It names the file, the line and the key.
    """
    file = folder / FILE
    text = _read(file)
    values = _parse(file, text) if text is not None else {}
    places = locate.lines(text or "")
    origins = _file_origins(values, places)
    for (section, key), value in environment.read(environ).items():
        table = values.setdefault(section, {})
        if not isinstance(table, dict):
            break  # validation names it
        cast("dict[str, Any]", table)[key] = value
        origins[f"{section}.{key}"] = (
            f"environment {environment.PREFIX}{section.upper()}__{key.upper()}"
        )
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _explain(error, file, places, origins) from None
    known = {f"{section}.{key}": DEFAULT for section, key in environment.all_keys()}
    return Loaded(settings, {**known, **origins}, file if text is not None else None)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    out = Settings.model_json_schema()
    # pydantic writes defaults as Python holds them; a reader needs them as the file has them.
    for section, table in shown(Settings()).items():
        fields = out["$defs"][environment.sections()[section].__name__]["properties"]
        for key, value in table.items():
            fields[key]["default"] = value
    out["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    out["title"] = FILE
    return out


def shown(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return every value as it may be shown: secrets and passwords in URLs are hidden."""
    return {
        section: {
            key: _hide(value, secret=_secret(getattr(settings, section), key))
            for key, value in table.items()
        }
        for section, table in settings.model_dump(mode="json").items()
    }


def _read(file: Path) -> str | None:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(
                f"the file is larger than {MAX_BYTES} bytes", where=str(file), slug="size"
            )
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the file is not UTF-8",
            where=str(file),
            cause=f"byte {error.start} can't be decoded",
            next_step="save it as UTF-8",
            slug="encoding",
        ) from None
    except OSError as error:
        raise ConfigError(
            "the configuration can't be read",
            where=str(file),
            cause=error.strerror,
            slug="unreadable",
        ) from None


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        last = text.rstrip().count("\n") + 1
        line = f"{place[1]}:{place[2]}" if place else str(last)
        raise ConfigError(
            "the file is not valid TOML",
            where=f"{file}:{line}",
            cause=str(error).partition(" (at ")[0],
            next_step="correct that line, then run `tidegate config check`",
            slug="syntax",
        ) from None


def _file_origins(values: Mapping[str, Any], places: Mapping[locate.Path, int]) -> dict[str, str]:
    origins: dict[str, str] = {}
    for section, table in values.items():
        if isinstance(table, dict):
            for key in cast("dict[str, Any]", table):
                line = (
                    places.get((section, key))
                    or places.get((section, key, 0))
                    or places.get((section,))
                )
                origins[f"{section}.{key}"] = f"{FILE}:{line}" if line else FILE
    return origins


def _explain(
    error: ValidationError,
    file: Path,
    places: Mapping[locate.Path, int],
    origins: Mapping[str, str],
) -> ConfigError:
    first = error.errors(include_url=False, include_input=False)[0]
    path = tuple(first["loc"])
    dotted = ".".join(str(part) for part in path)
    line = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), None)
    where = f"{file}:{line}" if line else str(file)
    origin = origins.get(".".join(str(part) for part in path[:2]), "")
    where = origin if origin.startswith("environment ") else where
    if first["type"] == "extra_forbidden":
        return _unknown(path, dotted, where)
    return ConfigError(
        f"{dotted}: {_message(first)}",
        where=where,
        cause=_more(error),
        next_step="correct it; `tidegate config schema` lists what each key takes",
        slug="bad-value",
    )


def _unknown(path: tuple[int | str, ...], dotted: str, where: str) -> ConfigError:
    names = _siblings(path)
    close = get_close_matches(str(path[-1]), names, n=1)
    kind = "section" if len(path) == 1 else "key"
    options = f"known here: {', '.join(names)}"
    return ConfigError(
        f"unknown {kind} {dotted!r}",
        where=where,
        cause=None if close else options,
        next_step=f"did you mean {close[0]!r}?" if close else "remove it or move it",
        slug="unknown-key",
    )


def _siblings(path: tuple[int | str, ...]) -> list[str]:
    """Return the names that could stand where the last part of a path stands."""
    model: Any = Settings
    for part in path[:-1]:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        arguments = getattr(field.annotation, "__args__", ()) if field else ()
        candidates = (field.annotation, *arguments) if field else ()
        model = next(
            (item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)),
            None,
        )
        if model is None:
            return []
    return list(model.model_fields)


def _message(first: ErrorDetails) -> str:
    return first["msg"].removeprefix("Value error, ")


def _more(error: ValidationError) -> str | None:
    count = error.error_count() - 1
    return f"{count} more settings do not fit" if count else None


def _secret(section: BaseModel, key: str) -> bool:
    extra = type(section).model_fields[key].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get(SECRET))


def _hide(value: Any, *, secret: bool) -> Any:
    if secret:
        return HIDDEN if value is not None else None
    if isinstance(value, str) and "://" in value:
        return _PASSWORD.sub(lambda match: f"{match['user'] or match['name']}{HIDDEN}", value)
    return value
