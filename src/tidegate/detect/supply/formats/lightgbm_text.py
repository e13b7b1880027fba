"""Examines LightGBM's text format: header, trees, and the parameters of the training.

Loading runs nothing; the lines are numbers and names. A line that has no place in the format is a
gap: readers of other formats may take it for something (LightGBM, ``gbdt_model_text.cpp``).
"""

import re
from typing import Final

from tidegate.detect.supply.formats.json_value import read_json
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata

_START: Final = re.compile(r"tree\r?\nversion=v\d+\r?\n")
_LINE: Final = re.compile(r"[^\n]+")
_VALUE: Final = re.compile(r"[A-Za-z_]\w*=.*")
_OPTION: Final = re.compile(r"\[[a-z_0-9]+: .*\]|\[[a-z_0-9]+:\]")
_FLAG: Final = re.compile(r"average_output|average_output=\d*")
_MARKS: Final = (
    "tree", "end of trees", "feature_importances:", "parameters:", "end of parameters",
)  # fmt: skip
_JSON: Final = "pandas_categorical:"


def looks_like(text: str) -> bool:
    """Tell whether a text is a model."""
    return _START.match(text) is not None


def examine(text: str, scan: Scan) -> str:
    """Examine a model and return its kind."""
    for line in _LINE.finditer(text):
        body, at = line[0].rstrip("\r"), line.start()
        if body.startswith(_JSON):
            _categories(body.removeprefix(_JSON), scan)
        elif not (body in _MARKS or _VALUE.fullmatch(body) or _OPTION.fullmatch(body)):
            if not _FLAG.fullmatch(body):
                scan.gap(f"a line at {at} that LightGBM does not write")
        elif body.startswith(("feature_names=", "[")):
            examine_metadata("a parameter", body, scan)
    if "end of trees" not in text:
        scan.gap("a LightGBM model that breaks off", failed=True)
    return "lightgbm"


def _categories(text: str, scan: Scan) -> None:
    if text not in ("null", "None", "[]") and not isinstance(read_json(text.encode()), list):
        scan.gap("LightGBM categories that can't be read")
