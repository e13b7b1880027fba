"""What each indicator was measured at; see ``benchmarks/weights.py``."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mantissa": "AUC 1.00 for payloads in three bytes of four, 0.50 in the lowest byte alone",
        "low-byte": "AUC 1.00 for plain payloads in the low byte, 0.40 to 0.58 for encrypted ones",
        "program": "finds a program from its beginning; none that is encrypted or scattered",
        "linear-path": "AUC 0.91 for input patches in small dense networks; 6 % of clean ones",
        "sparse-change": "not calibrated: how few rows of a base were changed",
    }
)
