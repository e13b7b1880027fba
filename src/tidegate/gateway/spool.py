"""A durable local spool of events: numbered lines, chained by hash, in segments that are fsynced.

Events hold ids, digests, rule ids and counts, never contents. Writers wait for a batch to be on
disk; a disk that is full fails the batch, and with it the requests that it was about.

A line is JSON with the keys ``event``, ``n`` (from 1, without gaps), ``prev`` (SHA-256 of the line
before, its line break included) and ``t`` (UTC microseconds). Segments are never written again.
:mod:`tidegate.gateway.spool_read` reads them.
"""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread

from tidegate.core.clock import Clock
from tidegate.core.errors import BusyError, StoreError
from tidegate.gateway.spool_read import GENESIS, last_good, segment_name, segments

_log = logging.getLogger(__name__)
SEGMENT_BYTES = 8 << 20
MAX_BYTES = 1 << 30
_MAX_WAITING = 10_000
Value = str | int | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    kind: str
    """``opened``, ``decided``, ``finished``, ``refused``."""
    fields: Mapping[str, Value] = field(default_factory=dict[str, Value])
    """Ids, codes, digests and counts."""


def _promise() -> "Future[None]":
    # Many wait for one batch; one of them that is cancelled must not cancel it for the others.
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()
    return done


@dataclass(slots=True)
class _Batch:
    events: list[tuple[int, Event]] = field(default_factory=list[tuple[int, Event]])
    done: "Future[None]" = field(default_factory=_promise)


class Spool:
    """The writing end; one process a folder.

    Args:
        folder: Where the segments are; made if it is not there.
        clock: Stamps the events.
        segment_bytes: When to begin a new segment.
        max_bytes: When the spool is full, until segments were drained and removed.

    Raises:
        BusyError: Another process writes here.
        StoreError: The folder can't be used.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._lock = _lock(folder)
        self._fd = -1
        self._size = 0
        self._dead = ""
        self._closing = False
        self._changed = Condition()
        self._batch = _Batch()
        try:
            end = last_good(folder)
            self._number, self._prev = end.number, end.digest
            self._used = sum(path.stat().st_size for path in segments(folder))
            self._begin()
        except OSError as error:
            os.close(self._lock)
            raise _failed(folder, error) from None
        self._thread = Thread(target=self._run, name="tidegate-spool", daemon=True)
        self._thread.start()
        self.append(Event("opened", {"unread_bytes": end.rest}))

    def append(self, event: Event) -> "Future[None]":
        """Hand an event over; the future is done when it is on disk.

        The future raises ``StoreError`` where it could not be written; it is then in no segment.
        """
        with self._changed:
            batch = self._batch
            if self._closing or self._dead or len(batch.events) >= _MAX_WAITING:
                refused: Future[None] = Future()
                refused.set_exception(
                    _failed(self._folder, OSError(0, self._dead or "it is closed or behind"))
                )
                return refused
            batch.events.append((self._clock.now(), event))
            self._changed.notify()
            return batch.done

    @property
    def healthy(self) -> bool:
        """Whether events can be written, as far as is known."""
        return not (self._dead or self._closing)

    def close(self) -> None:
        """Write what waits, and give the folder back."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        os.close(self._fd)
        os.close(self._lock)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._batch.events or self._closing):
                    self._changed.wait()
                batch, self._batch = self._batch, _Batch()
                last = self._closing
            if batch.events:
                self._write(batch)
            if last:
                return

    def _write(self, batch: _Batch) -> None:
        before = (self._number, self._prev, self._size)
        try:
            lines = b"".join(self._line(time, event) for time, event in batch.events)
            self._room(len(lines))
            _write_all(self._fd, lines)
            self._size += len(lines)
            self._used += len(lines)
        except OSError as error:
            self._number, self._prev, self._size = before
            self._undo(error)
            batch.done.set_exception(_failed(self._folder, error))
            return
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            # After a failed sync nobody knows what is on disk, and a second one may lie.
            self._dead = error.strerror or "a sync failed"
            batch.done.set_exception(_failed(self._folder, error))
            return
        batch.done.set_result(None)
        if self._size >= self._segment_bytes:
            self._roll()

    def _line(self, time: int, event: Event) -> bytes:
        self._number += 1
        line = line_of(self._number, self._prev, time, event)
        self._prev = hashlib.sha256(line).hexdigest()
        return line

    def _room(self, wanted: int) -> None:
        if self._used + wanted > self._max_bytes:
            self._used = sum(path.stat().st_size for path in segments(self._folder))
        if self._used + wanted > self._max_bytes:
            raise OSError(0, f"the spool holds {self._max_bytes} bytes; drain it")

    def _undo(self, error: OSError) -> None:
        _log.error("events can't be written: %s", error.strerror)
        try:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
        except OSError as worse:
            self._dead = worse.strerror or "the segment can't be repaired"

    def _roll(self) -> None:
        old = self._fd
        try:
            self._begin()
        except OSError as error:
            _log.error("no new segment, the old one goes on: %s", error.strerror)
            self._fd = old
        else:
            os.close(old)

    def _begin(self) -> None:
        # A segment that a killed process left is kept as it is, so its name may be taken.
        for attempt in range(1_000):
            path = self._folder / segment_name(self._number + 1, attempt)
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            self._fd, self._size = fd, 0
            _sync_folder(self._folder)
            return
        raise OSError(0, "too many damaged segments")


def line_of(number: int, prev: str, time: int, event: Event) -> bytes:
    """Return the line of an event."""
    said = {"kind": event.kind, **event.fields}
    whole = {"event": said, "n": number, "prev": prev, "t": time}
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _failed(folder, error) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise BusyError(
            "another gateway writes this spool",
            where=str(folder),
            next_step="give each gateway process a folder of its own with --spool",
            slug="spool-busy",
        ) from None
    return fd


def _failed(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        "the spool can't be written",
        where=str(folder),
        cause=error.strerror,
        next_step="free space there, or drain the spool",
        slug="spool",
    )


__all__ = ["GENESIS", "Event", "Spool", "line_of"]
