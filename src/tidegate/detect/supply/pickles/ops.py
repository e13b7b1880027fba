"""The opcodes of pickle, protocols 0 to 5: one function each, or one for a family.

Their effects are those of CPython's Modules/_pickle.c, over abstract values.

>>> len(HANDLERS)
68
"""

import codecs
from collections.abc import Callable
from typing import Final

from tidegate.detect.supply.pickles import joblib_arrays
from tidegate.detect.supply.pickles.cursor import MalformedError
from tidegate.detect.supply.pickles.state import PickleState
from tidegate.detect.supply.pickles.torch_ids import module_of, storage_of
from tidegate.detect.supply.pickles.values import (
    FALSE,
    FLOAT,
    KEPT_ITEMS,
    NONE,
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

Handler = Callable[[PickleState], None]
HANDLERS: Final[dict[int, Handler]] = {}
"""What each opcode does, by its code."""
STOP: Final = b"."[0]


def _op(*codes: bytes) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for code in codes:
            HANDLERS[code[0]] = handler
        return handler

    return register


@_op(b"(")
def _mark(m: PickleState) -> None:
    m.fence = len(m.stack)
    m.marks.append(m.fence)


@_op(b".")
def _stop(m: PickleState) -> None:
    m.stopped = True


@_op(b"0")
def _pop(m: PickleState) -> None:
    if m.marks and m.fence == len(m.stack):
        m.pop_mark()
    else:
        m.judge.data(m.pop())


@_op(b"1")
def _pop_mark(m: PickleState) -> None:
    for value in m.pop_mark():
        m.judge.data(value)


@_op(b"2")
def _dup(m: PickleState) -> None:
    m.stack.append(m.top())


@_op(b"N")
def _none(m: PickleState) -> None:
    m.stack.append(NONE)


@_op(b"\x88")
def _true(m: PickleState) -> None:
    m.stack.append(TRUE)


@_op(b"\x89")
def _false(m: PickleState) -> None:
    m.stack.append(FALSE)


@_op(b"I")
def _int(m: PickleState) -> None:
    line = m.cursor.line(4_096).strip()
    if line in (b"00", b"01"):
        m.stack.append(TRUE if line == b"01" else FALSE)
    else:
        m.stack.append(_text_int(line, m.at))


@_op(b"L")
def _long(m: PickleState) -> None:
    m.stack.append(_text_int(m.cursor.line().removesuffix(b"L"), m.at))


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
def _binint(m: PickleState) -> None:
    m.stack.append(Const("int", m.cursor.number(4, signed=True)))


@_op(b"K")
def _binint1(m: PickleState) -> None:
    m.stack.append(Const("int", m.cursor.byte()))


@_op(b"M")
def _binint2(m: PickleState) -> None:
    m.stack.append(Const("int", m.cursor.number(2)))


@_op(b"\x8a")
def _long1(m: PickleState) -> None:
    _binary_long(m, m.cursor.byte())


@_op(b"\x8b")
def _long4(m: PickleState) -> None:
    _binary_long(m, m.cursor.number(4, signed=True))


def _binary_long(m: PickleState, size: int) -> None:
    raw = m.cursor.take(size)
    m.stack.append(Const("int", int.from_bytes(raw, "little", signed=True) if size <= 16 else None))  # noqa: PLR2004 - as above


@_op(b"F")
def _float(m: PickleState) -> None:
    try:
        float(m.cursor.line(4_096))
    except ValueError:
        raise MalformedError("a number that is none", m.at) from None
    m.stack.append(FLOAT)


@_op(b"G")
def _binfloat(m: PickleState) -> None:
    m.cursor.skip(8)
    m.stack.append(FLOAT)


@_op(b"S")
def _string(m: PickleState) -> None:
    line = m.cursor.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):  # noqa: PLR2004 - two quotes
        raise MalformedError("a string without its quotes", m.at)
    try:
        raw, _ = codecs.escape_decode(line[1:-1])
    except ValueError:
        raise MalformedError("a string with a bad escape", m.at) from None
    m.text(bytes(raw), "latin-1")


@_op(b"T")
def _binstring(m: PickleState) -> None:
    m.text(m.cursor.take(m.cursor.number(4, signed=True)), "latin-1")


@_op(b"U")
def _short_binstring(m: PickleState) -> None:
    m.text(m.cursor.take(m.cursor.byte()), "latin-1")


