"""Draining a spool: counted once, chained to the drain before, gaps and broken glass told."""

import json
from pathlib import Path

import pytest
from tests.workspaces import workspace

from tidegate.app.events import BOOKMARK, drain
from tidegate.app.workspace import Workspace
from tidegate.core.attest.envelope import Envelope
from tidegate.core.clock import SystemClock
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.gateway.spool import Event, Spool
from tidegate.gateway.spool_read import segments


def write(folder: Path, *events: Event, segment_bytes: int = 1 << 20) -> None:
    spool = Spool(folder, SystemClock(), segment_bytes=segment_bytes)
    for event in events:
        spool.append(event).result(10)
    spool.close()


def predicate(where: Workspace, index: int) -> dict[str, object]:
    logged = where.chains().statements.logged(index)
    assert logged is not None
    said: dict[str, object] = json.loads(Envelope.parse(logged.envelope).payload)["predicate"]
    return said


def test_what_happened_is_counted_once_and_chained(tmp_path: Path) -> None:
    where, folder = workspace(tmp_path), tmp_path / "spool"
    write(folder, *[Event("decided", {"outcome": "allow"})] * 3, Event("refused", {}))
    first = drain(where, folder)
    assert (first.events, first.gaps) == (5, 0)
    assert first.counts == {"decided allow": 3, "opened": 1, "refused": 1}
    assert drain(where, folder).index is None
    write(folder, Event("decided", {"outcome": "allow"}))
    second = drain(where, folder)
    assert second.events == 2
    assert first.index is not None
    assert second.index is not None
    assert predicate(where, first.index)["to"] == predicate(where, second.index)["from"]


def test_broken_glass_is_in_the_log_without_who_broke_it(tmp_path: Path) -> None:
    where, folder = workspace(tmp_path), tmp_path / "spool"
    glass = {"uid": "u1", "object": "Pod ml/x", "reason": "incident 7", "user": "jane@example.org",
             "refused": "no release"}  # fmt: skip
    write(folder, Event("break-glass", glass))
    done = drain(where, folder)
    assert done.glass == 1
    assert done.index is not None
    said = predicate(where, done.index)
    assert said["breakGlass"] == [{name: glass[name] for name in glass if name != "user"}]
    assert "jane" not in json.dumps(said)


def test_a_removed_line_is_a_gap_that_is_logged(tmp_path: Path) -> None:
    where, folder = workspace(tmp_path), tmp_path / "spool"
    write(folder, *[Event("decided", {"outcome": str(n)}) for n in range(4)])
    (segment,) = [path for path in segments(folder) if path.stat().st_size]
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:2] + lines[3:]))
    done = drain(where, folder)
    assert done.gaps == 1
    assert done.index is not None
    assert predicate(where, done.index)["gaps"] == [{"after": 2, "why": "missing", "missing": 1}]


def test_a_spool_that_was_cut_back_is_refused(tmp_path: Path) -> None:
    where, folder = workspace(tmp_path), tmp_path / "spool"
    write(folder, Event("decided", {}))
    drain(where, folder)
    bookmark = json.loads((folder / BOOKMARK).read_text())
    for path in segments(folder):
        path.unlink()
    write(folder)
    with pytest.raises(VerificationError):
        drain(where, folder)
    assert json.loads((folder / BOOKMARK).read_text()) == bookmark


def test_drained_segments_can_go(tmp_path: Path) -> None:
    where, folder = workspace(tmp_path), tmp_path / "spool"
    write(folder, *[Event("decided", {}) for _ in range(9)], segment_bytes=200)
    before = len(segments(folder))
    done = drain(where, folder, prune=True)
    assert done.dropped > 0
    assert len(segments(folder)) == before - done.dropped
    write(folder, Event("decided", {}))
    assert drain(where, folder).gaps == 0


def test_no_spool(tmp_path: Path) -> None:
    with pytest.raises(SubjectError):
        drain(workspace(tmp_path), tmp_path / "nowhere")
