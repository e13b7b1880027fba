"""Judges a Keras configuration: which classes and functions loading would build, and from what.

Keras looks each ``class_name`` up by name, in the module that stands beside it where there is one,
calls its ``from_config`` and hands it the rest. Default deny: names of Keras's own layers,
operations, losses and the like (``names/keras.txt``) pass, in Keras's own modules.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.finding import Severity
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.rules import is_executor
from tidegate.detect.supply.scan import Scan

_MODULE: Final = re.compile(
    r"(?:keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(?:\.[A-Za-z_0-9.]+)?"
)
_FORBIDDEN_MODULES: Final = re.compile(
    r"\.(?:utils|saving|config|backend|datasets|export|applications|callbacks|legacy_saving|trainers"
    r"|distribution|wrappers|visualization|tree)(?:\.|$)"
)
_CARRIES_CODE: Final = words("Lambda __lambda__ TorchModuleWrapper TensorFlowOpLayer")
_WRAPS: Final = words("FlaxLayer JaxLayer TFSMLayer")
_VALUES: Final = words("""
    __tensor__ __tf_tensor__ __numpy__ __bytes__ __ellipsis__ __tuple__ __slice__ slice __complex__
    __keras_tensor__ __np_dtype__ __dtype__ __set__
""")
_SPECS: Final = words("TensorSpec RaggedTensorSpec SparseTensorSpec KerasTensor TensorShape")
_LAMBDA_KINDS: Final = ("function_type", "output_shape_type", "mask_type", "arguments_type")
OBJECT_KEYS: Final = frozenset(("class_name", *_LAMBDA_KINDS))
"""Keys that an object must have for :func:`examine_object` to look at it."""
_LOOKUPS: Final = words("StringLookup IntegerLookup TextVectorization IndexLookup")
_OPERATORS: Final = words("TFOpLambda SlicingOpLambda ClassMethod InstanceMethod InstanceProperty")
_OPERATOR: Final = re.compile(
    r"(?:compat\.v1\.)?(?:(?:math|nn|linalg|signal|random|sparse|ragged|bitwise|__operators__"
    r"|_operators)\.[A-Za-z_0-9.]+"
    r"|abs|add|add_n|argmax|argmin|argsort|batch_to_space|boolean_mask|broadcast_to|cast|clip_by_\w+"
    r"|concat|constant|convert_to_tensor|cos|cumsum|diag|divide|dtypes\.\w+|einsum|equal|exp"
    r"|expand_dims|eye|fill|floor|gather|gather_nd|greater|greater_equal|identity|image\.resize\w*"
    r"|is_tensor|less|less_equal|linspace|logical_\w+|matmul|maximum|meshgrid|minimum|multiply"
    r"|negative|norm|not_equal|one_hot|ones|ones_like|pad|pow|range|rank|realdiv|reduce_\w+|repeat"
    r"|reshape|reverse|roll|round|scatter_nd|searchsorted|sequence_mask|shape|sigmoid|sign|sin|size"
    r"|slice|sort|space_to_batch|split|sqrt|square|squeeze|stack|stop_gradient|strided_slice"
    r"|subtract|tan|tanh|tensordot|tensor_scatter_nd_\w+|tile|topk|transpose|truediv|unique|unstack"
    r"|where|zeros|zeros_like)"
)
_ROOT_KEYS: Final = (frozenset(("class_name", "config")), frozenset(("optimizer_config", "loss")))


@lru_cache(maxsize=1)
def own_names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of Keras's own classes, and of its functions."""
    text = (
        resources.files("tidegate.detect.supply.formats")
        .joinpath("names", "keras.txt")
        .read_text("utf-8")
    )
    out: dict[str, set[str]] = {"class": set(), "function": set()}
    for line in text.splitlines():
        kind, _, names = line.partition(": ")
        if kind in out:
            out[kind].update(names.split())
    return frozenset(out["class"]), frozenset(out["function"])


def looks_like(value: dict[str, Json]) -> bool:
    """Tell whether a JSON document is a Keras configuration."""
    saved = any(keys <= value.keys() for keys in _ROOT_KEYS)
    return saved and isinstance(value.get("class_name", ""), str)


