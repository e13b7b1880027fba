"""The packages of an environment: as installed, or as a lock file names them.

>>> {package.kind for package in installed_packages()}
{'library'}
"""

import re
from collections.abc import Iterable
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tidegate.core.errors import SubjectError
from tidegate.detect.dependencies.model import Dependency, Ecosystem, Source
from tidegate.detect.dependencies.readers.dispatch import read_path
from tidegate.interop.bom.model import Package
from tidegate.interop.bom.reading import parse_digest

_EXPRESSION: Final = re.compile(r"[A-Za-z0-9.+()-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+()-]+)*")
_CLASSIFIER: Final = "License :: OSI Approved :: "
_MAX_NAME: Final = 100


def installed_packages(found: Iterable[Distribution] | None = None) -> tuple[Package, ...]:
    """Return what is installed in this environment, or what is handed in, by name."""
    packages = {}
    for distribution in distributions() if found is None else found:
        meta: Message = distribution.metadata  # type: ignore[assignment]  # a Message by its docs
        name = _normal(str(meta.get("Name") or ""))
        if name and name not in packages:
            packages[name] = Package.pypi(name, distribution.version, *_licence(meta))
    return tuple(packages[name] for name in sorted(packages))


def _licence(meta: Message) -> tuple[str | None, str | None]:
    # Not meta[…]: where importlib_metadata was imported, that raises for what is absent.
    expression = meta.get("License-Expression")
    if expression and _EXPRESSION.fullmatch(expression):
        return str(expression), None
    classifiers = [str(text) for text in meta.get_all("Classifier") or []]
    named = [text.removeprefix(_CLASSIFIER) for text in classifiers if text.startswith(_CLASSIFIER)]
    stated = str(meta.get("License") or "").strip().partition("\n")[0]
    name = " and ".join(named) or stated
    return None, name[:_MAX_NAME] or None


def locked_packages(path: Path) -> tuple[Package, ...]:
    """Return what a lock file names, whichever tool wrote it, or the locks of a folder.

    Raises:
        SubjectError: Something of it can't be read, so that the list would not be whole.
    """
    packages: dict[tuple[str, str], Package] = {}
    for lock in read_path(path):
        if lock.unreadable or lock.gaps:
            raise SubjectError(
                "the lock can't be read in full",
                where=lock.path,
                cause=lock.gaps[0].why if lock.gaps else None,
                next_step="run `tidegate deps check` on it",
                slug="lock-unreadable",
            )
        for found in lock.dependencies:
            if found.source is not Source.SELF:
                packages[found.name, found.version or ""] = _package(found)
    return tuple(packages[key] for key in sorted(packages))


def _package(found: Dependency) -> Package:
    version, stated = found.version or "", found.licence or ""
    spdx = bool(_EXPRESSION.fullmatch(stated))
    archives = [parse_digest(text) for text in found.hashes]
    kind = "pypi" if found.ecosystem is Ecosystem.PYPI else "conda"
    mark = f"@{quote(version, safe='.')}" if version else ""
    return Package(
        name=found.name,
        version=version,
        licence=stated if spdx else None,
        licence_name=None if spdx else stated[:_MAX_NAME] or None,
        archives=tuple(digest for digest in archives if digest),
        purl=f"pkg:{kind}/{found.name}{mark}",
    )


def _normal(name: str) -> str:
    """Normalize a name (packaging specifications, "Name normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()
