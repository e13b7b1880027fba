"""The packages of an environment: as installed, or as a requirements lock names them.

>>> [(p.name, p.version, len(p.archives)) for p in locked_packages(
...     "numpy==2.4.6 ; python_version >= '3.11' --hash=sha256:" + "0" * 64)]
[('numpy', '2.4.6', 1)]
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import Distribution, distributions
from typing import Final
from urllib.parse import quote

from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError

_PIN: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([A-Za-z0-9.+!_-]+)")
_HASH: Final = re.compile(r"--hash=(sha256|sha384|sha512):([0-9a-f]+)")
_EXPRESSION: Final = re.compile(r"[A-Za-z0-9.+()-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+()-]+)*")
_CLASSIFIER: Final = "License :: OSI Approved :: "
_MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Package:
    """One Python distribution."""

    name: str
    """Normalized name."""
    version: str
    licence: str | None = None
    """SPDX expression, where the distribution states one."""
    licence_name: str | None = None
    """Any other statement about its licence."""
    archives: tuple[Digest, ...] = ()
    """Digests of the archives that a lock allows."""

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{quote(self.version, safe='.')}"


def installed_packages(found: Iterable[Distribution] | None = None) -> tuple[Package, ...]:
    """Return what is installed in this environment, or what is handed in, by name."""
    packages = {}
    for distribution in distributions() if found is None else found:
        meta: Message = distribution.metadata  # type: ignore[assignment]  # a Message by its docs
        name = _normal(str(meta["Name"] or ""))
        if name and name not in packages:
            packages[name] = Package(name, distribution.version, *_licence(meta))
    return tuple(packages[name] for name in sorted(packages))


def _licence(meta: Message) -> tuple[str | None, str | None]:
    expression = meta["License-Expression"]
    if expression and _EXPRESSION.fullmatch(expression):
        return str(expression), None
    classifiers = [str(text) for text in meta.get_all("Classifier") or []]
    named = [text.removeprefix(_CLASSIFIER) for text in classifiers if text.startswith(_CLASSIFIER)]
    stated = str(meta["License"] or "").strip().partition("\n")[0]
    name = " and ".join(named) or stated
    return None, name[:_MAX_NAME] or None


def locked_packages(text: str) -> tuple[Package, ...]:
    """Read a requirements lock: pinned names with hashes.

    Raises:
        SubjectError: A requirement is not pinned by ``==``.
    """
    packages: dict[str, Package] = {}
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.partition(" #")[0].strip()
        if not line or line.startswith(("#", "--")):
            continue
        pin = _PIN.match(line)
        if pin is None:
            raise SubjectError(
                "a requirement is not pinned",
                where=line[:100],
                next_step="write name==version with --hash for each",
                slug="unpinned-requirement",
            )
        name = _normal(pin[1])
        archives = tuple(Digest(kind, value) for kind, value in _HASH.findall(line))
        packages[name] = Package(name, pin[2], archives=archives)
    return tuple(packages[name] for name in sorted(packages))


def _normal(name: str) -> str:
    """Normalize a name (packaging specifications, "Name normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()
