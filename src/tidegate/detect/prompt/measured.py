"""What the check was measured to do on sources that it never saw (``benchmarks/prompt_check.py``).

Each figure is at the threshold that ships, so that it says what users get.
"""

from types import MappingProxyType

from tidegate.core.finding import Measured
from tidegate.detect.prompt.head import Kind

_DATE = "2026-11-22"

MEASURED = MappingProxyType(
    {
        Kind.USER: Measured(
            recall="0.262 [0.245, 0.279]",
            false_positive_rate="0.006 [0.004, 0.009]",
            data="5,887 prompts of 9 sources kept apart from training and thresholds",
            date=_DATE,
        ),
        Kind.DOCUMENT: Measured(
            recall="0.166 [0.128, 0.213]",
            false_positive_rate="0.002 [0.001, 0.008]",
            data="1,193 documents of 3 sources kept apart from training and thresholds",
            date=_DATE,
        ),
    }
)
"""Figures by kind of text; those on held-out texts of known sources are in the documentation."""
