"""The types of settings that are durations and sizes, in the schema of the configuration."""

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from tidegate.config.units import (
    DURATION,
    PATTERN,
    SIZE,
    duration,
    duration_text,
    size,
    size_text,
)

__all__ = ["Duration", "Size", "duration", "duration_text", "size", "size_text"]


def _only_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit; write it as text")  # noqa: TRY004 - pydantic's
    return value


def _schema(units: dict[str, int], example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": PATTERN % "|".join(units), "examples": [example]}
    )


Duration = Annotated[
    int,
    BeforeValidator(lambda value: duration(_only_text(value))),
    PlainSerializer(duration_text, return_type=str),
    _schema(DURATION, "15m"),
]
"""Microseconds, written with a unit."""

Size = Annotated[
    int,
    BeforeValidator(lambda value: size(_only_text(value))),
    PlainSerializer(size_text, return_type=str),
    _schema(SIZE, "64KiB"),
]
"""Bytes, written with a unit."""
