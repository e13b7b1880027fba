"""Examines the JSON members of a torch.export archive (``.pt2``): graphs, and tables of weights.

Loading resolves each node's target by name, from the modules ``torch``, ``operator`` and ``math``
(torch/_export/serde/serialize.py, ``deserialize_operator``), so targets are judged by an allowlist.
"""

import re
from collections.abc import Iterable
from math import prod
from typing import Final

from tidegate.core.canonical import Json
from tidegate.detect.supply.archives.windows import blocks
from tidegate.detect.supply.formats.torch_script import judge_operator
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_WIDTHS: Final = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 4, 10: 8, 11: 16, 12: 1, 13: 2, 28: 2,
    29: 1, 30: 1, 31: 1, 32: 1,
}  # fmt: skip
"""Bytes an item, by ScalarType (torch/_export/serde/schema.py)."""
_SYMBOLIC: Final = words("""
    torch.sym_float torch.sym_int torch.sym_ite torch.sym_max torch.sym_min torch.sym_not
    torch.sym_sqrt torch._sym_sqrt torch.sym_sum
""")
_COMPUTING: Final = words("""
    abs add and_ eq floordiv ge getitem gt index invert is_ is_not le lshift lt mod mul ne neg not_
    or_ pos pow rshift sub truediv xor ceil floor trunc round sqrt
""")
_MODULES: Final = ("_operator", "operator", "math")
_PARTS: Final = 4
_OVERLAP: Final = 1 << 12
_ESCAPED: Final = re.compile(rb"\\u00[2-7]")
_LONG_TARGET: Final = re.compile(rb'"target"\s*:\s*"([^"\\]*)"')


def examine(value: Json, scan: Scan) -> dict[str, int]:
    """Examine one JSON member.

    Returns:
        Where it is a table of weights: the raw tensors that it describes, with their bytes.
    """
    if not isinstance(value, dict):
        return {}
    config = value.get("config")
    if isinstance(config, dict):
        found = {str(entry.get("path_name")): _size(entry) for entry in _objects(config.values())}
        return {name: size for name, size in found.items() if size is not None}
    todo: list[Json] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            target = item.get("target")
            if isinstance(target, str) and "inputs" in item:
                _target(target, scan)
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return {}


def examine_long(body: Buffer, scan: Scan) -> None:
    """Examine the targets of a graph that is more than is held as values.

    Names stand in it as PyTorch writes them; escapes of plain letters, which it never writes, are
    a gap.
    """
    for at, block in blocks(body, more=_OVERLAP):
        if _ESCAPED.search(block):
            scan.gap(f"JSON with needless escapes at {at} is not examined", failed=True)
        for found in _LONG_TARGET.finditer(block):
            _target(found[1].decode("utf-8", "replace"), scan)


def _objects(items: object) -> list[dict[str, Json]]:
    listed = items if isinstance(items, Iterable) else ()
    return [item for item in listed if isinstance(item, dict)]


def _size(entry: dict[str, Json]) -> int | None:
    meta = entry.get("tensor_meta")
    if not isinstance(meta, dict) or entry.get("use_pickle") is not False:
        return None
    width = _WIDTHS.get(meta.get("dtype", 0))
    sizes: list[int] = []
    for size in _objects(meta.get("sizes")):
        count = size.get("as_int")
        if type(count) is not int or count < 0:
            return None
        sizes.append(count)
    return None if width is None else width * prod(sizes)


def _target(target: str, scan: Scan) -> None:
    parts = target.split(".")
    why: str | None = "which no pack allows"
    if target in _SYMBOLIC or (parts[0] in _MODULES and len(parts) == 2 and parts[1] in _COMPUTING):  # noqa: PLR2004 - module and name
        why = None
    elif parts[:2] == ["torch", "ops"] and len(parts) >= _PARTS:
        why = judge_operator(parts[2], parts[3])
    if why:
        scan.find("torchscript-operator", f"calls {printable(target, 80)}, {why}", about=target)
