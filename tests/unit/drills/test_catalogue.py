"""The catalogue is whole: two drills a stage, each with a control of ours and a page."""

from collections import Counter
from pathlib import Path

import pytest

from tidegate.core.errors import UsageError
from tidegate.core.stage import Stage
from tidegate.drills.catalogue import CATALOGUE, drill_by_id
from tidegate.gates.drill import Drill
from tidegate.govern.controls import controls

ROOT = Path(__file__).parents[3]


def test_every_stage_has_at_least_two_drills() -> None:
    stages = Counter(drill.stage for drill in CATALOGUE)
    assert all(stages[stage] >= 2 for stage in Stage)
    assert len(CATALOGUE) >= 14


def test_ids_are_unique() -> None:
    assert len({drill.id for drill in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("drill", CATALOGUE, ids=lambda drill: drill.id)
def test_each_names_a_control_of_the_catalogue_techniques_and_a_mission(drill: Drill) -> None:
    assert drill.control in controls()
    assert all(technique.startswith("AML.T") for technique in drill.atlas)
    assert drill.atlas
    assert drill.missions


@pytest.mark.parametrize("drill", CATALOGUE, ids=lambda drill: drill.id)
def test_the_guide_lists_each_drill_with_its_control_and_title(drill: Drill) -> None:
    guide = (ROOT / "docs/guide/drills.md").read_text("utf-8")
    line = next(line for line in guide.splitlines() if line.startswith(f"| {drill.id} |"))
    assert drill.control in line
    assert drill.title in line


def test_an_unknown_drill_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        drill_by_id("DR-NOT-01")
    assert refused.value.code == "TG-USE/no-such-drill"