def examine(value: Mapping[str, Json], scan: Scan, *, revived: bool = False) -> None:
    """Examine a configuration, nested models and all.

    Args:
        value: The document.
        scan: Where findings go.
        revived: Whether names that Keras does not know need no code: a SavedModel has its own.
    """
    todo: list[Json] = [dict(value)]
    while todo:
        item = todo.pop()
        scan.meter.opcode(1)
        if isinstance(item, dict):
            examine_object(item, scan)
            if isinstance(item.get("class_name"), str):
                _named(item, str(item["class_name"]), scan, revived=revived)
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def examine_object(item: Mapping[str, Json], scan: Scan) -> None:
    """Report code in one object, wherever in whatever JSON document it stands."""
    name = item.get("class_name")
    if isinstance(name, str) and name in _CARRIES_CODE and "config" in item:
        scan.find("config-code", f"a Keras {name} carries code", about=name)
    if any(item.get(key) in ("lambda", "raw") for key in _LAMBDA_KINDS):
        scan.find("config-code", "a Keras function is kept as code", about="function_type")


def _named(item: Mapping[str, Json], name: str, scan: Scan, *, revived: bool) -> None:
    module = item.get("module")
    place = module if isinstance(module, str) else "keras"
    if name in _CARRIES_CODE or name in _WRAPS:
        scan.refer(place, name)
    if name in _CARRIES_CODE or name in _VALUES:
        return
    if name == "__typespec__":
        name, module = str(item.get("spec_name", "")), None
        if name in _SPECS:
            return
    if name in _WRAPS:
        scan.find("config-code", f"the Keras layer {name} loads a model of its own", about=name)
        return
    if name == "function":
        config = item.get("config")
        name = config if isinstance(config, str) else "?"
    scan.refer(place, name)
    if isinstance(module, str) and not _keras_module(module, item):
        _foreign(module, name, scan)
        return
    _config(item, name, scan)
    _lookup(name, item, scan, revived=revived)


def _keras_module(module: str, item: Mapping[str, Json]) -> bool:
    if module == "builtins":
        return item.get("class_name") in ("function", "dict", "list", "tuple")
    return bool(_MODULE.fullmatch(module)) and not _FORBIDDEN_MODULES.search(module)


def _foreign(module: str, name: str, scan: Scan) -> None:
    shown = printable(f"{module}.{name}", 120)
    if is_executor(module, name) or _MODULE.fullmatch(module) or module == "builtins":
        scan.find(
            "config-code",
            f"a Keras configuration calls {shown}",
            severity=Severity.CRITICAL,
            about=shown,
        )
    else:
        scan.find("custom-code", f"{shown} is code from elsewhere", about=shown)


def _lookup(name: str, item: Mapping[str, Json], scan: Scan, *, revived: bool) -> None:
    """Report a name that is none of Keras's."""
    classes, functions = own_names()
    registered = item.get("registered_name")
    plain = name.removeprefix("Custom>")
    if item.get("class_name") == "function":
        known = name in functions or name in classes
    else:
        known = plain in classes or plain in functions
    custom = isinstance(registered, str) and ">" in registered.removeprefix("Custom>")
    if (known and not custom) or revived:
        return
    shown = printable(registered if custom and isinstance(registered, str) else name, 120)
    scan.find("custom-code", f"{shown} is no part of Keras", about=shown)


def _config(item: Mapping[str, Json], name: str, scan: Scan) -> None:
    """Report what a harmless class is told to read or to call."""
    config = item.get("config")
    if not isinstance(config, dict):
        return
    vocabulary = config.get("vocabulary")
    if name in _LOOKUPS and isinstance(vocabulary, str) and vocabulary:
        shown = printable(vocabulary, 120)
        scan.find("external-data", f"a vocabulary is read from {shown}", about=shown)
    function = config.get("function", config.get("cls_symbol"))
    if name in _OPERATORS and not (isinstance(function, str) and _OPERATOR.fullmatch(function)):
        shown = printable(str(function), 120)
        scan.find("config-code", f"a Keras layer calls TensorFlow's {shown}", about=shown)
