"""Examines text: JSON, YAML, Markdown, CSV and the like, as configuration that something acts on.

Found are templates that run code, keys and tags that name code to load, secrets and programs.
Source code is not judged here: it makes the file inconclusive. What is too long to be held is read
in stretches (:mod:`~tidegate.detect.supply.formats.long_text`).
"""

import re
from typing import Final

from tidegate.detect.supply.archives.windows import SMALL
from tidegate.detect.supply.formats import lightgbm_text, requirements, xgboost_json, xml_scan
from tidegate.detect.supply.formats.config_tree import examine_tree
from tidegate.detect.supply.formats.json_value import fits, read_as_python, read_json
from tidegate.detect.supply.formats.long_text import scan_long, scan_long_json
from tidegate.detect.supply.formats.targets import judge
from tidegate.detect.supply.formats.templates import examine_template, has_template
from tidegate.detect.supply.formats.yaml_value import read_yaml
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_secrets

CONTROLS: Final = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_FENCE: Final = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1", re.DOTALL | re.MULTILINE)
_SOURCE: Final = re.compile(
    r"^(?:#!|[ \t]*import [\w.]+(?: as \w+)?[ \t]*(?:$|[,;#])|[ \t]*from [\w.]+ import "
    r"|[ \t]*(?:async )?def \w+\(|class \w+[(:]"
    r"|[ \t]*(?:\w+[ \t]*=[ \t]*)?(?:__import__|exec|eval|compile|globals)[ \t]*\()",
    re.MULTILINE,
)
_YAML_TAG: Final = re.compile(r"!!?python/|!<tag:yaml\.org,2002:python/")
_YAML_MARK: Final = re.compile(r":(?:[ \t\r\n]|$)")
_YAML_RISK: Final = re.compile(
    r"_target_|\bauto_map\b|\bloader_module\b|\btrust_remote_code\b|\bclass_path\b|!(?:new|apply|name)"
)
_FRONT: Final = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_CALLING_TAGS: Final = ("!new:", "!apply:", "!name:", "!module:", "!obj:", "!type:")
_STARTS: Final = ("{", "[")


def decode(data: Buffer) -> str | None:
    """Return content as text; ``None`` where it is none, or too long to be held."""
    if len(data) > SMALL:
        return None
    try:
        text = data[:].decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if CONTROLS.search(text) else text


def scan_if_text(data: Buffer, scan: Scan) -> str | None:
    """Examine content that is text, and return its kind; ``None`` where it is no text."""
    if xml_scan.looks_like(data):
        return xml_scan.scan_xml(data, scan)
    if len(data) > SMALL:
        return scan_long(data, scan)
    text = decode(data)
    return None if text is None else scan_text(text, scan)


def scan_text(text: str, scan: Scan) -> str:
    """Examine a text, and return what kind it is: ``json``, ``text`` or a known document."""
    examine_secrets(text, scan)
    if text.lstrip()[:1] in _STARTS:
        raw = text.encode()
        value = read_json(raw)
        if isinstance(value, dict | list):
            return xgboost_json.examine(value, scan) or examine_tree(value, scan) or "json"
        # Other readers take what ours refuses (a key twice, NaN, comments), so its keys count.
        scan_long_json(raw, scan)
        if not fits(raw):
            if '"class_name"' in text:
                scan.gap("a Keras configuration longer than is examined", failed=True)
            return "json"
        loose = read_as_python(raw)
        if isinstance(loose, dict | list):
            examine_tree(loose, scan)
    if lightgbm_text.looks_like(text):
        return lightgbm_text.examine(text, scan)
    return _plain(text, scan)


def _plain(text: str, scan: Scan) -> str:
    tag = _YAML_TAG.search(text)
    if tag:
        scan.find("config-code", "a YAML tag makes a Python object", tag.start())
    if has_template(text):
        examine_template(text, scan, strict=False)
    if requirements.examine_text(text, scan):
        return "requirements"
    front = _FRONT.match(text)
    body = text[front.end() :] if front else text
    kind = _yaml(front[1] if front else text, scan)
    source = _SOURCE.search(_FENCE.sub("", body))
    if source:
        scan.gap("source code is not judged by the model scanner")
    return kind or "text"


def _yaml(text: str, scan: Scan) -> str | None:
    """Examine a text as YAML where it looks like it."""
    if not _YAML_MARK.search(text):
        return None
    read = read_yaml(text)
    for tag, value, line in read.tags:
        _tag(tag, value, line, scan)
    if read.error and _YAML_RISK.search(text):
        scan.gap(f"YAML that names code can't be read: {read.error}", failed=True)
    kind = None
    for document in read.documents:
        if isinstance(document, dict | list):
            kind = examine_tree(document, scan) or kind
    return kind


def _tag(tag: str, value: str, line: int, scan: Scan) -> None:
    if ":python/" in tag:
        scan.find(
            "config-code",
            "a YAML tag makes a Python object",
            about=tag,
            evidence={"line": line + 1},
        )
    calling = next((mark for mark in _CALLING_TAGS if tag.startswith(mark)), None)
    if calling:
        judge(tag.removeprefix(calling), f"the tag {calling[:-1]}", scan)
    elif tag.startswith("!include") and ".." in value:
        scan.find("config-reference", "a YAML tag includes a file from outside", about=value)
