"""Examines text: JSON, YAML, Markdown, CSV and the like, as configuration that something acts on.

Found are templates that run code, keys and tags that name code to load, and secrets. Source code is
not judged here: it makes the file inconclusive.
"""

import re
from typing import Final

from tidegate.core.canonical import Json, loads
from tidegate.core.errors import VerificationError
from tidegate.detect.supply.formats.templates import examine_template, has_template
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_secrets

_LIMIT: Final = 1 << 26
_CONTROLS: Final = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_FENCE: Final = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_SOURCE: Final = re.compile(
    r"^(?:#!|[ \t]*import [\w.]+(?: as \w+)?[ \t]*$|[ \t]*from [\w.]+ import "
    r"|[ \t]*(?:async )?def \w+\(|class \w+[(:])",
    re.MULTILINE,
)
_YAML_TAG: Final = re.compile(r"!!?python/|!<tag:yaml\.org,2002:python/")
_CODE_KEYS: Final = ("auto_map", "custom_pipelines", "custom_objects")
_LAMBDA_CLASSES: Final = ("Lambda", "TFOpLambda", "SlicingOpLambda")


def decode(data: Buffer) -> str | None:
    """Return content as text, or ``None`` where it is none."""
    if len(data) > _LIMIT:
        return None
    try:
        text = data[:].decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if _CONTROLS.search(text) else text


def scan_text(text: str, scan: Scan) -> str:
    """Examine a text, and return what kind it is: ``json`` or ``text``."""
    examine_secrets(text, scan)
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = loads(text.encode(), what="a JSON document", limit=_LIMIT * 4)
        except VerificationError:
            value = None
        if isinstance(value, dict | list):
            _json(value, scan)
            return "json"
    _plain(text, scan)
    return "text"


def _plain(text: str, scan: Scan) -> None:
    tag = _YAML_TAG.search(text)
    if tag:
        scan.find("config-code", "a YAML tag makes a Python object", tag.start())
    if has_template(text):
        examine_template(text, scan, strict=False)
    source = _SOURCE.search(_FENCE.sub("", text))
    if source:
        scan.gap("source code is not judged by the model scanner")


def _json(value: Json, scan: Scan) -> None:
    todo: list[tuple[Json, bool]] = [(value, False)]
    while todo:
        item, template = todo.pop()
        if isinstance(item, dict):
            _object(item, scan)
            todo.extend((part, template or "template" in key) for key, part in item.items())
        elif isinstance(item, list):
            todo.extend((part, template) for part in item)
        elif isinstance(item, str) and has_template(item):
            examine_template(item, scan, strict=template)


def _object(item: dict[str, Json], scan: Scan) -> None:
    for key in _CODE_KEYS:
        if item.get(key):
            scan.find("config-code", f"{key} names code that comes with the model")
    if item.get("trust_remote_code") is True:
        scan.find("config-code", "it asks to trust remote code")
    if item.get("class_name") in _LAMBDA_CLASSES and "config" in item:
        scan.find("config-code", "a Keras Lambda layer carries code")
