"""A registry with a few admitted models, for tests of what is asked of it."""

import json
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tidegate.app.registry import Admission, admit_model
from tidegate.core.decision import Decision
from tidegate.drills.arena import CARD, Arena


def safetensors(tensors: dict[str, bytes], dtype: str = "U8", width: int = 1) -> bytes:
    """Write a safetensors file of one-dimensional tensors."""
    header, body = {}, b""
    for name, data in tensors.items():
        shape, place = [len(data) // width], [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": place}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def layers(seed: int, count: int = 6, changed: int = 0) -> dict[str, bytes]:
    """Return tensors that a seed decides, the last of them trained further."""
    drawn = {f"layer.{at}": Random(f"{seed}/{at}").randbytes(256) for at in range(count)}
    more = {f"layer.{at}": Random(f"more/{at}").randbytes(256) for at in range(count)}
    return {**drawn, **dict(list(more.items())[count - changed :])} if changed else drawn


def harmless(seed: int) -> bytes:
    """Return a pickle that names one class, which a pack allows."""
    return pickle.dumps(OrderedDict(seed=seed))


@dataclass(frozen=True)
class Registry:
    """An arena whose models have names of their own."""

    arena: Arena

    def admit(self, name: str, version: str, data: bytes, suffix: str = ".safetensors") -> Decision:
        """Train and ask for admission; return what was decided."""
        path = self.path(name, version, suffix)
        path.write_bytes(data)
        self.arena.trained(path)
        return self.ask(name, version, suffix)

    def ask(self, name: str, version: str, suffix: str = ".safetensors") -> Decision:
        """Ask for the admission of what lies there."""
        admission = Admission(self.path(name, version, suffix), name, version, CARD)
        return admit_model(self.arena.workspace, admission)

    def path(self, name: str, version: str, suffix: str = ".safetensors") -> Path:
        """Return where a model lies."""
        return self.arena.folder / f"{name}-{version}{suffix}"


def rules(decision: Decision) -> set[str]:
    """Return the rules of the findings about shadows."""
    check = next(one for one in decision.checks if one.id == "shadow")
    return {finding.rule.partition("/")[2] for finding in check.findings}
