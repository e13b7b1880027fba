"""Judges lists of packages that come with a model: where they would be fetched from.

>>> trouble("numpy>=1.26"), trouble("x @ git+https://a.example/x")
(None, 'is fetched from an address of its own')
"""

import re
from collections.abc import Iterable
from typing import Final

from tidegate.core.canonical import Json
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.scan import Scan

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_SPEC: Final = re.compile(
    rf"{_NAME}(?:\[[\w,. -]*\])?\s*(?:\(?\s*(?:[<>=!~]=?=?\s*[\w.*+-]+\s*,?\s*)*\)?)"
    r"(?:\s*;[^\n]*)?(?:\s+--hash=\w+:[0-9a-f]+|\s*\\)*(?:\s+#.*)?"
)
_HASH: Final = re.compile(r"--hash=\w+:[0-9a-f]+(?:\s*\\)?")
_OPTIONS: Final = (
    (("--index-url", "-i", "--extra-index-url"), "names an index of its own"),
    (("--find-links", "-f"), "names a place to find packages"),
    (("--trusted-host",), "turns TLS checks off"),
    (("-e", "--editable"), "installs a package from source"),
    (("-r", "--requirement", "-c", "--constraint"), "includes another file"),
)
_CHANNELS: Final = words("conda-forge defaults nodefaults pytorch nvidia anaconda main bioconda")
_LINES: Final = 5_000
_EVIDENCE: Final = re.compile(
    r"^(?:-[a-z]\s*[\w./]|--[a-z-]+[ =])|[\w\]][ ]?[=<>~!]=|[\w\]] @ |^(?:git|hg|svn|bzr)\+|#egg="
)
"""What makes a list of words one of requirements: a version, an option, a repository."""


def trouble(line: str) -> str | None:
    """Say what is wrong with a requirement; ``None`` where it is a name with versions."""
    text = line.strip()
    for marks, why in _OPTIONS:
        if text.startswith(marks):
            return why
    if "://" in text or text.startswith((".", "/", "file:")) or " @ " in text:
        return "is fetched from an address of its own"
    return None


def examine_list(items: Iterable[Json], scan: Scan) -> None:
    """Examine the requirements of a list."""
    for item in items:
        why = trouble(item) if isinstance(item, str) else None
        if why:
            shown = printable(str(item).partition("://")[0], 80)
            scan.find("config-reference", f"the requirement {shown} {why}", about=str(item)[:200])


def examine_environment(value: dict[str, Json], scan: Scan) -> None:
    """Examine a conda environment: an object with ``dependencies`` and, mostly, ``channels``."""
    listed = value.get("dependencies")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict):
            pip = item.get("pip")
            examine_list(pip if isinstance(pip, list) else (), scan)
        else:
            examine_list((item,), scan)
    channels = value.get("channels")
    for channel in channels if isinstance(channels, list) else ():
        if str(channel) not in _CHANNELS:
            scan.find("config-reference", f"the channel {printable(str(channel), 80)} is unknown")


def examine_text(text: str, scan: Scan) -> bool:
    """Examine a requirements file; ``False`` where a text is none."""
    if text.count("\n") > _LINES:
        return False
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines or not all(_belongs(line) for line in lines):
        return False
    if not any(_EVIDENCE.search(line) for line in lines):
        return False
    examine_list(lines, scan)
    return True


def _belongs(line: str) -> bool:
    if len(line) > 500:  # noqa: PLR2004 - no requirement is that long
        return False
    known = trouble(line) is not None or line.startswith("--")
    return known or _HASH.fullmatch(line) is not None or _SPEC.fullmatch(line) is not None
