"""Runs one pickle stream over abstract values: no import, no call, no object.

The semantics are those of CPython's C unpickler (Modules/_pickle.c), protocols 0 to 5. Where it
and the pure Python unpickler would differ, or where a stream does what no pickler writes, the
machine says so; anything that neither would load is a :class:`MalformedError`.

>>> from tidegate.detect.supply.engine import silent_scan
>>> import pickle
>>> machine = PickleMachine(pickle.dumps({"a": (1, 2)}), 0, silent_scan())
>>> type(machine.run()).__name__, machine.cursor.pos
('Dict', 25)
"""

import _compat_pickle
import codecs
from collections.abc import Callable
from typing import Final

from tidegate.detect.supply import joblib_arrays
from tidegate.detect.supply.pickle_cursor import Buffer, Cursor, MalformedError
from tidegate.detect.supply.pickle_judge import Judge
from tidegate.detect.supply.pickle_values import (
    BYTES,
    FALSE,
    FLOAT,
    KEPT_ITEMS,
    KEPT_KEYS,
    KEPT_TEXT,
    NONE,
    TEXT,
    TRUE,
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
from tidegate.detect.supply.torch_ids import module_of, storage_of

_TICK: Final = 1_024
_MAX_EMBEDDED: Final = 64

Handler = Callable[["PickleMachine"], None]
_HANDLERS: Final[dict[int, Handler]] = {}


def _op(*codes: bytes) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for code in codes:
            _HANDLERS[code[0]] = handler
        return handler

    return register


class PickleMachine:
    """An unpickler that builds nothing.

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
        self.memo: dict[int, Value] = {}
        self.imports: list[Global] = []
        self.storages: dict[str, int] = {}
        """PyTorch storages by key: bytes."""
        self.embedded: list[tuple[int, bytes]] = []
        """Constants that look like a pickle of their own."""
        self.stopped = False

    def run(self) -> Value:
        """Run to STOP and return the value that the loader would return.

        Raises:
            MalformedError: No unpickler would get to its end.
            BudgetSpentError: It takes too much.
        """
        while not self.stopped:
            self._spend(self.step(_TICK))
        self.cursor.leave_frame(exact=True)
        result = self.pop()
        for value in (result, *self.stack):
            self.judge.data(value)
        return result

    def step(self, limit: int) -> int:
        """Run some opcodes, or up to STOP, and return how many.

        Raises:
            MalformedError: No unpickler would get further.
        """
        cursor, handlers = self.cursor, _HANDLERS
        for count in range(limit):
            self.at = cursor.pos
            handler = handlers.get(cursor.byte())
            if handler is None:
                raise MalformedError("no such opcode", self.at)
            handler(self)
            if cursor.frame_end >= 0 and cursor.pos >= cursor.frame_end:
                cursor.leave_frame()
            if self.stopped:
                return count + 1
        return limit

    def _spend(self, opcodes: int) -> None:
        self.scan.meter.opcode(opcodes)
        budget = self.scan.meter.budget
        if len(self.stack) > budget.stack or len(self.memo) > budget.memo:
            raise MalformedError("more values than the budget allows", self.at)

    def _bad_frame(self, why: str) -> None:
        self.scan.find("pickle-frame", why, self.at, about="frame")

    # Stack. A mark fences off what lies below it.

    def push(self, value: Value) -> None:
        """Push a value."""
        self.stack.append(value)

    def pop(self) -> Value:
        """Pop a value.

        Raises:
            MalformedError: Nothing is there above the last mark.
        """
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise MalformedError("the stack is empty", self.at)
        return self.stack.pop()

    def top(self) -> Value:
        """Look at the topmost value.

        Raises:
            MalformedError: Nothing is there above the last mark.
        """
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
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
        items = self.stack[start:]
        del self.stack[start:]
        return items

    # Memo.

    def put(self, index: int) -> None:
        """Remember the topmost value.

        Raises:
            MalformedError: The stack is empty, or the index is out of reason.
        """
        value = self.top()
        if index > 2 * len(self.memo) + 100_000:
            self.scan.find("pickle-memo", f"jumps to memo entry {index}", self.at, about="jump")
            raise MalformedError("a memo index out of reason", self.at)
        if index in self.memo and self.memo[index] is not value:
            self.scan.find("pickle-memo", "overwrites a memo entry", self.at, about="overwrite")
        self.memo[index] = value

    def get(self, index: int) -> None:
        """Push a remembered value.

        Raises:
            MalformedError: No such entry.
        """
        value = self.memo.get(index)
        if value is None:
            raise MalformedError(f"memo entry {index} was never set", self.at)
        self.push(value)

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
        self.push(Const("str", value) if len(raw) <= KEPT_TEXT else TEXT)

    def blob(self, size: int, kind: str = "bytes") -> None:
        """Push bytes; big ones are passed over without a copy.

        Raises:
            MalformedError: Fewer bytes are left.
        """
        if size <= KEPT_TEXT:
            raw = self.cursor.take(size)
            self._look_inside(raw)
            self.push(Const(kind, raw))
            return
        start = self.cursor.pos
        self.cursor.skip(size)
        head = self.cursor.data[start : start + 16]
        if _suspicious(head) and size <= 1 << 20:
            self._look_inside(self.cursor.data[start : start + size])
        self.push(BYTES if kind == "bytes" else Const(kind))

    def long_text(self, size: int) -> None:
        """Push a string of a given size."""
        self.text(self.cursor.take(size))

    def _look_inside(self, raw: bytes) -> None:
        if len(raw) > 7 and len(self.embedded) < _MAX_EMBEDDED and _suspicious(raw[:16]):  # noqa: PLR2004 - shorter holds no call
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
        for item in items:
            self.judge.data(item)
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
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.judge.data(key)
            self.judge.data(value)
            if isinstance(target, Dict):
                _remember(target, key, value)
            elif isinstance(target, Made):
                self.judge.item_key(key, self.at)
        if isinstance(target, Dict):
            if target.state:
                self.judge.state_changed(target, self.at)
        elif items:
            self.judge.mutate(target, self.at)

    def add(self, target: Value, items: list[Value]) -> None:
        """Add members to a set, or to an object that takes them.

        Raises:
            MalformedError: The target takes none.
        """
        for item in items:
            self.judge.data(item)
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


# One function an opcode, or a family of them, in the order of the protocols.


@_op(b"(")
def _mark(m: PickleMachine) -> None:
    m.marks.append(len(m.stack))


@_op(b".")
def _stop(m: PickleMachine) -> None:
    m.stopped = True


@_op(b"0")
def _pop(m: PickleMachine) -> None:
    if m.marks and m.marks[-1] == len(m.stack):
        m.marks.pop()
    else:
        m.judge.data(m.pop())


@_op(b"1")
def _pop_mark(m: PickleMachine) -> None:
    for value in m.pop_mark():
        m.judge.data(value)


@_op(b"2")
def _dup(m: PickleMachine) -> None:
    m.push(m.top())


@_op(b"N")
def _none(m: PickleMachine) -> None:
    m.push(NONE)


@_op(b"\x88")
def _true(m: PickleMachine) -> None:
    m.push(TRUE)


@_op(b"\x89")
def _false(m: PickleMachine) -> None:
    m.push(FALSE)


@_op(b"I")
def _int(m: PickleMachine) -> None:
    line = m.cursor.line(4_096).strip()
    if line in (b"00", b"01"):
        m.push(TRUE if line == b"01" else FALSE)
    else:
        m.push(_text_int(line, m.at))


@_op(b"L")
def _long(m: PickleMachine) -> None:
    m.push(_text_int(m.cursor.line().removesuffix(b"L"), m.at))


def _text_int(line: bytes, at: int) -> Const:
    if len(line) > 32:  # noqa: PLR2004 - far beyond any size or index that a rule asks for
        if not line.lstrip(b"-").isdigit():
            raise MalformedError("a number that is none", at)
        return Const("int")
    try:
        return Const("int", int(line, 0) if not line.lstrip(b"-").isdigit() else int(line))
    except ValueError:
        raise MalformedError("a number that is none", at) from None


@_op(b"J")
def _binint(m: PickleMachine) -> None:
    m.push(Const("int", m.cursor.number(4, signed=True)))


@_op(b"K")
def _binint1(m: PickleMachine) -> None:
    m.push(Const("int", m.cursor.byte()))


@_op(b"M")
def _binint2(m: PickleMachine) -> None:
    m.push(Const("int", m.cursor.number(2)))


@_op(b"\x8a")
def _long1(m: PickleMachine) -> None:
    _binary_long(m, m.cursor.byte())


@_op(b"\x8b")
def _long4(m: PickleMachine) -> None:
    _binary_long(m, m.cursor.number(4, signed=True))


def _binary_long(m: PickleMachine, size: int) -> None:
    raw = m.cursor.take(size)
    m.push(Const("int", int.from_bytes(raw, "little", signed=True) if size <= 16 else None))  # noqa: PLR2004 - as above


@_op(b"F")
def _float(m: PickleMachine) -> None:
    try:
        float(m.cursor.line(4_096))
    except ValueError:
        raise MalformedError("a number that is none", m.at) from None
    m.push(FLOAT)


@_op(b"G")
def _binfloat(m: PickleMachine) -> None:
    m.cursor.skip(8)
    m.push(FLOAT)


@_op(b"S")
def _string(m: PickleMachine) -> None:
    line = m.cursor.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):  # noqa: PLR2004 - two quotes
        raise MalformedError("a string without its quotes", m.at)
    try:
        raw, _ = codecs.escape_decode(line[1:-1])
    except ValueError:
        raise MalformedError("a string with a bad escape", m.at) from None
    m.text(bytes(raw), "latin-1")


@_op(b"T")
def _binstring(m: PickleMachine) -> None:
    m.text(m.cursor.take(m.cursor.number(4, signed=True)), "latin-1")


@_op(b"U")
def _short_binstring(m: PickleMachine) -> None:
    m.text(m.cursor.take(m.cursor.byte()), "latin-1")


@_op(b"V")
def _unicode(m: PickleMachine) -> None:
    m.text(m.cursor.line(1 << 28), "raw-unicode-escape")


@_op(b"X")
def _binunicode(m: PickleMachine) -> None:
    m.long_text(m.cursor.number(4))


@_op(b"\x8c")
def _short_binunicode(m: PickleMachine) -> None:
    m.long_text(m.cursor.byte())


@_op(b"\x8d")
def _binunicode8(m: PickleMachine) -> None:
    m.long_text(m.cursor.number(8))


@_op(b"C")
def _short_binbytes(m: PickleMachine) -> None:
    m.blob(m.cursor.byte())


@_op(b"B")
def _binbytes(m: PickleMachine) -> None:
    m.blob(m.cursor.number(4))


@_op(b"\x8e")
def _binbytes8(m: PickleMachine) -> None:
    m.blob(m.cursor.number(8))


@_op(b"\x96")
def _bytearray8(m: PickleMachine) -> None:
    m.blob(m.cursor.number(8), "bytearray")


@_op(b"\x97", b"\x98")
def _buffer(m: PickleMachine) -> None:
    raise MalformedError("its buffers lie outside the file", m.at)


@_op(b"]")
def _empty_list(m: PickleMachine) -> None:
    m.push(List())


@_op(b"}")
def _empty_dict(m: PickleMachine) -> None:
    m.push(Dict())


@_op(b")")
def _empty_tuple(m: PickleMachine) -> None:
    m.push(Tuple(()))


@_op(b"\x8f")
def _empty_set(m: PickleMachine) -> None:
    m.push(Set())


@_op(b"t")
def _tuple(m: PickleMachine) -> None:
    m.push(Tuple(tuple(m.pop_mark())))


@_op(b"\x85", b"\x86", b"\x87")
def _tuple123(m: PickleMachine) -> None:
    size = m.cursor.data[m.at] - 0x84
    items = [m.pop() for _ in range(size)]
    m.push(Tuple(tuple(reversed(items))))


@_op(b"l")
def _list(m: PickleMachine) -> None:
    target, items = List(), m.pop_mark()
    m.extend(target, items)
    m.push(target)


@_op(b"d")
def _dict(m: PickleMachine) -> None:
    target, items = Dict(), m.pop_mark()
    m.update(target, items)
    m.push(target)


@_op(b"\x91")
def _frozenset(m: PickleMachine) -> None:
    for item in m.pop_mark():
        m.judge.data(item)
    m.push(Set(frozen=True))


@_op(b"a")
def _append(m: PickleMachine) -> None:
    item = m.pop()
    m.extend(m.top(), [item])


@_op(b"e")
def _appends(m: PickleMachine) -> None:
    items = m.pop_mark()
    m.extend(m.top(), items)


@_op(b"s")
def _setitem(m: PickleMachine) -> None:
    value, key = m.pop(), m.pop()
    m.update(m.top(), [key, value])


@_op(b"u")
def _setitems(m: PickleMachine) -> None:
    items = m.pop_mark()
    m.update(m.top(), items)


@_op(b"\x90")
def _additems(m: PickleMachine) -> None:
    items = m.pop_mark()
    m.add(m.top(), items)


@_op(b"p")
def _put(m: PickleMachine) -> None:
    m.put(_memo_line(m))


@_op(b"q")
def _binput(m: PickleMachine) -> None:
    m.put(m.cursor.byte())


@_op(b"r")
def _long_binput(m: PickleMachine) -> None:
    m.put(m.cursor.number(4))


@_op(b"\x94")
def _memoize(m: PickleMachine) -> None:
    m.put(len(m.memo))


@_op(b"g")
def _get(m: PickleMachine) -> None:
    m.get(_memo_line(m))


@_op(b"h")
def _binget(m: PickleMachine) -> None:
    m.get(m.cursor.byte())


@_op(b"j")
def _long_binget(m: PickleMachine) -> None:
    m.get(m.cursor.number(4))


def _memo_line(m: PickleMachine) -> int:
    line = m.cursor.line(64)
    if not line.isdigit():
        raise MalformedError("a memo index that is no number", m.at)
    return int(line)


@_op(b"c")
def _global(m: PickleMachine) -> None:
    m.push(m.named_global())


@_op(b"\x93")
def _stack_global(m: PickleMachine) -> None:
    name, module = m.pop(), m.pop()
    names = [
        part.value for part in (module, name) if isinstance(part, Const) and part.kind == "str"
    ]
    if len(names) == 2 and all(isinstance(text, str) for text in names):  # noqa: PLR2004 - module and name
        m.push(m.import_name(str(names[0]), str(names[1])))
        return
    m.scan.find("pickle-computed-name", "imports a name that is computed while loading", m.at)
    m.imports.append(Global("?", "?", m.at))
    m.push(Made("?", loose=True))


@_op(b"i")
def _inst(m: PickleMachine) -> None:
    if not m.marks:
        raise MalformedError("no mark", m.at)
    cls, args = m.named_global(), Tuple(tuple(m.pop_mark()))
    m.push(m.judge.call(cls, args, m.at) if args.items else m.judge.new(cls, args, m.at))


@_op(b"o")
def _obj(m: PickleMachine) -> None:
    items = m.pop_mark()
    if not items:
        raise MalformedError("no class to make an object of", m.at)
    cls, args = items[0], Tuple(tuple(items[1:]))
    m.push(m.judge.call(cls, args, m.at) if args.items else m.judge.new(cls, args, m.at))


@_op(b"R")
def _reduce(m: PickleMachine) -> None:
    args, function = m.pop(), m.pop()
    m.push(m.judge.call(function, args, m.at))


@_op(b"\x81")
def _newobj(m: PickleMachine) -> None:
    args, cls = m.pop(), m.pop()
    m.push(m.judge.new(cls, args, m.at))


@_op(b"\x92")
def _newobj_ex(m: PickleMachine) -> None:
    keywords, args, cls = m.pop(), m.pop(), m.pop()
    m.judge.data(keywords)
    empty = isinstance(keywords, Dict) and not (keywords.entries or keywords.computed)
    positional = args if empty and isinstance(args, Tuple) else Tuple((args, keywords))
    m.push(m.judge.new(cls, positional, m.at))


@_op(b"b")
def _build(m: PickleMachine) -> None:
    state = m.pop()
    target = m.top()
    m.judge.build(target, state, m.at)
    if isinstance(target, Made) and target.by in joblib_arrays.WRAPPERS:
        m.stack[-1] = joblib_arrays.pass_over(m, state)


@_op(b"\x82", b"\x83", b"\x84")
def _extension(m: PickleMachine) -> None:
    size = {0x82: 1, 0x83: 2, 0x84: 4}[m.cursor.data[m.at]]
    m.cursor.skip(size)
    m.scan.find("pickle-extension", "asks the extension registry", m.at)
    m.imports.append(Global("?", "?", m.at))
    m.push(Made("?", loose=True))


@_op(b"\x80")
def _proto(m: PickleMachine) -> None:
    m.protocol = m.cursor.byte()
    if m.protocol > 5:  # noqa: PLR2004 - the highest there is
        raise MalformedError(f"protocol {m.protocol} is unknown", m.at)


@_op(b"\x95")
def _frame(m: PickleMachine) -> None:
    m.cursor.open_frame(m.cursor.number(8))


@_op(b"P")
def _persid(m: PickleMachine) -> None:
    m.cursor.line()
    _persistent(m, NONE)


@_op(b"Q")
def _binpersid(m: PickleMachine) -> None:
    _persistent(m, m.pop())


def _persistent(m: PickleMachine, pid: Value) -> None:
    module = module_of(pid) if m.torch else None
    if module is not None:
        m.push(module)
        return
    storage = storage_of(pid) if m.torch else None
    if storage is None:
        m.judge.data(pid)
        m.scan.find("pickle-persistent-id", "asks the loader for an outside object", m.at)
        m.push(Made("?", loose=True))
        return
    key, size = storage
    m.storages[key] = max(size, m.storages.get(key, 0))
    m.push(Made("torch:storage"))
