"""Take a model's likeness: tensors hashed one by one, other large files sketched, bases named.

Nothing is loaded: headers of safetensors files and small JSON documents are parsed with bounds,
everything else is only read.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidegate.core.artifact.hashing import opened
from tidegate.core.artifact.walk import walk
from tidegate.core.canonical import Json
from tidegate.core.digest import Digest
from tidegate.core.errors import SubjectError
from tidegate.gates.registry.kept import MAX_BASES, Likeness, TensorRoot
from tidegate.stats.resemblance import Sketch, merged, sketch
from tidegate.tensors.manifest import TensorManifest, build

LARGEST: Final = 4 << 30
"""Bytes of one model that are sketched; what is beyond does not count, and that is told."""
_SMALLEST: Final = 16 << 10
"""Bytes from which a file tells anything: short ones are alike by form alone."""
_BLOCK: Final = 4 << 20
_CONFIG: Final = 1 << 20
_SAYS_BASE: Final = {
    "adapter_config.json": ("base_model_name_or_path",),
    "config.json": ("_name_or_path", "base_model", "base_model_name_or_path"),
}
_MAX_NAME: Final = 200
_NO_MANIFEST: Final = frozenset({"no-tensors", "bad-safetensors", "tensor-twice"})
"""Why a model has no root over its tensors: a damaged file is for the scan to refuse, and a folder
may hold one model twice, in two precisions."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A likeness, and the manifest that it refers to."""

    likeness: Likeness
    manifest: TensorManifest | None


def take_likeness(path: Path, keep: Callable[[bytes], Digest]) -> Taken:
    """Take the likeness of a model file or folder.

    Args:
        path: The model.
        keep: Keeps the tensor manifest, and returns its digest.

    Raises:
        UnreadableSubject: A file can't be read, or changed meanwhile.
    """
    manifest = _manifest(path)
    tensors = None if manifest is None else TensorRoot.of(manifest, keep(manifest.to_bytes()))
    hashed = {} if manifest is None else dict(manifest.files)
    left = [LARGEST]
    sketches = [_sketch(fd, left) for name, fd in _files(path) if name not in hashed]
    bases = tuple(dict.fromkeys(_bases(path)))[:MAX_BASES]
    found = [one for one in sketches if one is not None]
    return Taken(Likeness(tensors, merged(found), left[0] >= 0, bases), manifest)


def _manifest(path: Path) -> TensorManifest | None:
    try:
        return build(path)
    except SubjectError as error:
        if error.slug in _NO_MANIFEST:
            return None
        raise


def _files(path: Path) -> Iterator[tuple[str, int]]:
    if not path.is_dir():
        with opened(path) as (fd, _):
            yield path.name, fd
        return
    for item in walk(path):
        fd = item.open()
        try:
            yield item.path, fd
        finally:
            os.close(fd)


def _sketch(fd: int, left: list[int]) -> Sketch | None:
    """Sketch one file, as far as the bytes that are left go; beyond it they are less than none."""
    size = os.fstat(fd).st_size
    if size < _SMALLEST:
        return None
    if left[0] < size:
        left[0] = -1
        return None
    left[0] -= size
    return sketch(_blocks(fd))


def _blocks(fd: int) -> Iterator[bytes]:
    position = 0
    while block := os.pread(fd, _BLOCK, position):
        yield block
        position += len(block)


def _bases(path: Path) -> Iterator[str]:
    if not path.is_dir():
        return
    for name, fd in _files(path):
        keys = _SAYS_BASE.get(Path(name).name)
        if keys is None or os.fstat(fd).st_size > _CONFIG:
            continue
        document = _document(os.pread(fd, _CONFIG, 0))
        for key in keys:
            value = document.get(key)
            # A path of the machine that trained it says nothing here.
            if isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value[0] not in "/.~":
                yield value


def _document(data: bytes) -> dict[str, Json]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
