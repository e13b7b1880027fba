"""DR-REG-05: a chat template that runs a program when a prompt is rendered.

The template travels with the model, in a GGUF file or in ``tokenizer_config.json``, whose weights
hold no code. A server that renders it with Jinja outside a sandbox, as llama-cpp-python did
(CVE-2024-34359), lets it reach Python's builtins.
"""

import json
import struct
from pathlib import Path
from textwrap import dedent

from tidegate.core.decision import Decision
from tidegate.core.stage import Outcome, Stage
from tidegate.drills.arena import Arena
from tidegate.drills.arms import goal, judged, passed
from tidegate.drills.models import GOOD
from tidegate.drills.victims import marking, run_victim
from tidegate.gates.drill import Arm, Drill, End

_HONEST = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content | trim }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_RENDER = dedent(
    """
    import json, struct, sys
    from pathlib import Path
    import jinja2

    place = Path(sys.argv[1])
    if place.is_dir():
        told = json.loads((place / "tokenizer_config.json").read_text())["chat_template"]
    else:
        data = place.read_bytes()
        at = data.index(b"tokenizer.chat_template") + len(b"tokenizer.chat_template") + 4
        (length,) = struct.unpack_from("<Q", data, at)
        told = data[at + 8 : at + 8 + length].decode()
    talk = [{"role": "user", "content": "May I have a credit?"}]
    jinja2.Environment().from_string(told).render(messages=talk, add_generation_prompt=True)
    """
)
_TEXT, _U32 = 8, 4
"""Types of GGUF values."""


def _attack(folder: Path, *, gate_on: bool) -> Arm:
    makers = (_gguf, _snapshot)
    markers = [folder / f"marker-{number}" for number in range(len(makers))]
    models = [make(folder, _hostile(mark)) for make, mark in zip(makers, markers, strict=True)]
    if not gate_on:
        for model in models:
            run_victim(_RENDER, model, home=folder)
        ran = sum(marker.exists() for marker in markers)
        detail = f"rendering a prompt ran the code of {ran} of {len(models)} templates"
        return goal(reached=ran == len(models), detail=detail)
    arms = [judged(decision) for decision in _admissions(folder, models)]
    if any(marker.exists() for marker in markers):
        return Arm(End.MISSED, "the scan ran the code of a template")
    missed = [arm for arm in arms if arm.end is not End.STOPPED]
    common = frozenset.intersection(*(arm.controls for arm in arms))
    return missed[0] if missed else Arm(End.STOPPED, arms[0].detail, common)


def _benign(folder: Path) -> Arm:
    models = [make(folder, _HONEST) for make in (_gguf, _snapshot)]
    decisions = _admissions(folder, models)
    refused = [one for one in decisions if one.outcome is not Outcome.ALLOW]
    return passed((refused or decisions)[0])


def _admissions(folder: Path, models: list[Path]) -> list[Decision]:
    arena = Arena.make(folder)
    decisions = []
    for number, model in enumerate(models):
        arena.trained(model)
        decisions.append(arena.register(model, f"1.{number}.0"))
    return decisions


def _hostile(marker: Path) -> str:
    """Return the honest template, and an expression that climbs from a helper to the builtins."""
    call = marking(marker).removeprefix("open")
    return _HONEST + "{{ cycler.__init__.__globals__.__builtins__.open" + call + " and '' }}"


def _gguf(folder: Path, template: str) -> Path:
    """Write a GGUF file (version 3) of one tensor that names its template."""
    pairs = [
        (b"general.architecture", _TEXT, _counted(b"llama")),
        (b"general.alignment", _U32, struct.pack("<I", 32)),
        (b"tokenizer.chat_template", _TEXT, _counted(template.encode())),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs))
    for key, kind, value in pairs:
        head += _counted(key) + struct.pack("<I", kind) + value
    head += _counted(b"weights") + struct.pack("<IQIQ", 1, len(GOOD.values), 0, 0)
    data = struct.pack(f"<{len(GOOD.values)}f", *GOOD.values)
    path = folder / "model.gguf"
    path.write_bytes(head + bytes(-len(head) % 32) + data + bytes(-len(data) % 32))
    return path


def _counted(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _snapshot(folder: Path, template: str) -> Path:
    """Write a folder as a model hub hands it out."""
    path = folder / "snapshot"
    path.mkdir()
    (path / "model.safetensors").write_bytes(GOOD.encoded())
    (path / "config.json").write_text(json.dumps({"model_type": "llama"}), "utf-8")
    told = {"tokenizer_class": "LlamaTokenizer", "chat_template": template}
    (path / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")
    return path


DRILL = Drill(
    id="DR-REG-05",
    stage=Stage.REGISTRY,
    control="TG-REG-03",
    title="A chat template that runs code when a prompt is rendered",
    attack=_attack,
    benign=_benign,
    atlas=("AML.T0011.000", "AML.T0018.002", "AML.T0010.003"),
    missions=("M17", "M90"),
)
