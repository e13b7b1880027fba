"""Folders of model files as MLflow and model hubs lay them out, with a history in an arena."""

from pathlib import Path

from tidegate.core.artifact.reference import resolve
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena, StandIn
from tidegate.drills.arms import require_allow
from tidegate.drills.models import GOOD
from tidegate.gates.contract import Order, Target

MLMODEL = """\
artifact_path: model
flavors:
  sklearn:
    pickled_model: model.safetensors
"""


def write_model(folder: Path, *, remark: str = "") -> Path:
    """Write a small model folder; another remark makes it another model."""
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(f"{MLMODEL}metadata: {{remark: '{remark}'}}\n", "utf-8")
    (folder / "model.safetensors").write_bytes(GOOD.encoded())
    (folder / "data").mkdir()
    (folder / "data" / "labels.json").write_text('["no", "yes"]', "utf-8")
    return folder


def trained(arena: Arena, model: Path) -> Target:
    """Log a folder's history up to its validation."""
    word = resolve(model).digest.hex[:8]
    raw, ready = arena.folder / f"raw-{word}.csv", arena.folder / f"ready-{word}.csv"
    raw.write_text(f"x,y\n1,0\n2,1\n3,{word}\n", "utf-8")
    ready.write_text(raw.read_text("utf-8") + "4,1\n", "utf-8")
    source = arena.admitted(raw.name, raw)
    prepared = arena.stand_in(Stage.PREPARE, Target(ready.name, "table", ready), [source])
    made = arena.stand_in(Stage.TRAIN, Target("model", "model", model), [prepared])
    require_allow(arena.workspace.run(StandIn(Stage.VALIDATE), Order("judge", (made,))))
    return made


def admitted(arena: Arena, model: Path, version: str) -> Target:
    """Train and admit a folder."""
    made = trained(arena, model)
    require_allow(arena.register(model, version))
    return made


def promoted(arena: Arena, model: Path, version: str) -> Target:
    """Train, admit, approve and promote a folder to ``prod``."""
    made = admitted(arena, model, version)
    arena.approve(made)
    require_allow(arena.promote(model, version))
    return made
