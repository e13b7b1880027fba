"""What checks say: findings, and the coverage that says what was not looked at."""

from tidegate.core.finding.coverage import Coverage, Skipped
from tidegate.core.finding.detector import Detector
from tidegate.core.finding.model import Finding, Location, Measured, Severity
from tidegate.core.finding.rules import Rule

__all__ = [
    "Coverage",
    "Detector",
    "Finding",
    "Location",
    "Measured",
    "Rule",
    "Severity",
    "Skipped",
]
