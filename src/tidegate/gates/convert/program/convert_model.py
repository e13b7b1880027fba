"""Loads a model, which runs what is in it, and writes it in a format that runs nothing.

::

    python convert_model.py safetensors|skops

It is started confined: what it loads may do what it likes here. So it imports nothing of Tidegate,
nobody believes what it says, and what it leaves is examined before it counts. Its last line on
standard error says in one word what is wrong, and about what.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TORCH_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
"""The opcode of the number that PyTorch's legacy files begin with."""
_PLAIN = (str, int, float, bool, type(None))
_MAX_DEPTH = 16


def main(wanted: str) -> int:
    """Convert, and return the exit code."""
    source = Path(os.environ["TIDEGATE_INPUTS"]) / "model"
    target = Path(os.environ["TIDEGATE_OUTPUT"]) / f"model.{wanted}"
    try:
        loaded = _load(source)
        (_save_skops if wanted == "skops" else _save_tensors)(loaded, target)
    except ModuleNotFoundError as error:
        return _say("no-framework", (error.name or "").partition(".")[0])
    except NotConvertibleError as error:
        return _say("not-convertible", str(error))
    except Exception as error:  # noqa: BLE001 - one line for whatever a framework throws
        return _say("not-loadable", f"{type(error).__name__}: {error}")
    return 0


class NotConvertibleError(ValueError):
    """What was loaded has no place in the other format."""


def _say(word: str, what: str) -> int:
    sys.stderr.write(f"\n{word} {' '.join(what.split())[:300]}\n")
    return 65


def _load(source: Path) -> Any:
    with source.open("rb") as file:
        head = file.read(64)
    if head[:4] == b"PK\x03\x04" or _TORCH_MAGIC in head:
        torch = importlib.import_module("torch")
        return torch.load(source, map_location="cpu", weights_only=False)
    return importlib.import_module("joblib").load(source)


def _save_skops(loaded: Any, target: Path) -> None:
    importlib.import_module("skops.io").dump(loaded, target)


def _save_tensors(loaded: Any, target: Path) -> None:
    numpy = importlib.import_module("numpy")
    if hasattr(loaded, "state_dict"):
        loaded = loaded.state_dict()
    tensors: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    kinds: set[str] = set()
    for name, value in _leaves(loaded, "", 0):
        if name in tensors or name in metadata:
            raise NotConvertibleError(f"two parts would be called {name}")
        if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "is_sparse"):
            kinds.add("torch")
            tensors[name] = value.detach().cpu().contiguous().clone()
        elif isinstance(value, numpy.ndarray | numpy.generic) and value.dtype.kind in "biufc":
            kinds.add("numpy")
            tensors[name] = numpy.array(value, order="C")
        elif isinstance(value, _PLAIN):
            metadata[name] = json.dumps(value)
        else:
            raise NotConvertibleError(f"{name or 'it'} is a {type(value).__name__}, and no tensor")
    if not tensors:
        raise NotConvertibleError("it holds no tensor")
    if kinds == {"torch", "numpy"}:
        raise NotConvertibleError("it mixes tensors of PyTorch and of NumPy")
    writer = importlib.import_module(f"safetensors.{kinds.pop()}")
    writer.save_file(tensors, target, metadata=metadata or None)


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > _MAX_DEPTH:
        raise NotConvertibleError("it is nested too deep")
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        yield name, value
        return
    for key, part in items:
        if not isinstance(key, str | int):
            raise NotConvertibleError(f"a key of {name or 'it'} is no text")
        yield from _leaves(part, f"{name}.{key}" if name else str(key), depth + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
