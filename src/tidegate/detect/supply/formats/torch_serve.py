"""Examines the manifest of a TorchServe archive (``.mar``): which members are run as code."""

from typing import Final

from tidegate.core.canonical import Json
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.scan import Scan

_HANDLERS: Final = words("""
    image_classifier image_segmenter object_detector text_classifier densenet_handler
""")
"""Handlers that ship with TorchServe."""
_CODE: Final = (("modelFile", "a model"), ("requirementsFile", "packages to install"))


def examine(value: Json, scan: Scan) -> None:
    """Report what the manifest lets the server run."""
    model = value.get("model") if isinstance(value, dict) else None
    if not isinstance(model, dict):
        scan.gap("a TorchServe manifest that can't be read", failed=True)
        return
    handler = model.get("handler")
    if isinstance(handler, str) and handler and handler not in _HANDLERS:
        scan.find("config-code", f"the server runs {printable(handler, 80)}, which it carries")
    elif not isinstance(handler, str):
        scan.gap("a TorchServe manifest without a handler")
    for key, what in _CODE:
        if model.get(key):
            name = printable(str(model[key]), 80)
            scan.find("config-code", f"the server takes {what} from {name}", about=key)
