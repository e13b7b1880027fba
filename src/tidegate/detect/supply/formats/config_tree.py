"""Examines a configuration that was read into plain values, whether from JSON or from YAML.

What it is, is told by its keys, never by the name of the file. Every string in it may be a chat
template, a secret or a program; every object may name code to load.
"""

from collections.abc import Callable
from typing import Final

from tidegate.core.canonical import Json
from tidegate.detect.supply.formats import (
    hugging_face,
    keras_config,
    mlflow_model,
    oci_manifest,
    requirements,
    targets,
)
from tidegate.detect.supply.formats.templates import examine_template, has_template
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_payload

_CODE_KEYS: Final = ("auto_map", "custom_pipelines", "custom_objects")
_NO: Final = (None, False, 0, "", "0", "false", "False", "no", "off")
_TELLING: Final = (
    frozenset(_CODE_KEYS)
    | {"trust_remote_code"}
    | keras_config.OBJECT_KEYS
    | hugging_face.OBJECT_KEYS
    | targets.OBJECT_KEYS
)
"""Keys that an object must have for any rule to look at it: most have none."""
_Examine = Callable[[dict[str, Json], Scan], None]


def _is_environment(value: dict[str, Json]) -> bool:
    listed = value.get("dependencies")
    if not isinstance(listed, list):
        return False
    pip = any(isinstance(item, dict) and "pip" in item for item in listed)
    return pip or bool(value.keys() & {"channels", "name"})


_KINDS: Final[tuple[tuple[str, Callable[[dict[str, Json]], bool], _Examine], ...]] = (
    ("mlmodel", mlflow_model.looks_like, mlflow_model.examine),
    ("oci-manifest", oci_manifest.looks_like, oci_manifest.examine),
    ("conda-environment", _is_environment, requirements.examine_environment),
    ("keras-config", keras_config.looks_like, keras_config.examine),
    ("tensor-index", hugging_face.is_index, hugging_face.examine_index),
    ("diffusers-index", hugging_face.is_pipeline, hugging_face.examine_pipeline),
)


def examine_tree(value: Json, scan: Scan) -> str | None:
    """Examine a value, and return what kind of document it is, where that is known."""
    kind: str | None = None
    if isinstance(value, dict):
        for name, looks_like, examine in _KINDS:
            if looks_like(value):
                examine(value, scan)
                kind = name
                break
    _walk(value, scan)
    return kind


def _walk(value: Json, scan: Scan) -> None:
    todo: list[tuple[Json, bool]] = [(value, False)]
    while todo:
        item, template = todo.pop()
        if isinstance(item, dict):
            if not _TELLING.isdisjoint(item):
                _object(item, scan)
            todo.extend((part, template or "template" in key) for key, part in item.items())
        elif isinstance(item, list):
            todo.extend((part, template) for part in item)
        elif isinstance(item, str):
            if has_template(item):
                examine_template(item, scan, strict=template)
            examine_payload(item, scan)


def _object(item: dict[str, Json], scan: Scan) -> None:
    for key in _CODE_KEYS:
        if item.get(key):
            scan.find("config-code", f"{key} names code that comes with the model")
    if item.get("trust_remote_code") not in _NO:
        scan.find("config-code", "it asks to trust remote code")
    keras_config.examine_object(item, scan)
    hugging_face.examine_object(item, scan)
    targets.examine_object(item, scan)
