"""What a scan may spend: bytes, opcodes, memo entries, stack, nesting, members and time.

A budget that runs out makes the file inconclusive, never clean.

>>> meter = Budget(opcodes=10).meter()
>>> meter.opcode(8)
>>> try:
...     meter.opcode(8)
... except BudgetSpentError as error:
...     error.problem
'more than 10 opcodes'
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.core.errors import CheckError


class BudgetSpentError(CheckError):
    """The scan would have to spend more than it was given."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits for one call of the scanner; the whole call shares them."""

    read: int = 64 << 30
    """Bytes of files that are looked at."""
    expanded: int = 4 << 30
    """Bytes that decompression may yield."""
    ratio: int = 1_000
    """Largest expansion of one compressed stream of more than 64 MiB."""
    opcodes: int = 50_000_000
    """Pickle opcodes, over all streams."""
    memo: int = 4_000_000
    """Memo entries in one pickle stream."""
    stack: int = 2_000_000
    """Values on one pickle stack."""
    depth: int = 6
    """Levels of archives, compression and pickles inside one another."""
    members: int = 100_000
    """Archive members, and files of a folder."""
    findings: int = 200
    """Findings kept for one file; the file is not clean long before."""
    seconds: float = 600.0
    """Wall time."""
    file_seconds: float = 120.0
    """Wall time for one file: one that never ends must not keep the others from their turn."""
    elapsed: Callable[[], float] = time.monotonic
    """Seconds from any fixed point; a test hands in its own."""

    def meter(self) -> "Meter":
        """Start spending."""
        return Meter(self, self.elapsed() + self.seconds)


@dataclass(slots=True)
class Meter:
    """What is left of a budget."""

    budget: Budget
    deadline: float
    spent_read: int = 0
    spent_expanded: int = 0
    spent_opcodes: int = 0
    spent_members: int = 0
    file_deadline: float = math.inf

    @property
    def left(self) -> float:
        """Seconds that the file at hand may still take."""
        return min(self.deadline, self.file_deadline) - self.budget.elapsed()

    def start_file(self) -> None:
        """Give the next file its time."""
        self.file_deadline = self.budget.elapsed() + self.budget.file_seconds

    def read(self, count: int) -> None:
        """Spend bytes of a file.

        Raises:
            BudgetSpentError: Too many.
        """
        self.spent_read += count
        self._check(self.spent_read, self.budget.read, "bytes")

    def expand(self, count: int) -> None:
        """Spend decompressed bytes.

        Raises:
            BudgetSpentError: Too many.
        """
        self.spent_expanded += count
        self._check(self.spent_expanded, self.budget.expanded, "decompressed bytes")

    def opcode(self, count: int) -> None:
        """Spend pickle opcodes.

        Raises:
            BudgetSpentError: Too many.
        """
        self.spent_opcodes += count
        self._check(self.spent_opcodes, self.budget.opcodes, "opcodes")

    def member(self) -> None:
        """Spend one archive member or file.

        Raises:
            BudgetSpentError: Too many.
        """
        self.spent_members += 1
        self._check(self.spent_members, self.budget.members, "members")

    def nest(self, depth: int) -> None:
        """Check a nesting depth.

        Raises:
            BudgetSpentError: Too deep.
        """
        self._check(depth, self.budget.depth, "levels of nesting")

    def _check(self, spent: int, limit: int, what: str) -> None:
        if spent > limit:
            raise BudgetSpentError(f"more than {limit} {what}", slug="scan-budget")
        now = self.budget.elapsed()
        if now > self.deadline:
            raise BudgetSpentError(f"more than {self.budget.seconds:g} seconds", slug="scan-budget")
        if now > self.file_deadline:
            most = self.budget.file_seconds
            raise BudgetSpentError(f"more than {most:g} seconds for one file", slug="scan-budget")
