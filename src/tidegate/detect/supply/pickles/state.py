"""The state of the pickle machine: stack, marks, memo, and what opcodes have in common.

A mark fences off what lies below it, as in the C unpickler.
"""

import _compat_pickle
from abc import ABC, abstractmethod
from typing import Final

from tidegate.detect.supply.pickles.cursor import Buffer, Cursor, MalformedError
from tidegate.detect.supply.pickles.judge import Judge
from tidegate.detect.supply.pickles.values import (
    BYTES,
    KEPT_ITEMS,
    KEPT_KEYS,
    KEPT_TEXT,
    TEXT,
    Const,
    Dict,
    Global,
    List,
    Made,
    Set,
    Tuple,
    Value,
)
from tidegate.detect.supply.scan import Scan

_MAX_EMBEDDED: Final = 64
_FIRST: Final = frozenset(b"\x80c(gY8")
"""What anything begins with that :func:`_suspicious` holds for."""


class PickleState(ABC):
    """What an unpickler holds, and what opcodes do to it.

    Args:
        data: The whole buffer.
        start: First byte of the stream.
        scan: Where findings go; also the allowlist and the budget.
        torch: Whether the loader resolves persistent ids as PyTorch does.
        depth: How many streams this one lies in.
    """

    def __init__(
        self, data: Buffer, start: int, scan: Scan, *, torch: bool = False, depth: int = 0
    ) -> None:
        self.scan = scan
        self.torch = torch
        self.depth = depth
        self.judge = Judge(scan)
        self.cursor = Cursor(data, start, self._bad_frame)
        self.at = start
        self.protocol = 0
        self.stack: list[Value] = []
        self.marks: list[int] = []
        self.fence = 0
        """Where the last mark stands; nothing below is within reach."""
        self.memo: dict[int, Value] = {}
        self.imports: list[Global] = []
        self.storages: dict[str, int] = {}
        """PyTorch storages by key: bytes."""
        self.embedded: list[tuple[int, bytes]] = []
        """Constants that look like a pickle of their own."""
        self.stopped = False

    @abstractmethod
    def run(self) -> Value:
        """Run to STOP and return the value that the loader would return."""

    @abstractmethod
    def step(self, limit: int) -> int:
        """Run some opcodes, or up to STOP, and return how many."""

    def _bad_frame(self, why: str) -> None:
        self.scan.find("pickle-frame", why, self.at, about="frame")

    # Stack. A mark fences off what lies below it.

    def pop(self) -> Value:
        """Pop a value.

        Raises:
            MalformedError: Nothing is there above the last mark.
        """
        if len(self.stack) <= self.fence:
            raise MalformedError("the stack is empty", self.at)
        return self.stack.pop()

    def top(self) -> Value:
        """Look at the topmost value.

        Raises:
            MalformedError: Nothing is there above the last mark.
        """
        if len(self.stack) <= self.fence:
            raise MalformedError("the stack is empty", self.at)
        return self.stack[-1]

    def pop_mark(self) -> list[Value]:
        """Pop everything above the last mark.

        Raises:
            MalformedError: There is no mark.
        """
        if not self.marks:
            raise MalformedError("no mark", self.at)
        start = self.marks.pop()
        self.fence = self.marks[-1] if self.marks else 0
        items = self.stack[start:]
        del self.stack[start:]
        return items

    # Memo.

    def put(self, index: int) -> None:
        """Remember the topmost value.

        Raises:
            MalformedError: The stack is empty, or the index is out of reason.
        """
        stack, memo = self.stack, self.memo
        if len(stack) <= self.fence:
            raise MalformedError("the stack is empty", self.at)
        value = stack[-1]
        if index > 2 * len(memo) + 100_000:
            self.scan.find("pickle-memo", f"jumps to memo entry {index}", self.at, about="jump")
            raise MalformedError("a memo index out of reason", self.at)
        if memo.get(index, value) is not value:
            self.scan.find("pickle-memo", "overwrites a memo entry", self.at, about="overwrite")
        memo[index] = value

    def get(self, index: int) -> None:
        """Push a remembered value.

        Raises:
            MalformedError: No such entry.
        """
        value = self.memo.get(index)
        if value is None:
            raise MalformedError(f"memo entry {index} was never set", self.at)
        self.stack.append(value)

    # Constants.

    def text(self, raw: bytes, encoding: str = "utf-8") -> None:
        """Push a string.

        Raises:
            MalformedError: It is not text in that encoding.
        """
        try:
            value = raw.decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
        except UnicodeError:
            raise MalformedError("a string that is no text", self.at) from None
        self._look_inside(raw)
        self.stack.append(Const("str", value) if len(raw) <= KEPT_TEXT else TEXT)

    def blob(self, size: int, kind: str = "bytes") -> None:
        """Push bytes; big ones are passed over without a copy.

        Raises:
            MalformedError: Fewer bytes are left.
        """
        if size <= KEPT_TEXT:
            raw = self.cursor.take(size)
            self._look_inside(raw)
            self.stack.append(Const(kind, raw))
            return
        start = self.cursor.pos
        self.cursor.skip(size)
        head = self.cursor.data[start : start + 16]
        if _suspicious(head) and size <= 1 << 20:
            self._look_inside(self.cursor.data[start : start + size])
        self.stack.append(BYTES if kind == "bytes" else Const(kind))

    def long_text(self, size: int) -> None:
        """Push a string of a given size."""
        self.text(self.cursor.take(size))

    def _look_inside(self, raw: bytes) -> None:
        if len(raw) <= 7 or raw[0] not in _FIRST:  # noqa: PLR2004 - shorter holds no call
            return
        if len(self.embedded) < _MAX_EMBEDDED and _suspicious(raw[:16]):
            self.embedded.append((self.at, raw))

    # Globals.

    def import_name(self, module: str, name: str) -> Global:
        """Take note of an imported global, under the name that Python 3 gives it."""
        if self.protocol < 3:  # noqa: PLR2004 - where pickle maps Python 2 names
            if (module, name) in _compat_pickle.NAME_MAPPING:
                module, name = _compat_pickle.NAME_MAPPING[(module, name)]
            elif module in _compat_pickle.IMPORT_MAPPING:
                module = _compat_pickle.IMPORT_MAPPING[module]
        found = Global(module, name, self.at)
        self.scan.refer(module, name)
        found.listed = self.scan.allowlist.get(found.key) is not None
        if len(self.imports) < KEPT_ITEMS:
            self.imports.append(found)
        return found

    def named_global(self) -> Global:
        """Read the two lines of GLOBAL and INST.

        Raises:
            MalformedError: They are no names.
        """
        try:
            module, name = self.cursor.line().decode(), self.cursor.line().decode()
        except UnicodeError:
            raise MalformedError("a global whose name is no text", self.at) from None
        return self.import_name(module, name)

    # Containers.

    def extend(self, target: Value, items: list[Value]) -> None:
        """Append items to a list, or to an object that takes them.

        Raises:
            MalformedError: The target takes none.
        """
        self.judge.all_data(items)
        if isinstance(target, List):
            target.size += len(items)
            if len(target.items) < KEPT_ITEMS:
                target.items += items[: KEPT_ITEMS - len(target.items)]
        elif isinstance(target, Made | Global):
            self.judge.mutate(target, self.at)
        else:
            raise MalformedError("appends to what is no list", self.at)

    def update(self, target: Value, items: list[Value]) -> None:
        """Set items of a dict, or of an object that takes them.

        Raises:
            MalformedError: A key without a value, or the target takes none.
        """
        if len(items) % 2:
            raise MalformedError("a key without its value", self.at)
        if not isinstance(target, Dict | Made | Global):
            raise MalformedError("sets items of what is no dict", self.at)
        self.judge.all_data(items)
        if isinstance(target, Dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                _remember(target, key, value)
            if target.state:
                self.judge.state_changed(target, self.at)
        elif items:
            for key in items[::2] if isinstance(target, Made) else ():
                self.judge.item_key(key, self.at)
            self.judge.mutate(target, self.at)

    def add(self, target: Value, items: list[Value]) -> None:
        """Add members to a set, or to an object that takes them.

        Raises:
            MalformedError: The target takes none.
        """
        self.judge.all_data(items)
        if isinstance(target, Made | Global):
            self.judge.mutate(target, self.at)
        elif not isinstance(target, Set) or target.frozen:
            raise MalformedError("adds to what is no set", self.at)


def _remember(target: Dict, key: Value, value: Value) -> None:
    if isinstance(key, Const):
        if key.kind == "str":
            text = key.value
            if not isinstance(text, str):
                target.computed = True
            elif text.startswith("__"):
                target.dunder = text
            elif len(target.entries) < KEPT_KEYS or text in target.entries:
                target.entries[text] = value
    elif not isinstance(key, Tuple):
        target.computed = True


def _suspicious(head: bytes) -> bool:
    """Whether bytes begin like a pickle, raw or as base64 or hexadecimal text."""
    raw = head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 1
    old = head[:1] in (b"c", b"(") and head[1:2].isalpha()
    return (
        raw
        or old
        or head[:3] in (b"gAJ", b"gAN", b"gAR", b"gAS", b"gAV", b"gAU", b"Y29", b"Y19")
        or (head[:4].lower() in (b"8002", b"8003", b"8004", b"8005"))
    )
