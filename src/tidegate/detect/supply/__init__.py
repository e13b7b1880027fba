"""Supply chain: what a model file would do when it is loaded, told without loading it."""

from tidegate.detect.supply.allow.packs import Allowlist, Entry, Pack, Use, load_packs
from tidegate.detect.supply.budget import Budget
from tidegate.detect.supply.engine import DETECTOR, scan_bytes, scan_handle, scan_path, scan_paths
from tidegate.detect.supply.report import FileReport, ScanReport, Status
from tidegate.detect.supply.rules import RULES

__all__ = [
    "DETECTOR",
    "RULES",
    "Allowlist",
    "Budget",
    "Entry",
    "FileReport",
    "Pack",
    "ScanReport",
    "Status",
    "Use",
    "load_packs",
    "scan_bytes",
    "scan_handle",
    "scan_path",
    "scan_paths",
]
