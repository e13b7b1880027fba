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
from tidegate.detect.supply.pickles.ops import HANDLERS
from tidegate.detect.supply.pickles.state import PickleState
from tidegate.detect.supply.pickles.values import Value

_TICK: Final = 1_024


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
        cursor, handlers = self.cursor, HANDLERS
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
