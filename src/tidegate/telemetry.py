r"""Structured logs for the surfaces, and optional OpenTelemetry spans.

Library code logs through ``logging.getLogger(__name__)``, ids and digests only. A surface calls
:func:`configure` once; each record is then one JSON object a line, with secrets masked.

>>> redact("dsn postgresql://bob:hunter2@db/x password=abc")
'dsn postgresql://bob:***@db/x password=***'
"""

import json
import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, TextIO

from tidegate.core.clock import iso

LEVELS = ("debug", "info", "warning", "error")
MAX_VALUE = 300
"""Longer values are cut: an id or digest is shorter."""

_SECRETS = (
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"(?<=://)(?P<keep>[^/\s:@]{0,200}:)[^/\s]{1,500}(?=@)"),
    re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"),
    re.compile(
        r"(?i)(?P<keep>\b[\w-]{0,40}(?:password|passphrase|passwd|secret|token|api[_-]?key)"
        r"[\"']?\s{0,3}[=:]\s{0,3})[\"']?[^\s\"',;&]+"
    ),
)
# What every LogRecord has; the rest came in by ``extra`` and is shown.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """Mask private keys, passwords in URLs, tokens and ``secret = value`` pairs."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda match: f"{match.groupdict().get('keep') or ''}***", text)
    return text


class JsonFormatter(logging.Formatter):
    """One record, one line: time, level, logger, event, and the scalar extras."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; an exception is its type and places, never its values."""
        out: dict[str, object] = {
            "time": iso(int(record.created * 1_000_000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _shorten(record.getMessage()),
        }
        for key, value in vars(record).items():
            if key not in _OWN and key not in out:
                out[key] = value if isinstance(value, bool | int) else _shorten(str(value))
        if record.exc_info and record.exc_info[1] is not None:
            out["error"] = getattr(record.exc_info[1], "code", type(record.exc_info[1]).__name__)
            out["at"] = _places(record)
        return json.dumps(out, ensure_ascii=True)


class TextFormatter(JsonFormatter):
    """The same record for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Write ``level event key=value``."""
        fields: dict[str, object] = json.loads(super().format(record))
        head = f"{fields.pop('level')}: {fields.pop('event')}"
        rest = [f"{key}={value}" for key, value in fields.items() if key not in {"time", "logger"}]
        line = " ".join([head, *rest])
        return line if line.isprintable() else line.encode("unicode_escape").decode()


def configure(
    stream: TextIO, *, level: str = "warning", form: Literal["json", "text"] = "json"
) -> logging.Handler:
    """Send Tidegate's own log records to a stream (standard error, at a surface).

    Returns:
        The handler, which a caller may remove from the ``tidegate`` logger again.

    Raises:
        ValueError: No such level.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level!r} is none of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logger = logging.getLogger("tidegate")
    for old in [item for item in logger.handlers if isinstance(item.formatter, JsonFormatter)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False
    return handler


@contextmanager
def span(name: str, **attributes: str | int | bool) -> Generator[None]:
    """Trace a block with OpenTelemetry where its API is installed, else do nothing.

    Exceptions are recorded as a status with their type only, as messages may quote contents.
    """
    try:
        from opentelemetry import trace  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError:
        yield
        return
    tracer = trace.get_tracer("tidegate")
    with tracer.start_as_current_span(
        f"tidegate.{name}", record_exception=False, set_status_on_exception=False
    ) as current:
        for key, value in attributes.items():
            current.set_attribute(f"tidegate.{key}", value)
        try:
            yield
        except BaseException as error:
            current.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
            raise


def _shorten(text: str) -> str:
    masked = redact(text[: 4 * MAX_VALUE])
    return masked if len(masked) <= MAX_VALUE else masked[: MAX_VALUE - 1] + "…"


def _places(record: logging.LogRecord) -> list[str]:
    frame = record.exc_info[2] if record.exc_info else None
    places: list[str] = []
    while frame is not None and len(places) < 20:  # noqa: PLR2004 - enough to find it
        code = frame.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next
    return places
