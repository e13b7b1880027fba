"""The files of a data set, one after the other: tables, texts, and what is neither."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from tidegate.core.artifact.hashing import opened
from tidegate.core.errors import EmptySubject
from tidegate.tables.load import is_tabular, load_table

MAX_TEXT = 80_000_000
"""Bytes of a text that are read."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a data set: a table, a text, or the reason why it is neither."""

    name: str
    table: pa.Table | None = None
    text: str = ""
    gap: str = ""


def parts(path: Path) -> Iterator[Part]:
    """Yield the files of a data set in the order of their paths."""
    if path.is_file():
        yield _part(path, path.name)
        return
    for file in sorted(item for item in path.rglob("*") if item.is_file()):
        yield _part(file, file.relative_to(path).as_posix())


def _part(path: Path, name: str) -> Part:
    if path.stat().st_size == 0:
        return Part(name)
    if is_tabular(path):
        try:
            return Part(name, load_table(path))
        except EmptySubject:
            return Part(name)
    return _text(path, name)


def _text(path: Path, name: str) -> Part:
    with opened(path) as (fd, _):
        data = os.pread(fd, MAX_TEXT + 1, 0)
    if len(data) > MAX_TEXT:
        return Part(name, gap=f"text beyond {MAX_TEXT} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return Part(name, gap="not a table and not UTF-8 text: nothing could look into it")
    return Part(name, text=text)