@_op(b"V")
def _unicode(m: PickleState) -> None:
    m.text(m.cursor.line(1 << 28), "raw-unicode-escape")


@_op(b"X")
def _binunicode(m: PickleState) -> None:
    m.long_text(m.cursor.number(4))


@_op(b"\x8c")
def _short_binunicode(m: PickleState) -> None:
    m.long_text(m.cursor.byte())


@_op(b"\x8d")
def _binunicode8(m: PickleState) -> None:
    m.long_text(m.cursor.number(8))


@_op(b"C")
def _short_binbytes(m: PickleState) -> None:
    m.blob(m.cursor.byte())


@_op(b"B")
def _binbytes(m: PickleState) -> None:
    m.blob(m.cursor.number(4))


@_op(b"\x8e")
def _binbytes8(m: PickleState) -> None:
    m.blob(m.cursor.number(8))


@_op(b"\x96")
def _bytearray8(m: PickleState) -> None:
    m.blob(m.cursor.number(8), "bytearray")


@_op(b"\x97", b"\x98")
def _buffer(m: PickleState) -> None:
    raise MalformedError("its buffers lie outside the file", m.at)


@_op(b"]")
def _empty_list(m: PickleState) -> None:
    m.stack.append(List())


@_op(b"}")
def _empty_dict(m: PickleState) -> None:
    m.stack.append(Dict())


@_op(b")")
def _empty_tuple(m: PickleState) -> None:
    m.stack.append(Tuple(()))


@_op(b"\x8f")
def _empty_set(m: PickleState) -> None:
    m.stack.append(Set())


@_op(b"t")
def _tuple(m: PickleState) -> None:
    m.stack.append(Tuple(tuple(m.pop_mark())))


@_op(b"\x85", b"\x86", b"\x87")
def _tuple123(m: PickleState) -> None:
    stack = m.stack
    start = len(stack) - (m.cursor.data[m.at] - 0x84)
    if start < m.fence:
        raise MalformedError("the stack is empty", m.at)
    stack[start:] = [Tuple(tuple(stack[start:]))]


@_op(b"l")
def _list(m: PickleState) -> None:
    target, items = List(), m.pop_mark()
    m.extend(target, items)
    m.stack.append(target)


@_op(b"d")
def _dict(m: PickleState) -> None:
    target, items = Dict(), m.pop_mark()
    m.update(target, items)
    m.stack.append(target)


@_op(b"\x91")
def _frozenset(m: PickleState) -> None:
    for item in m.pop_mark():
        m.judge.data(item)
    m.stack.append(Set(frozen=True))


@_op(b"a")
def _append(m: PickleState) -> None:
    item = m.pop()
    target = m.top()
    if type(target) is List and type(item) is Const and len(target.items) < KEPT_ITEMS:
        target.size += 1
        target.items.append(item)
    else:
        m.extend(target, [item])


@_op(b"e")
def _appends(m: PickleState) -> None:
    items = m.pop_mark()
    m.extend(m.top(), items)


@_op(b"s")
def _setitem(m: PickleState) -> None:
    value, key = m.pop(), m.pop()
    m.update(m.top(), [key, value])


@_op(b"u")
def _setitems(m: PickleState) -> None:
    items = m.pop_mark()
    m.update(m.top(), items)


@_op(b"\x90")
def _additems(m: PickleState) -> None:
    items = m.pop_mark()
    m.add(m.top(), items)


@_op(b"p")
def _put(m: PickleState) -> None:
    m.put(_memo_line(m))


@_op(b"q")
def _binput(m: PickleState) -> None:
    m.put(m.cursor.byte())


@_op(b"r")
def _long_binput(m: PickleState) -> None:
    m.put(m.cursor.number(4))


@_op(b"\x94")
def _memoize(m: PickleState) -> None:
    memo, stack = m.memo, m.stack
    index = len(memo)
    if index in memo or len(stack) <= m.fence:
        m.put(index)
    else:
        memo[index] = stack[-1]


@_op(b"g")
def _get(m: PickleState) -> None:
    m.get(_memo_line(m))


@_op(b"h")
def _binget(m: PickleState) -> None:
    index = m.cursor.byte()
    value = m.memo.get(index)
    if value is None:
        m.get(index)
    else:
        m.stack.append(value)


