"""What a word can mean that somebody asks about: code, a package, data, a model, a key.

A text means all that it can: ``sklearn`` is a module and a package, ``credit@1`` a version.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from tidegate.app.workspace import Workspace
from tidegate.core.artifact.reference import resolve
from tidegate.core.digest import Digest
from tidegate.core.errors import UsageError
from tidegate.detect.dependencies.model import normal
from tidegate.interop.bom import Package

_KEY: Final = re.compile(r"[0-9a-f]{64}")
_CODE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_][\w.]*)?")
_PACKAGE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*@?\s*(.*)")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_LONGEST: Final = 2_000
_TWINS: Final = {"os": ("posix", "nt"), "pickle": ("_pickle",), "builtins": ("__builtin__",)}
"""Modules under which Python itself keeps another's functions."""


class Kind(StrEnum):
    """What a model can use."""

    CALLABLE = "callable"
    """A function, class or module that loading it looks up."""
    BASE = "base"
    """A model that it was made from, or shares weights with."""
    DATASET = "dataset"
    """Data that it was made from."""
    KEY = "key"
    """A key that signed it, or anything under it."""
    PACKAGE = "package"
    """A package of its environment."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about."""

    text: str
    kinds: tuple[Kind, ...]
    """What it can be."""
    digests: frozenset[str] = frozenset()
    is_path: bool = False
    """Whether it is a file or folder here."""
    package: str = ""
    """Normalised name."""
    versions: SpecifierSet | None = None
    """Which of its versions; all where it is ``None``."""
    keys: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()
    """How bundles call those keys."""

    def fits_callable(self, name: str) -> bool:
        """Tell whether ``module:name`` is it, lies in it, or is where it is really defined."""
        wanted = self.text.removesuffix(".*").replace(":", ".")
        found = name.replace(":", ".").removesuffix(".*")
        head, _, rest = wanted.partition(".")
        spelt = {wanted, *(f"{twin}.{rest}" for twin in _TWINS.get(head, ()) if rest)}
        if any(found == one or found.startswith(f"{one}.") for one in spelt):
            return True
        # Pickles name where a class is defined: sklearn.linear_model._logistic:LogisticRegression.
        module, _, attribute = name.partition(":")
        package, _, last = wanted.rpartition(".")
        return bool(package) and attribute == last and module.startswith(f"{package}.")

    def fits_package(self, package: Package) -> bool | None:
        """Tell whether a package is it; ``None`` where its version can't be compared."""
        if normal(package.name) != self.package:
            return False
        if self.versions is None:
            return True
        try:
            return self.versions.contains(Version(package.version), prereleases=True)
        except InvalidVersion:
            return None

    def fits_artifact(self, digest: str, name: str) -> bool:
        """Tell whether a digest or a name is it."""
        return digest in self.digests or (bool(name) and name.lower() == self.text.lower())


def ask(workspace: Workspace, text: str, kind: Kind | None = None) -> Question:
    """Find out what a text can mean.

    Args:
        workspace: Says what names and keys there are.
        text: What somebody typed.
        kind: What it is, where they say so.

    Raises:
        UsageError: It can't be that, or nothing at all.
    """
    text = text.strip()
    if not 0 < len(text) <= _LONGEST:
        raise _refused(text, kind)
    keys = _keys(workspace, text)
    digests, is_path = _digests(workspace, text)
    package, versions = _package(text)
    known = {
        Kind.CALLABLE: bool(_CODE.fullmatch(text.removesuffix(".*"))),
        Kind.BASE: True,
        Kind.DATASET: True,
        Kind.KEY: bool(keys),
        Kind.PACKAGE: bool(package),
    }
    if digests and not is_path:  # a digest or a version: nothing else is called so
        known[Kind.CALLABLE] = known[Kind.PACKAGE] = False
    if versions is not None and any(char in text for char in "<>=~!"):
        known = {each: each is Kind.PACKAGE for each in known}
    if _KEY.fullmatch(text):
        known = {each: each is Kind.KEY for each in known}
    kinds = tuple(each for each in Kind if known[each] and kind in (None, each))
    if not kinds:
        raise _refused(text, kind)
    trusted = [one.key for one in workspace.trust.keys if one.key.key_id in keys]
    hints = frozenset(key.hint for key in trusted)
    return Question(text, kinds, digests, is_path, package, versions, keys, hints)


def _digests(workspace: Workspace, text: str) -> tuple[frozenset[str], bool]:
    if text.startswith("sha256:"):
        return frozenset({str(Digest.parse(text))}), False
    named = workspace.directives().resolve(text)
    if named is not None:
        return frozenset({named}), False
    path = Path(text)
    if len(text) <= 255 and path.exists():  # noqa: PLR2004 - the longest name of a file
        return frozenset({str(resolve(path).digest)}), True
    return frozenset(), False


def _keys(workspace: Workspace, text: str) -> frozenset[str]:
    """Return the key of an id, or all keys of a principal."""
    if _KEY.fullmatch(text):
        return frozenset({text})
    return frozenset(
        one.key.key_id for one in workspace.trust.keys if text in {one.principal, one.key.hint}
    )


def _package(text: str) -> tuple[str, SpecifierSet | None]:
    found = _PACKAGE.fullmatch(text)
    if found is None:
        return "", None
    name, rest = found.groups()
    if not rest:
        return normal(name), None
    try:
        given = f"=={rest}" if _VERSION.fullmatch(rest) and "@" in text else rest
        return normal(name), SpecifierSet(given)
    except InvalidSpecifier:
        return "", None


def _refused(text: str, kind: Kind | None) -> UsageError:
    return UsageError(
        f"this is no {kind.value}" if kind else "this can be nothing that a model uses",
        where=text[:100],
        next_step="name module.name, sha256:…, NAME@VERSION, a file, a key id or its principal, or "
        "a package such as 'torch<2.6'",
        slug="no-such-thing",
    )
