"""Runs one third-party scanner over the files that standard input names; one verdict a line.

Started by ``scanners.py`` with the Python of that scanner's own environment:

    PEER/bin/python benchmarks/peers/scan.py picklescan < names

A verdict is ``clean``, or ``blocked``: findings of any severity, errors, and files passed over in
silence where the tool says so. A gate that fails closed would stop them all alike.
"""

import contextlib
import io
import logging
import os
import sys
import time
import zipfile
from collections.abc import Callable
from importlib import import_module

os.environ.update(
    PROMPTFOO_DISABLE_TELEMETRY="1", NO_ANALYTICS="1", DO_NOT_TRACK="1", HF_HUB_OFFLINE="1"
)
logging.disable(logging.CRITICAL)


def picklescan() -> Callable[[str], bool]:
    module = import_module("picklescan.scanner")
    levels, scan = module.SafetyLevel, module.scan_file_path

    def clean(path: str) -> bool:
        result = scan(path)
        bad = result.infected_files or result.issues_count or result.scan_err
        doubtful = any(found.safety == levels.Suspicious for found in result.globals)
        return not (bad or doubtful or result.scanned_files == 0)

    return clean


def modelscan() -> Callable[[str], bool]:
    make = import_module("modelscan.modelscan").ModelScan
    settings = import_module("modelscan.settings").DEFAULT_SETTINGS

    def clean(path: str) -> bool:
        result = make(settings=settings).scan(path)
        issues = any(result["summary"]["total_issues_by_severity"].values())
        seen = result["summary"]["scanned"]["total_scanned"]
        return bool(seen) and not issues and not result["errors"]

    return clean


def fickling() -> Callable[[str], bool]:
    safe = import_module("fickling.analysis").Severity.LIKELY_SAFE
    loader = import_module("fickling.loader")

    def clean(path: str) -> bool:
        zipped = zipfile.is_zipfile(path)
        found = (
            list(loader.scan_zip_archive(path, graceful=True).values())
            if zipped
            else [loader.scan_file(path, graceful=True)]
        )
        return bool(found) and bool(max(one.severity for one in found) <= safe)

    return clean


def modelaudit() -> Callable[[str], bool]:
    scan = import_module("modelaudit.core").scan_model_directory_or_file

    def clean(path: str) -> bool:
        result = scan(path, timeout=60)
        grave = {"critical", "warning"}
        issues = any(str(getattr(i.severity, "value", i.severity)) in grave for i in result.issues)
        whole = getattr(result, "success", True) and not getattr(result, "has_errors", False)
        return bool(whole) and not issues and getattr(result, "files_scanned", 1) > 0

    return clean


SCANNERS = {one.__name__: one for one in (picklescan, modelscan, fickling, modelaudit)}


def main() -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        clean = SCANNERS[sys.argv[1]]()
    for line in sys.stdin:
        start = time.perf_counter()
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                verdict = "clean" if clean(line.rstrip("\n")) else "blocked"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            verdict = "blocked"
        print(verdict, f"{time.perf_counter() - start:.6f}", flush=True)


if __name__ == "__main__":
    main()
