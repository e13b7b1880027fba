"""Licences: what a distribution states, and whether a list of SPDX ids allows it.

>>> permitted("MIT OR GPL-3.0-only", allowed=frozenset({"mit"}), denied=frozenset())
True
>>> permitted("MIT AND GPL-3.0-only", allowed=frozenset({"mit"}), denied=frozenset())
False
>>> stated_licence(None, ["License :: OSI Approved :: MIT License"], "see file")
'MIT'
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

_CLASSIFIER: Final = "License :: OSI Approved :: "
_SPDX: Final = {
    "Academic Free License (AFL)": "AFL-3.0",
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic-2.0",
    "BSD License": "BSD-2-Clause OR BSD-3-Clause",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License (GPL)": "GPL-2.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.0-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Zope Public License": "ZPL-2.1",
    "zlib/libpng License": "Zlib",
}
_WORDS: Final = {
    "apache 2.0": "Apache-2.0", "apache-2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0", "apache software license": "Apache-2.0",
    "apache2": "Apache-2.0", "apache 2": "Apache-2.0", "apache license version 2.0": "Apache-2.0",
    "bsd": "BSD-2-Clause OR BSD-3-Clause", "bsd license": "BSD-2-Clause OR BSD-3-Clause",
    "new bsd": "BSD-3-Clause", "bsd 3-clause": "BSD-3-Clause", "bsd-3-clause": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause", "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause", "modified bsd license": "BSD-3-Clause",
    "mit": "MIT", "mit license": "MIT", "the mit license": "MIT", "mit licence": "MIT",
    "expat": "MIT", "isc": "ISC", "isc license": "ISC", "mpl 2.0": "MPL-2.0", "mpl-2.0": "MPL-2.0",
    "psf": "PSF-2.0", "psf license": "PSF-2.0", "unlicense": "Unlicense",
    "lgpl": "LGPL-2.0-or-later",
    "gpl": "GPL-2.0-or-later", "gplv3": "GPL-3.0-only", "gpl-3.0": "GPL-3.0-only",
    "lgplv3": "LGPL-3.0-only", "dual license": "",
}  # fmt: skip
_EXPRESSION: Final = re.compile(
    r"\(*\s*[A-Za-z0-9.+-]+(?:\s*[()]*\s*(?:AND|OR|WITH)\s*[()]*\s*[A-Za-z0-9.+-]+)*\s*\)*"
)
_TOKEN: Final = re.compile(r"\(|\)|[^\s()]+")
_LONGEST: Final = 1_000
_DEEPEST: Final = 20
_Fits = Callable[[str], bool]


def stated_licence(
    expression: str | None, classifiers: Iterable[str], words: str | None
) -> str | None:
    """Return an SPDX expression where one can be told; else the words; else nothing."""
    if expression and len(expression) <= _LONGEST and _EXPRESSION.fullmatch(expression):
        return expression
    named = [text.removeprefix(_CLASSIFIER) for text in classifiers if text.startswith(_CLASSIFIER)]
    spdx = [_SPDX[text] for text in named if text in _SPDX]
    line = (words or "").strip().partition("\n")[0].strip()
    if spdx and len(spdx) == len(named):
        # Several classifiers do not say whether all hold or one may be chosen: all must do.
        return " AND ".join(f"({one})" if " OR " in one and len(spdx) > 1 else one for one in spdx)
    known = _WORDS.get(line.lower())
    return known or line[:100] or (" and ".join(named)[:100] or None)


def permitted(text: str, *, allowed: frozenset[str], denied: frozenset[str]) -> bool | None:
    """Tell whether an expression can be met with allowed licences.

    Args:
        text: An SPDX expression; anything else is matched as one name.
        allowed: Ids in lower case; empty allows each that is not denied.
        denied: Ids in lower case.

    Returns:
        ``None`` where the expression can't be read.
    """
    tokens = _TOKEN.findall(text) if _EXPRESSION.fullmatch(text) else [text.replace(" ", "_")]

    def fits(one: str) -> bool:
        name = one.lower()
        forms = {name, name.removesuffix("+"), name.removesuffix("-only"),
                 name.removesuffix("-or-later")}  # fmt: skip
        return not forms & denied and (not allowed or bool(forms & allowed))

    try:
        parts = iter([*tokens, ""])
        value, last = _either(next(parts), parts, fits, 0)
    except (ValueError, StopIteration):
        return None
    return value if last == "" else None


def _either(token: str, rest: Iterator[str], fits: _Fits, depth: int) -> tuple[bool, str]:
    value, token = _both(token, rest, fits, depth)
    while token.upper() == "OR":
        other, token = _both(next(rest), rest, fits, depth)
        value = value or other
    return value, token


def _both(token: str, rest: Iterator[str], fits: _Fits, depth: int) -> tuple[bool, str]:
    value, token = _one(token, rest, fits, depth)
    while token.upper() == "AND":
        other, token = _one(next(rest), rest, fits, depth)
        value = value and other
    return value, token


def _one(token: str, rest: Iterator[str], fits: _Fits, depth: int) -> tuple[bool, str]:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    if token == "(":  # noqa: S105 - a bracket
        value, closing = _either(next(rest), rest, fits, depth + 1)
        if closing != ")":
            raise ValueError("a bracket is open")
        return value, next(rest)
    if token in {"", ")"} or token.upper() in {"AND", "OR", "WITH"}:
        raise ValueError("a licence is missing")
    following = next(rest)
    if following.upper() == "WITH":
        # An exception only adds permissions.
        next(rest)
        following = next(rest)
    return fits(token), following
