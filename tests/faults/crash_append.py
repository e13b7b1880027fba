"""Kill a writer at every step of an append, again and again, and see what is left.

A child appends and acknowledges on a pipe what it was told is committed, and every head that it
signs. It is killed with SIGKILL at a named step or at a random time. The next process must find
every acknowledged entry with its envelope, a log whose right edge is whole, and no signed head
that the log contradicts.

::

    python -m tests.faults.crash_append sqlite:////tmp/x/store.db /tmp/x --kills 40
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tests.ledgers import Ledger, pending

from tidegate.core.digest import sha256
from tidegate.core.ledger.checkpoint import Checkpoint
from tidegate.core.ledger.entry import Entry
from tidegate.core.ledger.note import Note
from tidegate.core.ledger.storage import Head, NewEntry, NewTile
from tidegate.logbook.fsck import fsck
from tidegate.store.append import SqlLogWrite
from tidegate.store.engine import open_engine
from tidegate.store.log import SqlLogStorage
from tidegate.store.transactions import Cursor

POINTS = (
    "before begin",
    "after entries",
    "after tiles",
    "before commit",
    "after commit",
    "after sign",
    "after checkpoint",
)
"""Where a child kills itself; ``random`` leaves it to the parent."""

_BATCHES = 8


class Killer:
    """Ends the process at the n-th time that a point is passed."""

    def __init__(self, point: str, count: int, pipe: Connection) -> None:
        self.pipe = pipe
        self._point = point
        self._left = count

    def passed(self, point: str) -> None:
        """Note that a point was passed."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class _KillingWrite(SqlLogWrite):
    killer: Killer

    def _put_entries(self, entries: Sequence[NewEntry]) -> None:
        super()._put_entries(entries)
        self.killer.passed("after entries")

    def _put_tiles(self, tiles: Sequence[NewTile]) -> None:
        super()._put_tiles(tiles)
        self.killer.passed("after tiles")


class _KillingStorage(SqlLogStorage):
    killer: Killer

    @contextmanager
    def write(self) -> Iterator[SqlLogWrite]:
        self.killer.passed("before begin")
        with super().write() as log:
            yield log
            self.killer.passed("before commit")
        self.killer.passed("after commit")

    def _open(self, cursor: Cursor, head: Head | None) -> SqlLogWrite:
        write = _KillingWrite(cursor, self._sql, self._workspace, self._blobs, head)
        write.killer = self.killer
        return write

    def save_checkpoint(self, size: int, note: bytes) -> None:
        # A signed head counts as published from here on: someone may have seen it.
        self.killer.pipe.send(("signed", size, Checkpoint.parse(Note.parse(note).text).root))
        self.killer.passed("after sign")
        super().save_checkpoint(size, note)
        self.killer.passed("after checkpoint")


@dataclass(frozen=True)
class Plan:
    """What one child is to do, and where it ends."""

    url: str
    folder: Path
    point: str
    count: int
    """The how-manieth passing of the point is the last."""
    name: str
    """Begins the labels of its entries."""


def child(plan: Plan, pipe: Connection) -> None:
    """Append batches, acknowledging each; runs until it is killed or done."""
    ledger = Ledger(open_engine(plan.url), plan.folder)
    storage = _KillingStorage(ledger.engine, ledger.workspace, ledger.blobs)
    storage.killer = Killer(plan.point, plan.count, pipe)
    log = ledger.log(storage)
    for batch in range(_BATCHES):
        labels = [f"{plan.name}.{batch}.{n}" for n in range(1 + batch % 3)]
        receipts = log.append([pending(label, ledger.workspace, size=300) for label in labels])
        for label, receipt in zip(labels, receipts, strict=True):
            pipe.send(("ack", receipt.index, label))


@dataclass
class Crashes:
    """What a series of kills came to."""

    kills: Counter[str] = field(default_factory=Counter[str])
    """Children that died by SIGKILL, by point."""
    acknowledged: dict[int, str] = field(default_factory=dict[int, str])
    signed: dict[int, bytes] = field(default_factory=dict[int, bytes])
    problems: list[str] = field(default_factory=list[str])
    size: int = 0

    @property
    def total(self) -> int:
        """All kills."""
        return sum(self.kills.values())


def crash(url: str, folder: Path, *, kills: int, seed: int = 1) -> Crashes:
    """Kill ``kills`` writers one after the other, and check the store after each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    chance = random.Random(seed)
    found = Crashes()
    number = 0
    while found.total < kills and number < kills * 3:
        # Every fourth one at a random time; the others go through the points in turn.
        turn = number - number // 4
        point = "random" if number % 4 == 3 else POINTS[turn % len(POINTS)]
        plan = Plan(url, folder, point, chance.randint(1, 5), f"{seed}.{number}")
        if _run(context, plan, chance, found):
            found.kills[point] += 1
        _check(url, folder, found)
        number += 1
    return found


def _run(context: ForkServerContext, plan: Plan, chance: random.Random, found: Crashes) -> bool:
    """Run one child to its end; tell whether it was killed."""
    parent, pipe = context.Pipe(duplex=False)
    deadline: float | None = None
    process = context.Process(target=child, args=(plan, pipe), daemon=True)
    process.start()
    pipe.close()
    while True:
        # The clock starts with the child's first word, so that starting slowly is not its end.
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and (left <= 0 or not parent.poll(left)):
            process.kill()
            deadline = None
        try:
            kind, index, value = parent.recv()
        except EOFError:
            break
        if plan.point == "random" and deadline is None:
            deadline = time.monotonic() + chance.random() * 0.03
        known = found.acknowledged if kind == "ack" else found.signed
        if known.setdefault(index, value) != value:
            found.problems.append(f"{kind} {index} twice, with different values")
    process.join()
    if process.exitcode not in {0, -signal.SIGKILL}:
        found.problems.append(f"a writer ended with {process.exitcode} at {plan.point}")
    return process.exitcode == -signal.SIGKILL


def _check(url: str, folder: Path, found: Crashes) -> None:
    engine = open_engine(url)
    ledger = Ledger(engine, folder)
    log = ledger.log()
    reader = log.reader()
    if reader.size < found.size:
        found.problems.append(f"the log shrank from {found.size} to {reader.size}")
    for size, root in found.signed.items():
        if size > reader.size or reader.root_of(size) != root:
            found.problems.append(f"the signed head of {size} is contradicted")
    for index, label in found.acknowledged.items():
        item = pending(label, ledger.workspace, size=300)
        entry = ledger.storage.entry(index)
        if entry is None or Entry.parse(entry).envelope != item.entry.envelope:
            found.problems.append(f"acknowledged entry {index} is lost")
        elif index >= found.size and item.envelope != ledger.storage.envelope(
            str(sha256(item.envelope or b""))
        ):
            found.problems.append(f"the envelope of acknowledged entry {index} is lost")
    if not fsck(ledger.storage, log.keys).ok:
        found.problems.append("fsck finds damage")
    found.size = reader.size
    engine.dispose()


def main() -> int:
    """Run as a program; exit 1 where anything was lost or contradicted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = crash(options.url, options.folder, kills=options.kills, seed=options.seed)
    report = {
        "kills": dict(found.kills),
        "acknowledged": len(found.acknowledged),
        "signed": len(found.signed),
        "entries": found.size,
        "problems": found.problems,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
