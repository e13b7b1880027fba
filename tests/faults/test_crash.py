"""A writer that is killed loses nothing that it acknowledged and signs nothing that is not so."""

from pathlib import Path

import pytest
from tests.faults.crash_append import POINTS, crash
from tests.services import KINDS, fresh_store

KILLS = 20


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_kills_lose_no_acknowledged_entry_and_contradict_no_signed_head(
    kind: str, tmp_path: Path
) -> None:
    with fresh_store(kind, tmp_path) as url:
        found = crash(url, tmp_path, kills=KILLS)
    assert found.problems == []
    assert found.total == KILLS
    assert set(found.kills) >= set(POINTS)
    assert found.acknowledged
    assert found.signed
