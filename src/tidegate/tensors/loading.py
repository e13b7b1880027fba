"""Load tensors, each verified by the very bytes that are handed out.

::

    for name, array in load_tensors(Path("model.safetensors"), manifest):
        ...
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from tidegate.core.artifact.hashing import opened
from tidegate.core.errors import SubjectError, VerificationError
from tidegate.tensors.layout import Tensor, read_layout
from tidegate.tensors.manifest import BLOCK, Entry, TensorManifest, check

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NUMPY: Final = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4",
    "U32": "<u4", "F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8", "C64": "<c8",
}  # fmt: skip


def read_tensors(
    path: Path, manifest: TensorManifest, names: Collection[str] | None = None
) -> Iterator[tuple[Tensor, bytearray]]:
    """Yield tensors of a file with their verified bytes, in the order of the file.

    Args:
        path: A safetensors file: a whole model, or a shard of one.
        manifest: The signed tensors.
        names: Which of them; the others are neither read nor verified. All without it.

    Raises:
        ProofError: A tensor is not the signed one; nothing of it was handed out.
        SubjectError: The file is damaged, or lacks one of the names.
    """
    with opened(path) as (fd, _):
        layout = read_layout(fd, str(path))
        lacking = set(names or ()) - {tensor.name for tensor in layout}
        if lacking:
            raise SubjectError(
                "the file has no such tensor",
                where=f"{path}: {min(lacking)[:100]}",
                next_step="name the shard that holds it",
                slug="no-such-tensor",
            )
        for tensor in layout:
            if names is not None and tensor.name not in names:
                continue
            data = _read(fd, tensor, str(path))
            digest = blake3(data, max_threads=blake3.AUTO).hexdigest()
            entry = Entry(tensor.name, tensor.dtype, tensor.shape, digest)
            check(entry, manifest, where=str(path))
            yield tensor, data


def load_tensors(
    path: Path, manifest: TensorManifest, names: Collection[str] | None = None
) -> "Iterator[tuple[str, NDArray[np.generic]]]":
    """Yield tensors as NumPy arrays; see :func:`read_tensors`.

    Raises:
        SubjectError: NumPy has no type for one of them (``BF16``): read its bytes instead.
    """
    import numpy  # noqa: PLC0415, ICN001 - an extra

    for tensor, data in read_tensors(path, manifest, names):
        code = _NUMPY.get(tensor.dtype)
        if code is None:
            raise SubjectError(
                f"NumPy has no type {tensor.dtype}",
                where=f"{path}: {tensor.name[:100]}",
                next_step="take the bytes with read_tensors, and hand them to your framework",
                slug="no-numpy-type",
            )
        yield tensor.name, numpy.frombuffer(data, code).reshape(tensor.shape)


def _read(fd: int, tensor: Tensor, where: str) -> bytearray:
    data = bytearray(tensor.size)
    view, position = memoryview(data), 0
    while position < tensor.size:
        got = os.preadv(fd, [view[position : position + BLOCK]], tensor.begin + position)
        if not got:
            raise VerificationError("the file ends within a tensor", where=where, slug="cut-off")
        position += got
    return data
