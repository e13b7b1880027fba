"""DR-REG-04: a Keras archive whose Lambda layer holds a compiled function.

Keras keeps a Lambda's function as marshalled bytecode in ``config.json``; who loads the model with
``safe_mode`` off, or with Keras before 2.13, makes a function of it and calls it. The victim here
does so in as few lines, in a process of its own; no Keras is needed.
"""

import json
import marshal
import zipfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from tidegate.core.canonical import Json
from tidegate.core.decision import Decision
from tidegate.core.stage import Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.victims import marking, run_victim
from tidegate.gates.drill import Arm, Drill, End

_LOADER = dedent(
    """
    import base64, json, marshal, sys, types, zipfile
    with zipfile.ZipFile(sys.argv[1]) as archive:
        model = json.loads(archive.read("config.json"))
    value = 1.0
    for layer in model["config"]["layers"]:
        if layer["class_name"] == "Lambda":
            kept = layer["config"]["function"]["config"]["code"]
            code = marshal.loads(base64.b64decode(kept))
            value = types.FunctionType(code, globals())(value)
    """
)
"""What ``keras.layers.Lambda.from_config`` and the first call of the model come to."""


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    marker = folder / "marker"
    model = _archive(folder / "model.keras", [_dense("score"), _lambda(marker)])
    if not gate_on:
        run_victim(_LOADER, model, home=folder)
        return goal(reached=marker.exists(), detail="loading the model ran its Lambda")
    arm = judged(_admit(folder, model))
    if marker.exists():
        return Arm(End.MISSED, f"the scan ran the code of the model; {arm.detail}")
    return arm


def _benign(folder: Path) -> Arm:
    layers = [_dense("hidden"), _dense("score")]
    return passed(_admit(folder, _archive(folder / "model.keras", layers)))


def _admit(folder: Path, model: Path) -> Decision:
    arena = Arena.make(folder)
    arena.trained(model)
    return arena.register(model, "1.0.0")


def _archive(path: Path, layers: Sequence[Mapping[str, Json]]) -> Path:
    """Write what ``model.save("model.keras")`` does, of a model that has no weights yet."""
    model = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "credit", "trainable": True, "layers": list(layers)},
        "registered_name": None,
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.10.0"}))
        archive.writestr("config.json", json.dumps(model))
    return path


def _dense(name: str) -> Mapping[str, Json]:
    return _layer("Dense", {"name": name, "units": 1, "activation": "sigmoid", "use_bias": True})


def _lambda(marker: Path) -> Mapping[str, Json]:
    # The one constant of the compiled expression is the code of the function.
    outer = compile(f"lambda value: ({marking(marker)}, value)[1]", "<lambda>", "eval")
    code = next(one for one in outer.co_consts if hasattr(one, "co_code"))
    kept = {"code": b64encode(marshal.dumps(code)).decode(), "defaults": None, "closure": None}
    return _layer(
        "Lambda", {"name": "scale", "function": {"class_name": "__lambda__", "config": kept}}
    )


def _layer(kind: str, config: Mapping[str, Json]) -> Mapping[str, Json]:
    whole = {"trainable": True, "dtype": "float32", **config}
    return {
        "module": "keras.layers", "class_name": kind, "config": whole, "registered_name": None,
    }  # fmt: skip


DRILL = Drill(
    id="DR-REG-04",
    stage=Stage.REGISTRY,
    control="TG-REG-03",
    title="A Keras archive with a function of its own",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0011.000", "AML.T0018.002", "AML.T0010.003"),
    missions=("M17", "M90"),
)
