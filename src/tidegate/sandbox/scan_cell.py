"""The program inside a cell that examines model files.

::

    python -I -m tidegate.sandbox.scan_cell DESCRIPTOR

It imports every examiner, and reads the lists of names that they compare with, before it is
confined, since no file can be opened afterwards.
"""

import codecs
import importlib
import os
import pkgutil
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.core.canonical import Json
from tidegate.core.errors import TidegateError
from tidegate.detect import supply
from tidegate.detect.supply.allow.packs import Allowlist, Entry, Pack
from tidegate.detect.supply.budget import Budget, Meter
from tidegate.detect.supply.engine import examine_file, shipped, unread
from tidegate.detect.supply.formats import keras_config, onnx_file, tensorflow_ops
from tidegate.sandbox.cell import confine, receive, send, serve

_CODECS = (
    *("ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
    *("utf-32", "unicode_escape", "raw_unicode_escape", "cp437", "idna"),
)
_LATER = ("jinja2", "jinja2.ext", "yaml")
"""What examiners import only when they meet a file that takes it."""
_LISTS = (keras_config.own_names, onnx_file.standard_operators, tensorflow_ops.harmless)
"""What examiners read from files of ours when they first need it, and keep."""
_WITHOUT = "tidegate.detect.supply.allow.vet"
_TIRED = 2
"""From this part of its memory on the process is to be replaced: what is left would not do."""


def main(descriptor: int) -> None:
    """Get ready, give everything up, and examine what is handed in."""
    channel = socket.socket(fileno=descriptor)
    order, _ = receive(channel)
    if order is None:
        return
    import_all()
    allowlist, used = _allowlist(order), _gauge()
    reached = confine(parent=order["parent"], memory=order["memory"], cpu_seconds=order["cpu"])
    send(channel, {"ready": True, "confinement": reached})
    before = used()

    def answer(request: Mapping[str, Any], handle: int) -> Json:
        reply, sound = _examine(request, handle, allowlist)
        return {**reply, "sound": sound and used() - before < order["memory"] // _TIRED}

    serve(channel, answer)


def _examine(
    request: Mapping[str, Any], handle: int, allowlist: Allowlist
) -> tuple[dict[str, Json], bool]:
    seconds, of_file = float(request["seconds"]), float(request["fileSeconds"])
    budget = Budget(**request["budget"], seconds=seconds, file_seconds=of_file)
    meter = Meter(budget, budget.elapsed() + float(request["left"]), *request["spent"])
    sound = True
    try:
        report = examine_file(handle, request["name"], meter, allowlist)
    except Exception as error:  # noqa: BLE001 - one file's trouble is that file's gap, never another's
        report = unread(request["name"], f"its examiner failed: {type(error).__name__}")
        sound = False
    spent: Json = [meter.spent_read, meter.spent_expanded, meter.spent_opcodes, meter.spent_members]
    return {"report": report.to_json(), "spent": spent}, sound


def _allowlist(order: Mapping[str, Any]) -> Allowlist:
    """Read what pickles may use; the packs that ship are read here, not sent."""
    own = {str(pack.digest): pack for pack in shipped().packs}
    packs = [
        own[item] if isinstance(item, str) else Pack.from_json(item) for item in order["packs"]
    ]
    approved = [Entry.from_json(item, item["global"]) for item in order["approved"]]
    return Allowlist(packs, approved)


def import_all() -> None:
    """Import and read all that any examiner will need; afterwards nothing can be."""
    for module in pkgutil.walk_packages(supply.__path__, "tidegate.detect.supply."):
        if module.name != _WITHOUT:
            importlib.import_module(module.name)
    for name in _LATER:
        importlib.import_module(name)
    for name in _CODECS:
        codecs.lookup(name)
    for read in _LISTS:
        read()


def _gauge() -> Callable[[], int]:
    """Return what tells the private memory held, in bytes; opened while that is allowed."""
    if sys.platform != "linux":
        return lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statm, page = os.open("/proc/self/statm", os.O_RDONLY), resource.getpagesize()
    return lambda: int(os.pread(statm, 200, 0).split()[5]) * page  # proc(5), statm


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except (OSError, TidegateError):
        os._exit(1)  # the other side sees that the connection ends
