"""Admitted models are looked at again with the rules of today; what changed is told and logged."""

import json
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest

from tidegate.app.model_rules import install_pack, sign_pack
from tidegate.app.rescan import rescan
from tidegate.core.attest.envelope import Envelope
from tidegate.core.attest.uris import TEST_RESULT
from tidegate.core.errors import SubjectError
from tidegate.core.ledger.entry import Entry
from tidegate.core.stage import Outcome
from tidegate.drills.arena import Arena
from tidegate.interop.standard import check_test_result

pytestmark = pytest.mark.slow


def test_a_pack_that_changed_changes_the_result(tmp_path: Path) -> None:
    arena, model = Arena.make(tmp_path), tmp_path / "model.pkl"
    model.write_bytes(pickle.dumps(OrderedDict(a=1)))
    arena.registered(model, "1.0.0")
    (same,) = rescan(arena.workspace, [model]).done
    assert (same.outcome, same.new, same.gone) == (Outcome.ALLOW, (), ())
    where = arena.workspace
    narrow = json.dumps({"name": "python", "entries": []}).encode()
    where.act(install_pack(where, sign_pack(where, narrow), "an advisory")[1])
    dry = rescan(arena.workspace, [tmp_path], dry_run=True)
    before = arena.workspace.ledger.size()
    (now,) = rescan(arena.workspace, [tmp_path]).done
    assert [item.new for item in dry.done] == [now.new]
    assert (now.outcome, now.path) == (Outcome.DENY, model)
    assert any("pickle-call" in item for item in now.new)
    where = arena.workspace
    assert (dry.done[0].index, where.ledger.size()) == (None, before + 1)
    entry = Entry.parse(where.log.entry(before))
    body = where.ledger.envelope(entry.envelope or "")
    assert (entry.predicate_type, entry.subjects) == (TEST_RESULT, (now.digest,))
    predicate = json.loads(Envelope.parse(body or b"").payload)["predicate"]
    check_test_result(predicate)
    assert (predicate["result"], len(predicate["configuration"])) == ("FAILED", 2)


def test_what_was_never_admitted_is_no_result(tmp_path: Path) -> None:
    arena, model = Arena.make(tmp_path), tmp_path / "model.pkl"
    model.write_bytes(pickle.dumps([1]))
    arena.registered(model, "1.0.0")
    other = tmp_path / "other.pkl"
    other.write_bytes(pickle.dumps([2]))
    with pytest.raises(SubjectError):
        rescan(arena.workspace, [other])
    model.write_bytes(pickle.dumps([3]))
    with pytest.raises(SubjectError):
        rescan(arena.workspace, [tmp_path])
