"""Advisories (OSV) from an offline file: imported once, bounded, and asked without a network."""

from tidegate.detect.dependencies.advisories.importing import import_osv
from tidegate.detect.dependencies.advisories.index import AdvisoryIndex, Imported
from tidegate.detect.dependencies.advisories.judge import judge_advisories

__all__ = ["AdvisoryIndex", "Imported", "import_osv", "judge_advisories"]
