"""Dependencies: what a lock file will install, from where, and whether it should."""

from tidegate.detect.dependencies.check import DependencyReport, check_paths, judge_locks
from tidegate.detect.dependencies.expectations import Expectations
from tidegate.detect.dependencies.model import Dependency, Format, LockFile, Source
from tidegate.detect.dependencies.rules import DETECTOR, RULES

__all__ = [
    "DETECTOR",
    "RULES",
    "Dependency",
    "DependencyReport",
    "Expectations",
    "Format",
    "LockFile",
    "Source",
    "check_paths",
    "judge_locks",
]
