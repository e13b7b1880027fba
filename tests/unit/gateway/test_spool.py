"""The spool: what was promised is on disk, what is missing is told."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from tidegate.core.clock import FixedClock
from tidegate.core.errors import BusyError, StoreError
from tidegate.gateway.spool import Event, Spool
from tidegate.gateway.spool_read import Position, drop_segments, read_spool, segments

CLOCK = FixedClock(1_700_000_000_000_000)


def fill(folder: Path, count: int, *, segment_bytes: int = 1_000) -> None:
    spool = Spool(folder, CLOCK, segment_bytes=segment_bytes)
    for number in range(count):
        spool.append(Event("decided", {"request": f"r{number}"})).result(5)
    spool.close()


def test_events_come_back_in_order_over_several_segments(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    contents = read_spool(tmp_path)
    assert [item.number for item in contents.events] == list(range(1, 42))
    assert [item.event.get("request") for item in contents.events[1:]] == [
        f"r{n}" for n in range(40)
    ]
    assert (contents.gaps, contents.torn) == ((), 0)
    assert len(segments(tmp_path)) > 3


def test_a_drain_goes_on_where_it_stopped(tmp_path: Path) -> None:
    fill(tmp_path, 30)
    first = read_spool(tmp_path)
    assert drop_segments(tmp_path, first.end.number) > 1
    fill(tmp_path, 5)
    second = read_spool(tmp_path, after=first.end)
    assert [item.event["kind"] for item in second.events] == ["opened"] + ["decided"] * 5
    assert second.gaps == ()
    assert [gap.why for gap in read_spool(tmp_path).gaps] == ["missing"]


@pytest.mark.parametrize("drop", [0, 1, 2])
def test_a_segment_that_is_missing_is_a_gap(tmp_path: Path, drop: int) -> None:
    fill(tmp_path, 30)
    paths = segments(tmp_path)
    held = len(paths[drop].read_bytes().splitlines())
    paths[drop].unlink()
    (gap,) = read_spool(tmp_path).gaps
    assert (gap.why, gap.missing) == ("missing", held)


def test_every_change_of_one_byte_is_a_gap(tmp_path: Path) -> None:
    fill(tmp_path, 3, segment_bytes=10_000)
    fill(tmp_path, 1)
    path = segments(tmp_path)[0]
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert read_spool(tmp_path).gaps, place


def test_a_line_that_is_taken_out_is_a_gap(tmp_path: Path) -> None:
    fill(tmp_path, 6, segment_bytes=10_000)
    path = segments(tmp_path)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    (gap,) = read_spool(tmp_path).gaps
    assert (gap.why, gap.after, gap.missing) == ("missing", 2, 1)


def test_another_history_behind_a_drained_position_is_a_gap(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    contents = read_spool(tmp_path, after=Position(2, "ab" * 32))
    assert [gap.why for gap in contents.gaps][:1] == ["changed"]


WRITER = """
import sys
from pathlib import Path
from tidegate.core.clock import SystemClock
from tidegate.gateway.spool import Event, Spool
spool = Spool(Path(sys.argv[1]), SystemClock(), segment_bytes=4_000)
n = 0
while True:
    waiting = [spool.append(Event("decided", {"request": f"r{n + i}"})) for i in range(5)]
    for future in waiting:
        future.result(10)
        print(n, flush=True)
        n += 1
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            line = ""
            for line in process.stdout:
                if int(line) >= 60:
                    break
            process.send_signal(signal.SIGKILL)
            acknowledged = int((process.stdout.read().split() or [line])[-1])
        contents = read_spool(tmp_path)
        run = [item.event for item in contents.events]
        begun = max(place for place, event in enumerate(run) if event["kind"] == "opened")
        found = [event["request"] for event in run[begun + 1 :]]
        assert found[: acknowledged + 1] == [f"r{n}" for n in range(acknowledged + 1)]
        assert contents.gaps == ()


