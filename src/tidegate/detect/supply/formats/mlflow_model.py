"""Examines an MLflow ``MLmodel`` file: what loading the model as a Python function would import.

``mlflow.pyfunc.load_model`` imports ``loader_module``, puts the folder ``code`` on the path before
that, and runs ``model_code_path`` as a script.
"""

import re
from collections.abc import Iterator
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.finding import Severity
from tidegate.detect.supply.formats.outside import leads_out
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.rules import is_executor
from tidegate.detect.supply.scan import Scan

_LOADERS: Final = words("""
    mlflow.sklearn mlflow.pytorch mlflow.tensorflow mlflow.keras mlflow.keras.load mlflow.xgboost
    mlflow.lightgbm mlflow.catboost mlflow.onnx mlflow.statsmodels mlflow.spacy mlflow.prophet
    mlflow.h2o mlflow.spark mlflow.transformers mlflow.sentence_transformers mlflow.pmdarima
    mlflow.paddle mlflow.diviner mlflow.johnsnowlabs mlflow.fastai mlflow.gluon mlflow.shap
    mlflow.openai mlflow.promptflow mlflow.mleap
""")
"""Loader modules that read a model file; what that file may do is told by its own examination."""
_CODE: Final = ("code", "model_code_path", "code_paths", "code_path")
_PATHS: Final = words("""
    data model_path path pickled_model model_data model_binary tf_saved_model_dir extra_files
    saved_model_dir model_weights snapshot_location env conda virtualenv
""")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")


def looks_like(value: dict[str, Json]) -> bool:
    """Tell whether it is an MLmodel file."""
    flavors = value.get("flavors")
    return isinstance(flavors, dict) and all(isinstance(item, dict) for item in flavors.values())


def examine(value: dict[str, Json], scan: Scan) -> None:
    """Report what loading it would run, and what lies outside the model's folder."""
    for name, flavor in value["flavors"].items():
        loader = flavor.get("loader_module")
        if loader is not None:
            scan.refer(str(loader), "*")
            _loader(str(loader), scan)
        elif name == "python_function":
            scan.gap("a python_function flavor without a loader")
        for key in _CODE:
            if flavor.get(key):
                shown = printable(str(flavor[key]), 80)
                scan.find("config-code", f"{key} names code of the model: {shown}", about=key)
    for key, text in _texts(value):
        if key in _PATHS and leads_out(text):
            scan.find("config-reference", f"{key} leads to {printable(text, 120)}", about=key)
    variables = value.get("env_vars")
    for name in variables if isinstance(variables, list) else ():
        if not _VARIABLE.fullmatch(str(name)):
            scan.find("metadata-content", "env_vars lists what is no variable's name")


def _loader(module: str, scan: Scan) -> None:
    if module in _LOADERS:
        return
    if module == "mlflow.pyfunc.model":
        scan.find("config-code", "it loads a pickled Python model, which brings its own code")
        return
    bad = is_executor(module, "") and not module.startswith("mlflow.")
    scan.find(
        "config-code",
        f"loader_module imports {printable(module)}",
        severity=Severity.CRITICAL if bad else None,
        about=module,
    )


def _texts(value: Json) -> Iterator[tuple[str, str]]:
    """Yield each key with its text, at every depth."""
    todo: list[Json] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo.extend(item)
        elif isinstance(item, dict):
            for key, part in item.items():
                if isinstance(part, str):
                    yield key, part
                else:
                    todo.append(part)
