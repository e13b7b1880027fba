"""An installed environment: each distribution's metadata, and its files against their RECORD.

Nothing of it is imported. A RECORD is not signed: whoever changed a file could have changed it,
too; it tells damage and careless tampering. Files that run whenever Python starts, and that no
distribution owns, are told apart.
"""

import base64
import csv
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import Parser
from pathlib import Path
from stat import S_ISREG
from typing import Final

from tidegate.core.errors import CheckError
from tidegate.core.finding import Location, Skipped
from tidegate.detect.dependencies.documents import (
    MAX_DEPENDENCIES,
    json_value,
    read_bytes,
    table_field,
    text_field,
)
from tidegate.detect.dependencies.licences import stated_licence
from tidegate.detect.dependencies.model import (
    Damage,
    Dependency,
    Format,
    LockFile,
    Source,
    normal,
)
from tidegate.detect.dependencies.readers.pip_report import direct_source

MAX_FILES: Final = 1_000_000
MAX_HASHED: Final = 64 << 30
"""Bytes of one environment that are hashed."""
_DAMAGE: Final = 200
_CHUNK: Final = 1 << 20
_ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})
_STARTUP: Final = re.compile(r"^import[ \t]", re.MULTILINE)
_STARTUP_FILES: Final = frozenset({"sitecustomize.py", "usercustomize.py"})
_VIRTUALENV: Final = b"import _virtualenv"


@dataclass(slots=True)
class _State:
    site: Path
    root: Path
    """Nothing outside it is read."""
    shown: str
    damage: list[Damage] = field(default_factory=list[Damage])
    gaps: list[Skipped] = field(default_factory=list[Skipped])
    owned: set[str] = field(default_factory=set[str])
    files: int = 0
    hashed: int = 0

    def harm(self, name: str, problem: str, path: str, kind: str) -> None:
        if len(self.damage) < _DAMAGE:
            self.damage.append(Damage(name, problem, Location(path), kind))


def site_folders(folder: Path) -> list[Path]:
    """Return the folders of an environment that hold distributions; none where it is no such."""
    if any(folder.glob("*.dist-info")):
        return [folder]
    patterns = ("lib/python3*/site-packages", "lib64/python3*/site-packages", "Lib/site-packages")
    found = [place for pattern in patterns for place in folder.glob(pattern)]
    unique: dict[Path, Path] = {}
    for one in found:
        if one.is_dir():
            unique.setdefault(one.resolve(), one)
    return list(unique.values())


def read_installed(site: Path, path: str, root: Path) -> LockFile:
    """Read one folder of distributions.

    Args:
        site: The folder, such as ``…/site-packages``.
        path: How findings call it.
        root: The environment; RECORD may name files in it, and none outside.

    Raises:
        CheckError: It can't be read.
    """
    state = _State(site.resolve(), root.resolve(), path)
    found: list[Dependency] = []
    try:
        names = sorted(one.name for one in site.iterdir())
    except OSError as error:
        raise CheckError(
            "the environment can't be read", where=path, cause=error.strerror, slug="bad-lock"
        ) from None
    for name in names:
        if name.endswith(".dist-info") and len(found) < MAX_DEPENDENCIES:
            try:
                found.append(_distribution(site / name, state))
            except CheckError as error:
                state.gaps.append(Skipped(f"{path}/{name}", error.problem))
        elif name.endswith((".egg-info", ".egg", ".egg-link")):
            state.gaps.append(Skipped(f"{path}/{name}", "eggs carry no record of their files"))
    _startup(names, state)
    return LockFile(
        path, Format.INSTALLED, tuple(found), (), tuple(state.gaps), tuple(state.damage)
    )