def test_half_a_line_of_a_killed_process_is_told_and_is_no_gap(tmp_path: Path) -> None:
    fill(tmp_path, 2, segment_bytes=10_000)
    with segments(tmp_path)[-1].open("ab") as file:
        file.write(b'{"event":{"kind":"dec')
    fill(tmp_path, 1)
    contents = read_spool(tmp_path)
    assert (contents.gaps, contents.torn) == ((), 21)
    assert [
        item.event.get("unread_bytes") for item in contents.events if "unread_bytes" in item.event
    ] == [0, 21]
    assert [item.number for item in contents.events] == [1, 2, 3, 4, 5]


def test_a_damaged_segment_is_kept_and_told(tmp_path: Path) -> None:
    fill(tmp_path, 2, segment_bytes=10_000)
    path = segments(tmp_path)[0]
    path.write_bytes(b"x" + path.read_bytes())
    fill(tmp_path, 1)
    contents = read_spool(tmp_path)
    assert [gap.why for gap in contents.gaps] == ["damaged"]
    assert path.read_bytes().startswith(b"x")
    assert len(contents.events) == 2


def test_a_full_spool_refuses_and_goes_on_once_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, CLOCK, segment_bytes=500, max_bytes=2_000)
    written = 0
    while (refused := spool.append(Event("decided", {"request": "r"})).exception(5)) is None:
        written += 1
    assert isinstance(refused, StoreError)
    assert refused.code == "TG-STO/spool"
    assert 5 < written < 20
    drop_segments(tmp_path, read_spool(tmp_path).end.number)
    spool.append(Event("decided", {"request": "after"})).result(5)
    spool.close()
    contents = read_spool(
        tmp_path, after=Position(written + 1, read_spool(tmp_path).events[0].position.digest)
    )
    assert contents.events[-1].event["request"] == "after"
    assert contents.end.number == written + 2, "refused events took no number"


def test_a_write_that_fails_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, CLOCK)
    spool.append(Event("decided", {"request": "before"})).result(5)
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 40:
            return real(fd, bytes(data)[:40])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("tidegate.gateway.spool.os.write", full)
        with pytest.raises(StoreError):
            spool.append(Event("decided", {"request": "lost"})).result(5)
    spool.append(Event("decided", {"request": "after"})).result(5)
    spool.close()
    contents = read_spool(tmp_path)
    assert [item.event.get("request") for item in contents.events] == [None, "before", "after"]
    assert (contents.gaps, contents.torn) == ((), 0)


def test_after_a_sync_that_failed_nothing_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path, CLOCK)
    spool.append(Event("decided")).result(5)

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("tidegate.gateway.spool.os.fdatasync", broken)
    with pytest.raises(StoreError):
        spool.append(Event("decided")).result(5)
    monkeypatch.undo()
    with pytest.raises(StoreError):
        spool.append(Event("decided")).result(5)
    assert not spool.healthy
    spool.close()


def test_two_processes_cannot_write_one_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, CLOCK)
    with pytest.raises(BusyError):
        Spool(tmp_path, CLOCK)
    spool.close()
    Spool(tmp_path, CLOCK).close()


def test_one_waiter_that_is_cancelled_does_not_cancel_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path, CLOCK)
    waiting: list[Future[None]] = [spool.append(Event("decided")) for _ in range(10)]
    assert not any(future.cancel() for future in waiting)
    waiting[0].result(5)
    spool.close()
    time.sleep(0)
    assert len(read_spool(tmp_path).events) == 11


def test_lines_are_plain_json_with_the_chain(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    first, second = segments(tmp_path)[0].read_bytes().splitlines()
    assert json.loads(first) == {
        "event": {"kind": "opened", "unread_bytes": 0},
        "n": 1,
        "prev": "0" * 64,
        "t": CLOCK.time,
    }
    assert json.loads(second)["prev"] != "0" * 64
