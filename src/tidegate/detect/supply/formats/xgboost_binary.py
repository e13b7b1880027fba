"""Examines XGBoost's binary format of before UBJSON, by walking all of it.

Fixed structures, then trees or weights, then texts (``learner.cc``, ``gbtree_model.cc`` and
``gblinear_model.cc`` of XGBoost 0.9 to 3.0). What the walk does not account for is a gap.
"""

from collections.abc import Callable
from typing import Final

from tidegate.detect.supply.formats.json_value import read_json
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles.cursor import Buffer, MalformedError
from tidegate.detect.supply.scan import Scan
from tidegate.detect.supply.wording import examine_metadata, examine_secrets

_MAGIC: Final = b"binf"
_BOOSTERS: Final = (b"gbtree", b"gblinear", b"dart")
_LEARNER: Final = 136
_TREES: Final = 160
_TREE: Final = 148
_NODE: Final = 20
_STATISTIC: Final = 16
_LINEAR: Final = 136
_NAME: Final = 128
_TEXT: Final = 1 << 22
_ITEMS: Final = 1 << 20


def looks_like(data: Buffer) -> bool:
    """Tell whether content is such a model: the frame of two names is unmistakable."""
    at = (len(_MAGIC) if data[:4] == _MAGIC else 0) + _LEARNER
    first = int.from_bytes(data[at : at + 8], "little")
    if not 0 < first < _NAME:
        return False
    second = int.from_bytes(data[at + 8 + first : at + 16 + first], "little")
    name = data[at + 16 + first : at + 16 + first + second] if second < _NAME else b""
    return name in _BOOSTERS


def scan_binary(data: Buffer, scan: Scan) -> None:
    """Examine a model that :func:`looks_like` one."""
    walk = _Walk(data, len(_MAGIC) if data[:4] == _MAGIC else 0)
    try:
        attributes, metrics = _model(walk)
    except MalformedError as error:
        scan.gap(f"an XGBoost model that can't be read: {error.why} at {error.offset}", failed=True)
        return
    for key, value in attributes:
        shown = printable(key.decode("utf-8", "replace"), 60)
        text = value.decode("utf-8", "replace")
        if read_json(value) is None:
            examine_metadata(shown, text, scan)
        else:
            examine_secrets(text, scan)
    for metric in metrics:
        examine_metadata("a metric", metric.decode("utf-8", "replace"), scan)
    if walk.at < len(data):
        scan.find("trailing-data", "bytes follow the model", walk.at)


class _Walk:
    """A position in the file.

    Args:
        data: The file.
        at: Where to begin.
    """

    def __init__(self, data: Buffer, at: int) -> None:
        self._data = data
        self.at = at

    def skip(self, size: int) -> None:
        """Pass over bytes.

        Raises:
            MalformedError: Fewer are left.
        """
        if size < 0 or size > len(self._data) - self.at:
            raise MalformedError(f"{size} bytes wanted", self.at)
        self.at += size

    def number(self, size: int, at: int | None = None) -> int:
        """Read a number, here or at an offset."""
        start = self.at if at is None else at
        if at is None:
            self.skip(size)
        return int.from_bytes(self._data[start : start + size], "little")

    def text(self) -> bytes:
        """Read a text with its length."""
        size = self.number(8)
        if size > _TEXT:
            raise MalformedError("a text longer than is read", self.at)
        self.skip(size)
        return self._data[self.at - size : self.at]

    def count(self) -> int:
        """Read how many items follow."""
        found = self.number(8)
        if found > _ITEMS:
            raise MalformedError("more items than are read", self.at)
        return found


def _model(walk: _Walk) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    start = walk.at
    walk.skip(_LEARNER)
    more, metrics = walk.number(4, start + 12), walk.number(4, start + 16)
    walk.text()
    _BODIES[walk.text()](walk)
    attributes: list[tuple[bytes, bytes]] = []
    if more:
        attributes = [(walk.text(), walk.text()) for _ in range(walk.count())]
    return attributes, [walk.text() for _ in range(walk.count())] if metrics else []


def _trees(walk: _Walk) -> int:
    trees = walk.number(4, walk.at)
    walk.skip(_TREES)
    for _ in range(trees):
        nodes, leaf = walk.number(4, walk.at + 4), walk.number(4, walk.at + 20)
        walk.skip(_TREE + nodes * (_NODE + _STATISTIC))
        if leaf > 1:
            walk.skip(walk.number(8) * 4)
    walk.skip(4 * trees)
    return trees


def _dart(walk: _Walk) -> None:
    if _trees(walk):
        walk.skip(walk.number(8) * 4)


def _linear(walk: _Walk) -> None:
    walk.skip(_LINEAR)
    walk.skip(walk.number(8) * 4)


_BODIES: Final[dict[bytes, Callable[[_Walk], object]]] = {
    b"gbtree": _trees,
    b"dart": _dart,
    b"gblinear": _linear,
}
