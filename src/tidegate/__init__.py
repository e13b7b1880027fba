"""Tidegate: gates, proofs and watch over the whole AI pipeline.

Public names are loaded when they are first used, so that importing the package costs nothing:

>>> import tidegate as tg
>>> tg.Severity.HIGH > tg.Severity.LOW
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tidegate.version import __version__ as __version__

if TYPE_CHECKING:
    from tidegate.app.bom import ModelCard, make_bom
    from tidegate.app.loading import load
    from tidegate.app.pipeline import Pipeline
    from tidegate.app.workspace import Workspace
    from tidegate.core.decision import Decision
    from tidegate.core.digest import Digest
    from tidegate.core.errors import TidegateError
    from tidegate.core.finding import Coverage, Finding, Location, Rule, Severity
    from tidegate.core.identity.trust import TrustRoot
    from tidegate.core.stage import Outcome, Stage
    from tidegate.core.verify import Verification
    from tidegate.detect.supply.engine import scan_path
    from tidegate.gates.serve import read_verified
    from tidegate.interop.bom import Bom, read_bom, write_bom
    from tidegate.report import Format, Report, render

_HOMES = {
    "load": "tidegate.app.loading",
    "read_verified": "tidegate.gates.serve",
    "scan_path": "tidegate.detect.supply.engine",
    "TrustRoot": "tidegate.core.identity.trust",
    "Verification": "tidegate.core.verify",
    "ModelCard": "tidegate.app.bom",
    "make_bom": "tidegate.app.bom",
    "Bom": "tidegate.interop.bom",
    "read_bom": "tidegate.interop.bom",
    "write_bom": "tidegate.interop.bom",
    "Workspace": "tidegate.app.workspace",
    "Pipeline": "tidegate.app.pipeline",
    "Coverage": "tidegate.core.finding",
    "Decision": "tidegate.core.decision",
    "Digest": "tidegate.core.digest",
    "Finding": "tidegate.core.finding",
    "Format": "tidegate.report",
    "Location": "tidegate.core.finding",
    "Outcome": "tidegate.core.stage",
    "Report": "tidegate.report",
    "Rule": "tidegate.core.finding",
    "Severity": "tidegate.core.finding",
    "Stage": "tidegate.core.stage",
    "TidegateError": "tidegate.core.errors",
    "render": "tidegate.report",
}

__all__ = [
    "Bom",
    "Coverage",
    "Decision",
    "Digest",
    "Finding",
    "Format",
    "Location",
    "ModelCard",
    "Outcome",
    "Pipeline",
    "Report",
    "Rule",
    "Severity",
    "Stage",
    "TidegateError",
    "TrustRoot",
    "Verification",
    "Workspace",
    "load",
    "make_bom",
    "read_bom",
    "read_verified",
    "render",
    "scan_path",
    "write_bom",
]


def __getattr__(name: str) -> object:
    """Load a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tidegate' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
