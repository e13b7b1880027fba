"""Looks for code, links and secrets in short texts: metadata values and configuration strings."""

import re
from typing import Final

from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.secrets import find_secrets

_PYTHON: Final = (
    r"\b(?:eval|exec|compile|__import__|getattr)\s*\(|\bos\.(?:system|popen)|\bsubprocess\."
    r"|\bimport\s+(?:os|subprocess|socket|base64|ctypes)\b"
)
_SHELL: Final = (
    r"\brm\s+-[a-z]*[rf]|\bchmod\s+[0-7+]|\b(?:curl|wget|nc)\s+\S*(?:https?://|-[a-zA-Z])"
    r"|\|\s*(?:ba)?sh\b|\$\(\s*\w+"
)
_CODE: Final = (
    ("a script tag", re.compile(r"<script\b|javascript:", re.IGNORECASE)),
    ("Python code", re.compile(_PYTHON)),
    ("a shell command", re.compile(_SHELL)),
)
_LINK: Final = (
    "a link without TLS",
    re.compile(r"\b(?:http|ftp)://(?!localhost\b|127\.|www\.w3\.org)"),
)
_LIMIT: Final = 1 << 20
_PAYLOAD: Final = 64
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_=\s-]+")
_PAYLOADS: Final = (
    ("f0VMR", "a program (ELF)"),
    ("7f454c46", "a program (ELF)"),
    ("TVqQAA", "a program (PE)"),
    ("4d5a9000", "a program (PE)"),
    ("z/rt/", "a program (Mach-O)"),
    ("UEsDB", "a zip archive"),
    ("504b0304", "a zip archive"),
    ("gASV", "a pickle"),
    ("gAWV", "a pickle"),
    ("80049", "a pickle"),
    ("80059", "a pickle"),
    ("IyEv", "a script"),
    ("#!/", "a script"),
)
"""Beginnings of what no configuration needs, in base64 and hexadecimal."""


def examine_metadata(name: str, text: str, scan: Scan, *, links: bool = True) -> None:
    """Report code, links and secrets in one metadata value; the value itself is not repeated.

    Args:
        name: The value's name, for messages.
        text: The value.
        scan: Where findings go.
        links: Whether a link without TLS is told; not where the field is made for one.
    """
    for what, pattern in (*_CODE, _LINK) if links else _CODE:
        if pattern.search(text, 0, _LIMIT):
            _tell(name, what, scan)
    for what in find_secrets(text[:_LIMIT]):
        _tell(name, what, scan)
    examine_payload(text, scan)


def examine_secrets(text: str, scan: Scan, at: int | None = None) -> None:
    """Report secrets in a text document, or in a part of it that begins at an offset."""
    for what in find_secrets(text):
        _tell("the text", what, scan, at)


def examine_payload(text: str, scan: Scan) -> None:
    """Report a program, an archive or a pickle that lies in a string, raw or encoded."""
    if len(text) < _PAYLOAD:
        return
    head = text[:64].lstrip()
    for mark, what in _PAYLOADS:
        if head.startswith(mark) and (mark[0] == "#" or _ENCODED.fullmatch(head)):
            scan.find("metadata-content", f"a string holds {what}", about=f"payload {what}")


def _tell(name: str, what: str, scan: Scan, at: int | None = None) -> None:
    about = f"{name} {what}"
    scan.find("metadata-content", f"{printable(name, 80)!r} holds {what}", at, about=about)