@_op(b"j")
def _long_binget(m: PickleState) -> None:
    m.get(m.cursor.number(4))


def _memo_line(m: PickleState) -> int:
    line = m.cursor.line(64)
    if not line.isdigit():
        raise MalformedError("a memo index that is no number", m.at)
    return int(line)


@_op(b"c")
def _global(m: PickleState) -> None:
    m.stack.append(m.named_global())


@_op(b"\x93")
def _stack_global(m: PickleState) -> None:
    name, module = m.pop(), m.pop()
    names = [
        part.value for part in (module, name) if isinstance(part, Const) and part.kind == "str"
    ]
    if len(names) == 2 and all(isinstance(text, str) for text in names):  # noqa: PLR2004 - module and name
        m.stack.append(m.import_name(str(names[0]), str(names[1])))
        return
    m.scan.find("pickle-computed-name", "imports a name that is computed while loading", m.at)
    m.imports.append(Global("?", "?", m.at))
    m.stack.append(Made("?", loose=True))


@_op(b"i")
def _inst(m: PickleState) -> None:
    if not m.marks:
        raise MalformedError("no mark", m.at)
    cls, args = m.named_global(), Tuple(tuple(m.pop_mark()))
    m.stack.append(m.judge.call(cls, args, m.at) if args.items else m.judge.new(cls, args, m.at))


@_op(b"o")
def _obj(m: PickleState) -> None:
    items = m.pop_mark()
    if not items:
        raise MalformedError("no class to make an object of", m.at)
    cls, args = items[0], Tuple(tuple(items[1:]))
    m.stack.append(m.judge.call(cls, args, m.at) if args.items else m.judge.new(cls, args, m.at))


@_op(b"R")
def _reduce(m: PickleState) -> None:
    args, function = m.pop(), m.pop()
    m.stack.append(m.judge.call(function, args, m.at))


@_op(b"\x81")
def _newobj(m: PickleState) -> None:
    args, cls = m.pop(), m.pop()
    m.stack.append(m.judge.new(cls, args, m.at))


@_op(b"\x92")
def _newobj_ex(m: PickleState) -> None:
    keywords, args, cls = m.pop(), m.pop(), m.pop()
    m.judge.data(keywords)
    empty = isinstance(keywords, Dict) and not (keywords.entries or keywords.computed)
    positional = args if empty and isinstance(args, Tuple) else Tuple((args, keywords))
    m.stack.append(m.judge.new(cls, positional, m.at))


@_op(b"b")
def _build(m: PickleState) -> None:
    state = m.pop()
    target = m.top()
    m.judge.build(target, state, m.at)
    if isinstance(target, Made) and target.by in joblib_arrays.WRAPPERS:
        m.stack[-1] = joblib_arrays.pass_over(m, state)


@_op(b"\x82", b"\x83", b"\x84")
def _extension(m: PickleState) -> None:
    size = {0x82: 1, 0x83: 2, 0x84: 4}[m.cursor.data[m.at]]
    m.cursor.skip(size)
    m.scan.find("pickle-extension", "asks the extension registry", m.at)
    m.imports.append(Global("?", "?", m.at))
    m.stack.append(Made("?", loose=True))


@_op(b"\x80")
def _proto(m: PickleState) -> None:
    m.protocol = m.cursor.byte()
    if m.protocol > 5:  # noqa: PLR2004 - the highest there is
        raise MalformedError(f"protocol {m.protocol} is unknown", m.at)


@_op(b"\x95")
def _frame(m: PickleState) -> None:
    m.cursor.open_frame(m.cursor.number(8))


@_op(b"P")
def _persid(m: PickleState) -> None:
    m.cursor.line()
    _persistent(m, NONE)


@_op(b"Q")
def _binpersid(m: PickleState) -> None:
    _persistent(m, m.pop())


def _persistent(m: PickleState, pid: Value) -> None:
    module = module_of(pid) if m.torch else None
    if module is not None:
        m.stack.append(module)
        return
    storage = storage_of(pid) if m.torch else None
    if storage is None:
        m.judge.data(pid)
        m.scan.find("pickle-persistent-id", "asks the loader for an outside object", m.at)
        m.stack.append(Made("?", loose=True))
        return
    key, size = storage
    m.storages[key] = max(size, m.storages.get(key, 0))
    m.stack.append(Made("torch:storage"))
