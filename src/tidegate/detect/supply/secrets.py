"""Finds credentials in text: key shapes, confirmed by a checksum or by how random they look.

>>> find_secrets("password = hunter2"), find_secrets("-----BEGIN RSA PRIVATE KEY-----")
([], ['a private key'])
>>> find_secrets("AKIA" + "EXAMPLE" * 2 + "AB"), find_secrets("see ftp://u:pa55-W0rd-9xQ@h.example")
([], ['an address with credentials'])
"""

import math
import re
import zlib
from collections import Counter
from typing import Final

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEYS: Final = re.compile(
    r"\b(?:(?P<checked>(?:gh[pousr]|npm)_[A-Za-z0-9]{36})"
    r"|(?P<random>(?:AKIA|ASIA)[0-9A-Z]{16}|github_pat_[A-Za-z0-9_]{60,90}|hf_[A-Za-z]{34}"
    r"|glpat-[A-Za-z0-9_-]{20}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}"
    r"|sk-ant-[A-Za-z0-9_-]{32,}|sk-(?:proj-)?[A-Za-z0-9_-]{32,}|[rs]k_live_[A-Za-z0-9]{24,}"
    r"|SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}|pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{40,}"
    r"|dop_v1_[0-9a-f]{64}|AccountKey=[A-Za-z0-9+/]{86}==|gsk_[A-Za-z0-9]{52}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}))"
)
_PRIVATE: Final = re.compile(r"-----BEGIN (?:[A-Z]+ ){0,2}PRIVATE KEY-----")
_LOGIN: Final = re.compile(
    r"\b[a-z][a-z0-9+]{1,11}://[A-Za-z0-9._%+-]{0,64}:([^\s/@:\"'<>{}$]{3,128})@[A-Za-z0-9\[]"
)
_PLACEHOLDERS: Final = re.compile(
    r"pass(?:word|wd)?|secret|token|xxx+|changeme|example|user|\*+|your|placeholder", re.IGNORECASE
)
_BEGINNINGS: Final = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_", "AKIA", "ASIA", "github_pat_", "hf_", "glpat-",
    "xox", "AIza", "sk-", "k_live_", "SG.", "pypi-Ag", "dop_v1_", "AccountKey=", "gsk_", "eyJ",
)  # fmt: skip
"""A search for these is quick, and most texts hold none."""
_LEAST_BITS: Final = 3.0
"""Shannon entropy a character below which a key is taken for an example."""


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text, in bits a character.

    >>> entropy("aaaa"), entropy("abcd")
    (0.0, 2.0)
    """
    counts = Counter(text).values()
    return math.fsum(n / len(text) * math.log2(len(text) / n) for n in counts)


def checksum_fits(token: str) -> bool:
    """Tell whether a GitHub or npm token ends in the CRC-32 of its body, in base 62.

    >>> checksum_fits("ghp_" + "a" * 36)
    False
    """
    body, told = token.partition("_")[2][:30], token[-6:]
    rest, digits = zlib.crc32(body.encode()), ""
    while rest:
        rest, digit = divmod(rest, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0") == told


def find_secrets(text: str) -> list[str]:
    """Return what kinds of secrets a text holds; the secrets themselves are never returned."""
    found: list[str] = []
    if "PRIVATE KEY" in text and _PRIVATE.search(text):
        found.append("a private key")
    likely = any(beginning in text for beginning in _BEGINNINGS)
    if likely and any(_is_key(match) for match in _KEYS.finditer(text)):
        found.append("an access key")
    if "://" in text and any(_is_login(match[1]) for match in _LOGIN.finditer(text)):
        found.append("an address with credentials")
    return found


def _is_key(match: "re.Match[str]") -> bool:
    if match["checked"]:
        return checksum_fits(match["checked"])
    key = match["random"]
    return entropy(key) >= _LEAST_BITS and "EXAMPLE" not in key.upper()


def _is_login(password: str) -> bool:
    return _PLACEHOLDERS.search(password) is None and len(set(password)) > 3  # noqa: PLR2004 - "***", "xxxx"
