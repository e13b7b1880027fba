"""From a path to lock files: which reader a file gets, and which files of a folder are locks."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tidegate.core.errors import CheckError, SubjectError
from tidegate.core.finding import Skipped
from tidegate.detect.dependencies.documents import (
    json_value,
    read_bytes,
    refusal,
    text_of,
    yaml_value,
)
from tidegate.detect.dependencies.model import Format, LockFile
from tidegate.detect.dependencies.readers.conda import (
    read_conda_lock,
    read_environment,
    read_explicit,
)
from tidegate.detect.dependencies.readers.installed import read_installed, site_folders
from tidegate.detect.dependencies.readers.pip_report import read_pip_report
from tidegate.detect.dependencies.readers.pipfile import read_pipfile
from tidegate.detect.dependencies.readers.poetry import read_poetry
from tidegate.detect.dependencies.readers.pylock import read_pylock
from tidegate.detect.dependencies.readers.requirements import read_requirements
from tidegate.detect.dependencies.readers.uv import read_uv

MAX_FILES: Final = 1_000
"""Lock files of one folder."""
_MAX_ENTRIES: Final = 200_000
_PASSED_OVER: Final = frozenset(
    {".git", ".hg", ".svn", ".tox", ".nox", "node_modules", "__pycache__", "site-packages"}
)
_BY_NAME: Final = (
    (re.compile(r"uv\.lock"), Format.UV),
    (re.compile(r"poetry\.lock"), Format.POETRY),
    (re.compile(r"pylock(\.[^.]+)?\.toml"), Format.PYLOCK),
    (re.compile(r"Pipfile\.lock"), Format.PIPFILE),
    (re.compile(r"(.+\.)?conda-lock\.ya?ml"), Format.CONDA_LOCK),
    (re.compile(r"conda-.+\.lock|explicit\.txt"), Format.CONDA_EXPLICIT),
    (re.compile(r"(.+[-_.])?environment([-_.].+)?\.ya?ml"), Format.CONDA_ENVIRONMENT),
    (
        re.compile(r"(.+[-_.])?(requirements|constraints)([-_.].+)?\.(txt|lock)"),
        Format.REQUIREMENTS,
    ),
)
_TEXT: Final = {
    Format.UV: read_uv,
    Format.POETRY: read_poetry,
    Format.PYLOCK: read_pylock,
    Format.CONDA_EXPLICIT: read_explicit,
}
_YAML: Final = {
    Format.CONDA_LOCK: read_conda_lock,
    Format.CONDA_ENVIRONMENT: read_environment,
}
_JSON: Final = {Format.PIPFILE: read_pipfile, Format.PIP_REPORT: read_pip_report}
_UNREAD: Final = frozenset({"pdm.lock", "Pipfile", "pixi.lock"})
"""Files that hold dependencies and have no reader."""


def read_path(path: Path, root: Path | None = None) -> list[LockFile]:
    """Read a lock file, an environment, or each lock of a folder.

    A file of a folder that can't be read gives a lock file with a gap.

    Raises:
        SubjectError: There is nothing at the path.
        CheckError: The file can't be read.
    """
    if not path.exists():
        raise SubjectError(
            "there is nothing to check here",
            where=str(path),
            next_step="name a lock file, an environment or a folder",
            slug="no-such-file",
        )
    if path.is_dir():
        sites = site_folders(path)
        if sites:
            return [
                read_installed(site, _shown(site, path), _environment(site, path)) for site in sites
            ]
        return [_lenient(file, file.relative_to(path).as_posix(), path) for file in _locks(path)]
    base = root or (Path.cwd() if path.resolve().is_relative_to(Path.cwd()) else path.parent)
    return [read_lock(path, path.as_posix(), base)]


def _shown(site: Path, path: Path) -> str:
    return path.name if site == path else f"{path.name}/{site.relative_to(path).as_posix()}"


def _environment(site: Path, path: Path) -> Path:
    """Return what RECORD may name files of: scripts lie beside ``lib``."""
    if site != path:
        return path
    parents = path.resolve().parents
    return next((one for one in parents[:4] if (one / "pyvenv.cfg").exists()), path)


def _lenient(file: Path, shown: str, root: Path) -> LockFile:
    try:
        return read_lock(file, shown, root)
    except CheckError as error:
        form = named_format(file.name) or Format.REQUIREMENTS
        why = f"{error.problem}{f': {error.cause}' if error.cause else ''}"
        return LockFile(
            shown, form, (), gaps=(Skipped(error.where or shown, why),), unreadable=True
        )


def _locks(folder: Path) -> Iterator[Path]:
    entries = found = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            one for one in folders
            if one not in _PASSED_OVER and not Path(place, one, "pyvenv.cfg").exists()
        )  # fmt: skip
        entries += len(files)
        if entries > _MAX_ENTRIES or found > MAX_FILES:
            raise CheckError(
                "the folder holds too many files",
                where=str(folder),
                next_step="name the lock files",
                slug="too-many-files",
            )
        for name in sorted(files):
            if named_format(name) or name in _UNREAD:
                found += 1
                yield Path(place, name)


def named_format(name: str) -> Format | None:
    """Return the format that a file's name stands for."""
    return next((form for pattern, form in _BY_NAME if pattern.fullmatch(name)), None)


def read_lock(file: Path, shown: str, root: Path) -> LockFile:
    """Read one lock file; its content decides where its name says nothing.

    Raises:
        CheckError: It can't be read, or is of no known format.
    """
    data = read_bytes(file, shown)
    if file.name in _UNREAD:
        raise refusal("a format that is not read", shown)
    text = text_of(data, shown)
    form = named_format(file.name) or _sniff(text, shown)
    if form is Format.REQUIREMENTS and text.lstrip().startswith("@EXPLICIT"):
        form = Format.CONDA_EXPLICIT
    if form is Format.REQUIREMENTS:
        return read_requirements(text, shown, file, root)
    if form in _TEXT:
        return _TEXT[form](text, shown)
    if form in _YAML:
        return _YAML[form](yaml_value(text, shown), shown)
    return _JSON[form](json_value(data, shown), shown)


def _sniff(text: str, shown: str) -> Format:
    start = text[:20_000]
    # Poetry writes its mark at the end.
    if re.search(r"^content-hash\s*=", text[-5_000:], re.MULTILINE):
        return Format.POETRY
    signs = (
        (r"^lock-version\s*=", Format.PYLOCK),
        (r"generated by Poetry", Format.POETRY),
        (r"^@EXPLICIT\s*$", Format.CONDA_EXPLICIT),
        (r'^\s*"pip_version"\s*:|^\{"version":\s*"1",\s*"pip_version"', Format.PIP_REPORT),
        (r'(?:^|\{)\s*"_meta"\s*:', Format.PIPFILE),
        (r"^\s*content_hash\s*:", Format.CONDA_LOCK),
        (r"^dependencies\s*:\s*$", Format.CONDA_ENVIRONMENT),
        (r"^requires-python\s*=|^\[\[package\]\]", Format.UV),
    )
    for pattern, form in signs:
        if re.search(pattern, start, re.MULTILINE):
            return form
    if re.search(r"^\s*[\[{]", start):
        raise refusal("a format that is not known", shown)
    return Format.REQUIREMENTS
