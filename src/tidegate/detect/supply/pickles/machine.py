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

from typing import Final

from tidegate.detect.supply.pickles.cursor import MalformedError
from tidegate.detect.supply.pickles.ops import HANDLERS, STOP
from tidegate.detect.supply.pickles.state import PickleState
from tidegate.detect.supply.pickles.values import Value

_TICK: Final = 1_024
_TABLE: Final = tuple(HANDLERS.get(code) for code in range(256))


class PickleMachine(PickleState):
    """An unpickler that builds nothing."""

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
        cursor, table = self.cursor, _TABLE  # the cursor is read in place: this is the hot loop
        data, end = cursor.data, cursor.end
        for count in range(limit):
            pos = self.at = cursor.pos
            if pos >= end:
                raise MalformedError("it ends before STOP", pos)
            cursor.pos = pos + 1
            code = data[pos]
            handler = table[code]
            if handler is None:
                raise MalformedError("no such opcode", pos)
            handler(self)
            if 0 <= cursor.frame_end <= cursor.pos:
                cursor.leave_frame()
            if code == STOP:
                return count + 1
        return limit

    def _spend(self, opcodes: int) -> None:
        self.scan.meter.opcode(opcodes)
        budget = self.scan.meter.budget
        if len(self.stack) > budget.stack or len(self.memo) > budget.memo:
            raise MalformedError("more values than the budget allows", self.at)
