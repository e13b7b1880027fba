"""Judges each use that a pickle makes of a global, against the allow packs.

The key is (global, use), with the shape of the arguments for calls. Whatever no entry covers is a
finding at the byte where it happens; the machine goes on, so that the whole file is told.
"""

from collections.abc import Iterable
from typing import Final

from tidegate.core.finding import Severity
from tidegate.detect.supply.allow.packs import Entry, Use
from tidegate.detect.supply.formats.word_set import printable
from tidegate.detect.supply.pickles import shapes
from tidegate.detect.supply.pickles.values import Const, Dict, Global, Made, Tuple, Value
from tidegate.detect.supply.rules import is_executor
from tidegate.detect.supply.scan import Scan

_SLUGS = {
    Use.DATA: "pickle-reference",
    Use.NEW: "pickle-new",
    Use.REDUCE: "pickle-call",
    Use.BUILD: "pickle-build",
}
_VERBS = {
    Use.DATA: "refers to",
    Use.NEW: "makes an instance of",
    Use.REDUCE: "calls",
    Use.BUILD: "sets the state of",
}
_WITH_SLOTS = 2
"""A state of two parts: attributes, and slots."""
_HOLDERS: Final = frozenset({Tuple, Global})
"""The values that are, or hold, uncalled references."""
_STRANGER = "?"
"""Maker of an object that came from a denied use."""


class Judge:
    """Decides about uses, and writes the findings.

    Args:
        scan: Where findings go, and the allowlist.
    """

    __slots__ = ("_allow", "_scan", "calls")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._allow = scan.allowlist
        self.calls = 0
        """Calls, instances and changes of globals so far."""

    def data(self, value: Value) -> None:
        """Judge a value that becomes part of the object: globals in it are uncalled references."""
        if type(value) in _HOLDERS:  # most values are constants
            self._refer([value])

    def all_data(self, values: Iterable[Value]) -> None:
        """Judge several values that become part of the object, one after the other."""
        for value in values:
            if type(value) in _HOLDERS:
                self._refer([value])

    def _refer(self, todo: list[Value]) -> None:
        while todo:
            item = todo.pop()
            if isinstance(item, Tuple):
                if not item.judged:
                    item.judged = True
                    todo += [part for part in item.items if type(part) in _HOLDERS]
            elif isinstance(item, Global) and not item.harmless:
                item.harmless = self._allow.permits(item.key, Use.DATA)
                if not item.harmless:
                    self._deny(item, Use.DATA, item.offset)

    def call(self, function: Value, args: Value, at: int) -> Value:
        """Judge ``function(*args)`` and return what it makes."""
        return self._make(function, args, at, Use.REDUCE)

    def new(self, cls: Value, args: Value, at: int) -> Value:
        """Judge ``cls.__new__(cls, *args)`` and return what it makes."""
        return self._make(cls, args, at, Use.NEW)

    def _make(self, function: Value, args: Value, at: int, use: Use) -> Value:
        self.calls += 1
        if not isinstance(function, Global):
            self._indirect(function, at)
            self.data(args)
            return Made(_STRANGER, loose=True)
        entry = self._allow.get(function.key)
        if entry is None or use not in entry.uses:
            self._deny(function, use, at)
            self.data(args)
            return Made(function.key, loose=True)
        if not isinstance(args, Tuple):
            self._find_arguments(function, at)
            return Made(function.key, loose=True)
        shape = self._fitting(entry, args)
        if shape is None:
            self._find_arguments(function, at)
            self.data(args)
            return Made(function.key, loose=True)
        self.all_data(shapes.left_over(shape, args))
        return Made(self._maker(entry, args), args)

    def _fitting(self, entry: Entry, args: Tuple) -> shapes.Shape | None:
        for shape in ((),) if entry.args is None else entry.args:
            if shapes.matches(shape, args, self._may_make):
                return shape
        return None

    def _may_make(self, key: str) -> bool:
        return self._allow.permits(key, Use.NEW)

    def _maker(self, entry: Entry, args: Tuple) -> str:
        if entry.makes == "arg0":
            first = args.items[0]
            return first.key if isinstance(first, Global) else _STRANGER
        return entry.makes or entry.name

    def build(self, target: Value, state: Value, at: int) -> None:
        """Judge state that is handed to an object."""
        self._state_keys(state, at)
        self.data(state)
        self.mutate(target, at)
        if isinstance(target, Made):
            target.state = state

    def mutate(self, target: Value, at: int) -> None:
        """Judge items, members or state that are put into something that is no plain container."""
        if isinstance(target, Global):
            self.calls += 1
            self._scan.find(
                "pickle-mutates-global",
                f"writes into the imported {printable(target.dotted)}",
                at,
                about=target.key,
                evidence={"global": printable(target.dotted)},
            )
        elif isinstance(target, Made):
            if not target.loose and not self._allow.permits(target.by, Use.BUILD):
                module, _, name = target.by.partition(":")
                self._deny(Global(module, name, at), Use.BUILD, at)
        else:
            self._scan.find("pickle-build", "hands state to a plain value", at, about="plain value")

    def item_key(self, key: Value, at: int) -> None:
        """Judge a key that is set on an object: an ordered dict may serve as state later."""
        if _dunder(key):
            self._dunder_found(str(key.value) if isinstance(key, Const) else "", at)

    def _state_keys(self, state: Value, at: int) -> None:
        parts = (
            state.items
            if isinstance(state, Tuple) and len(state.items) == _WITH_SLOTS
            else (state,)
        )
        for part in parts:
            if isinstance(part, Dict):
                part.state = True
                if part.dunder is not None:
                    self._dunder_found(part.dunder, at)
                if part.computed:
                    self._dunder_found("a computed key", at)

    def state_changed(self, state: Dict, at: int) -> None:
        """Judge a dict that was used as state before and got another key."""
        if state.dunder is not None:
            self._dunder_found(state.dunder, at)

    def _dunder_found(self, key: str, at: int) -> None:
        self._scan.find(
            "pickle-dunder-state",
            f"hands over state with the key {printable(key, 80)}",
            at,
            about=key,
        )

    def _indirect(self, function: Value, at: int) -> None:
        if isinstance(function, Made) and function.loose:
            return  # what made it is a finding already
        what = (
            f"what {function.by.replace(':', '.')} made"
            if isinstance(function, Made)
            else "a value"
        )
        self._scan.find("pickle-indirect-call", f"calls {what}", at, about=what)

    def _find_arguments(self, function: Global, at: int) -> None:
        self._scan.find(
            "pickle-arguments",
            f"calls {function.dotted} with arguments of an unlisted shape",
            at,
            about=function.key,
            evidence={"global": function.dotted},
        )

    def _deny(self, item: Global, use: Use, at: int) -> None:
        slug = _SLUGS[use]
        known_bad = is_executor(item.module, item.name)
        severity = None
        if known_bad:
            severity = Severity.HIGH if use in (Use.DATA, Use.BUILD) else Severity.CRITICAL
        name = printable(item.dotted)
        self._scan.find(
            slug,
            f"{_VERBS[use]} {name}, which no pack allows",
            at,
            severity=severity,
            about=f"{item.key} {use.value}",
            evidence={"global": name, "use": use.value},
        )


def _dunder(key: Value) -> bool:
    return isinstance(key, Const) and isinstance(key.value, str) and key.value.startswith("__")
