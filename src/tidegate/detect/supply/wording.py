"""Looks for code, links and secrets in short texts: metadata values and configuration strings."""

import re
from typing import Final

from tidegate.detect.supply.scan import Scan

_PYTHON: Final = (
    r"\b(?:eval|exec|compile|__import__|getattr)\s*\(|\bos\.(?:system|popen)|\bsubprocess\."
    r"|\bimport\s+(?:os|subprocess|socket|base64|ctypes)\b"
)
_SHELL: Final = (
    r"\brm\s+-[a-z]*[rf]|\bchmod\s+[0-7+]|\b(?:curl|wget|nc)\s+\S*(?:https?://|-[a-zA-Z])"
    r"|\|\s*(?:ba)?sh\b|\$\(\s*\w+"
)
_KEYS: Final = (
    r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bhf_[A-Za-z]{34}\b"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bsk-[A-Za-z0-9]{32,}"
)
_CODE: Final = (
    ("a script tag", re.compile(r"<script\b|javascript:", re.IGNORECASE)),
    ("Python code", re.compile(_PYTHON)),
    ("a shell command", re.compile(_SHELL)),
)
_SECRETS: Final = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("an access key", re.compile(_KEYS)),
)
_LINK: Final = (
    "a link without TLS",
    re.compile(r"\b(?:http|ftp)://(?!localhost\b|127\.|www\.w3\.org)"),
)
_LIMIT: Final = 1 << 20


def examine_metadata(name: str, text: str, scan: Scan) -> None:
    """Report code, links and secrets in one metadata value; the value itself is not repeated."""
    _report(name, text, (*_CODE, *_SECRETS, _LINK), scan)


def examine_secrets(text: str, scan: Scan) -> None:
    """Report secrets in a text document."""
    _report("the text", text, _SECRETS, scan)


def _report(
    name: str, text: str, rules: tuple[tuple[str, "re.Pattern[str]"], ...], scan: Scan
) -> None:
    for what, pattern in rules:
        if pattern.search(text, 0, _LIMIT):
            scan.find("metadata-content", f"{name[:80]!r} holds {what}", about=f"{name} {what}")
