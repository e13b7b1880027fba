"""PyTorch's persistent ids: how a checkpoint's pickle points at the bytes of its tensors.

``torch.save`` writes ``("storage", class, key, location, count)``, and in its legacy format a sixth
member, the view. Nothing else is resolved by ``torch.load``.
"""

from typing import Final

from tidegate.detect.supply.pickles.values import Const, Global, Tuple, Value

_ITEM_SIZES: Final = {
    "Double": 8, "Float": 4, "Half": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1,
    "Bool": 1, "BFloat16": 2, "ComplexDouble": 16, "ComplexFloat": 8, "QUInt8": 1, "QInt8": 1,
    "QInt32": 4, "Untyped": 1,
}  # fmt: skip
_MODULES: Final = ("torch", "torch.storage", "torch.cuda")
_WITH_VIEW: Final = 6
_MODULE_PARTS: Final = 4


def storage_of(pid: Value) -> tuple[str, int] | None:
    """Return a storage's key and its size in bytes; ``None`` where the id is of another form."""
    if not isinstance(pid, Tuple) or len(pid.items) not in (_WITH_VIEW - 1, _WITH_VIEW):
        return None
    tag, cls, key, place, count = (_known(item) for item in pid.items[:5])
    if tag != "storage" or not isinstance(cls, Global) or not isinstance(place, str):
        return None
    width = _ITEM_SIZES.get(cls.name.removesuffix("Storage"))
    if width is None or cls.module not in _MODULES or not isinstance(key, str | int):
        return None
    if not isinstance(count, int) or count < 0:
        return None
    if len(pid.items) == _WITH_VIEW and not isinstance(pid.items[5], Const | Tuple):
        return None
    return str(key), count * width


def _known(value: Value) -> object:
    return value.value if isinstance(value, Const) else value


def module_of(pid: Value) -> Global | None:
    """Return the class of a legacy ``("module", class, file, source)`` id; the source is unused."""
    if not isinstance(pid, Tuple) or len(pid.items) != _MODULE_PARTS:
        return None
    tag, cls, file, source = pid.items
    plain = isinstance(file, Const) and isinstance(source, Const)
    return cls if plain and _known(tag) == "module" and isinstance(cls, Global) else None