def _distribution(folder: Path, state: _State) -> Dependency:
    shown = f"{state.shown}/{folder.name}"
    raw = read_bytes(folder / "METADATA", f"{shown}/METADATA")
    meta: Message = Parser().parsestr(raw.decode("utf-8", "replace"), headersonly=True)
    written = str(meta["Name"] or "")
    if not written:
        raise CheckError("METADATA has no name", where=shown, slug="bad-lock")
    direct = folder / "direct_url.json"
    told = {}
    if direct.exists():
        told = json_value(read_bytes(direct, f"{shown}/direct_url.json"), shown)
        told = told if isinstance(told, dict) else {}
    _record(folder, written, state)
    archive = table_field(told, "archive_info")
    hashes = tuple(f"{kind}:{one}" for kind, one in table_field(archive, "hashes").items())
    return Dependency(
        normal(written),
        Location(f"{shown}/METADATA"),
        str(meta["Version"] or "") or None,
        written,
        source=direct_source(told, direct=True) if told else Source.UNSTATED,
        address=text_field(told, "url"),
        revision=text_field(table_field(told, "vcs_info"), "commit_id"),
        hashes=hashes,
        direct=(folder / "REQUESTED").exists() or None,
        licence=stated_licence(
            str(meta["License-Expression"] or "") or None,
            [str(one) for one in meta.get_all("Classifier") or []],
            str(meta["License"] or "") or None,
        ),
    )


def _record(folder: Path, name: str, state: _State) -> None:
    shown = f"{state.shown}/{folder.name}/RECORD"
    try:
        text = read_bytes(folder / "RECORD", shown).decode("utf-8")
    except (CheckError, UnicodeDecodeError):
        state.gaps.append(Skipped(f"{state.shown}/{folder.name}", "it has no RECORD"))
        return
    for row in _rows(text, shown):
        state.files += 1
        if state.files > MAX_FILES:
            raise CheckError(f"more than {MAX_FILES} files", where=shown, slug="bad-lock")
        _file(row, name, state)


def _rows(text: str, shown: str) -> Iterator[tuple[str, str]]:
    try:
        for row in csv.reader(text.splitlines()):
            if len(row) >= 2 and row[0]:  # noqa: PLR2004 - path and hash
                yield row[0], row[1]
    except csv.Error as error:
        raise CheckError(
            "RECORD can't be read", where=shown, cause=str(error), slug="bad-lock"
        ) from None


def _file(row: tuple[str, str], name: str, state: _State) -> None:
    path, wanted = row
    place = Path(os.path.normpath(state.site / path))
    if not place.is_relative_to(state.root):
        state.gaps.append(Skipped(path[:200], f"{name} records it outside the environment"))
        return
    if place.parent == state.site:
        state.owned.add(place.name)
    kind, _, value = wanted.partition("=")
    if kind not in _ALGORITHMS:
        return  # RECORD itself, and compiled files, have none
    shown = f"{state.shown}/{path}"
    found = _digest(place, kind, state)
    if found is None:
        state.harm(
            name, "a file that was installed is not there, or can't be read", shown, "missing"
        )
    elif base64.urlsafe_b64encode(found).rstrip(b"=").decode() != value.rstrip("="):
        state.harm(name, "a file is not as it was installed", shown, "changed")


def _digest(place: Path, kind: str, state: _State) -> bytes | None:
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not S_ISREG(status.st_mode):
                return None
            state.hashed += status.st_size
            if state.hashed > MAX_HASHED:
                raise CheckError(
                    f"more than {MAX_HASHED} bytes of files", where=str(place), slug="bad-lock"
                )
            digest = hashlib.new(kind)
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            return digest.digest()
    except OSError:
        return None


def _startup(names: list[str], state: _State) -> None:
    """Report files that the interpreter runs when it starts and that no distribution owns."""
    for name in names:
        if name in state.owned or not (name in _STARTUP_FILES or name.endswith(".pth")):
            continue
        shown = f"{state.shown}/{name}"
        try:
            data = read_bytes(state.site / name, shown)
        except CheckError as error:
            state.gaps.append(Skipped(shown, error.problem))
            continue
        if name.endswith(".pth") and not _STARTUP.search(data.decode("utf-8", "replace")):
            continue
        known = data.strip() == _VIRTUALENV
        kind = "startup-known" if known else "startup"
        state.harm(name, "it runs whenever Python starts, and no distribution owns it", shown, kind)
