"""Secrets by the name of a variable, by the form of a value, and by the name of a file.

>>> named_secret("DB_PASSWORD"), named_secret("PASSWORD_FILE"), valued_secret("AKIA" + "A" * 16)
(True, False, True)
"""

import re
from typing import Final

_NAMES: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|"
    r"CREDENTIALS?|AUTH_?KEY)(?:_ID|S)?$|(?:^|_)(?:SECRET|PASSWORD)_",
    re.IGNORECASE,
)
_POINTERS: Final = re.compile(
    r"_(?:FILE|PATH|DIR|URL|NAME|LENGTH|TTL|ENABLED|HEADER)$", re.IGNORECASE
)
_VALUES: Final = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{40,}"
    r"|\bhf_[A-Za-z]{34}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bsk-[A-Za-z0-9_-]{32,}"
    r"|\bglpat-[A-Za-z0-9_-]{20,}|\bpypi-[A-Za-z0-9_-]{50,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|://[^/@\s:${}]+:[^/@\s${}]{3,}@"
)
_FILES: Final = re.compile(
    r"(?:^|/)(?:\.env(?:\.(?!example|sample|template|dist)[A-Za-z0-9_-]+)?|id_(?:rsa|dsa|ecdsa|ed25519)|"
    r"\.netrc|\.pypirc|\.npmrc|\.git-credentials|\.dockercfg|\.docker/config\.json|\.aws/credentials|"
    r"\.kube/config|[^/]*\.(?:pem|key|p12|pfx|jks)|credentials\.json|service[-_]account[^/]*\.json)$"
)
_LONGEST: Final = 64 << 10


def named_secret(name: str) -> bool:
    """Tell whether a variable's name says that its value is secret."""
    return bool(_NAMES.search(name)) and not _POINTERS.search(name)


def valued_secret(value: str) -> bool:
    """Tell whether a text holds something of the form of a known secret."""
    return _VALUES.search(value, 0, _LONGEST) is not None


def secret_file(path: str) -> bool:
    """Tell whether a path names a file that holds secrets."""
    return _FILES.search(path.strip("\"'")) is not None
