"""Examines a skops schema: a tree of nodes, each of which the loader turns into an object.

The loader imports the class that a node names. Which are harmless is told by the same allow packs
as for pickles: an instance needs ``new``, a class or function that is kept needs ``data`` (skops
``_general.py``, ``_sklearn.py``, ``_numpy.py``, ``_scipy.py``). What no pack lists is a finding.
"""

import re
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.finding import Severity
from tidegate.detect.supply.allow.packs import Use
from tidegate.detect.supply.formats.config_tree import examine_tree
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.rules import is_executor
from tidegate.detect.supply.scan import Scan

_INSTANCES: Final = words("""
    ObjectNode TreeNode LossNode SGDNode RandomStateNode RandomGeneratorNode SparseMatrixNode
    NdArrayNode MaskedArrayNode DTypeNode BytesNode BytearrayNode SliceNode QuantileForestNode
    DictNode DefaultDictNode OrderedDictNode ListNode SetNode TupleNode _DictWithDeprecatedKeysNode
    DatetimeNode DateNode TimedeltaNode
""")
_REFERENCES: Final = words("TypeNode FunctionNode")
_PLAIN: Final = words("JsonNode CachedNode")
_TYPES: Final = words("""
    builtins:str builtins:int builtins:float builtins:bool builtins:complex builtins:bytes
    builtins:bytearray builtins:list builtins:dict builtins:set builtins:frozenset builtins:tuple
    builtins:slice builtins:NoneType numpy:ndarray numpy:matrix numpy:dtype
    numpy.ma:MaskedArray numpy.ma.core:MaskedArray numpy.random.mtrand:RandomState
    numpy.random._generator:Generator collections:OrderedDict collections:defaultdict
    datetime:datetime datetime:date datetime:timedelta
""")
"""Types of Python and NumPy whose construction and reference are harmless in a schema."""
_SCALARS: Final = re.compile(
    r"numpy:(?:bool_?|u?int(?:8|16|32|64)|float(?:16|32|64)|longdouble|complex(?:64|128)|str_|bytes_"
    r"|datetime64|timedelta64|float96|float128)"
)


def examine(value: Json, scan: Scan) -> bool:
    """Examine a schema, texts and all; ``False`` where it is none."""
    if not isinstance(value, dict) or "__loader__" not in value:
        return False
    todo: list[Json] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if "__loader__" in item:
                _node(item, scan)
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    examine_tree(value, scan)
    return True


def _node(node: dict[str, Json], scan: Scan) -> None:
    loader = str(node["__loader__"])
    module, name = node.get("__module__"), node.get("__class__")
    if loader in _PLAIN:
        return
    if not isinstance(module, str) or not isinstance(name, str):
        scan.gap("a skops node without a type", failed=True)
        return
    if loader in _INSTANCES:
        _judge(module, name, Use.NEW, "makes an instance of", scan)
    elif loader in _REFERENCES:
        _judge(module, name, Use.DATA, "refers to", scan)
    else:
        what = f"the node {printable(loader, 60)} of {printable(f'{module}.{name}', 100)}"
        scan.find("skops-type", f"holds {what}, which no pack allows", about=what)


def _judge(module: str, name: str, use: Use, verb: str, scan: Scan) -> None:
    key = f"{module}:{name}"
    scan.refer(module, name)
    plain = key in _TYPES or _SCALARS.fullmatch(key) is not None
    allowed = plain or any(scan.allowlist.permits(key, fit) for fit in _fitting(use))
    if allowed:
        return
    shown = printable(key.replace(":", "."))
    scan.find(
        "skops-type",
        f"{verb} {shown}, which no pack allows",
        severity=Severity.CRITICAL if is_executor(module, name) else None,
        about=f"{key} {use.value}",
        evidence={"global": shown, "use": use.value},
    )


def _fitting(use: Use) -> tuple[Use, ...]:
    # A class that a pickle may call (REDUCE) is made here with arguments of skops's own.
    return (Use.NEW, Use.REDUCE) if use is Use.NEW else (Use.DATA, Use.NEW)
