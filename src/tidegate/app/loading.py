"""A loader that hands out a model only when its bytes are the ones that were released.

What is hashed, scanned and loaded are the same bytes in memory: no file is read a second time. The
format is told by content. Formats that only hold data are loaded at once; of those that name code
(pickle, joblib, skops) every name must stand in an allow pack, else nothing is loaded.

::

    weights = tidegate.load(Path("model.safetensors"), digest=digest)
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from tidegate.core.digest import Digest
from tidegate.core.errors import CheckError, SubjectError
from tidegate.detect.supply.engine import scan_bytes
from tidegate.detect.supply.report import FileReport, Status
from tidegate.gates.serve import read_verified

MAX_EXPANDED: Final = 16 << 30
"""Bytes that a compressed model may become."""
_INFLATERS: Final[dict[str, Callable[[], Any]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "zlib": zlib.decompressobj,
    "bz2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
    "lzma": lzma.LZMADecompressor,
}


def load(path: Path, *, digest: Digest) -> Any:
    """Return the object in a model file: arrays by name, an array, an estimator, an ONNX model.

    The framework that a format belongs to must be installed; none is imported before the bytes
    were verified and found clean.

    Args:
        path: A safetensors, npy, ONNX, skops, joblib or pickle file.
        digest: SHA-256 that was released or promoted; of a pipeline, ``resolve("name/stage")``.

    Raises:
        VerificationError: The bytes are others.
        CheckError: Something in it is not allowed, or could not be examined (fails closed).
        SubjectError: It can't be read, or there is no loader for its format.
    """
    data = read_verified(path, digest)
    found = _clean(data, path)
    if found.format in _INFLATERS:
        # joblib compresses whole files; what is inside is judged and loaded as if it came bare.
        data = _inflate(data, found.format, path)
        found = _clean(data, path)
    loader = _LOADERS.get(_kind(found.format, data))
    if loader is None:
        raise SubjectError(
            f"there is no loader for {found.format}",
            where=str(path),
            next_step="read it with tidegate.read_verified, and hand the bytes to its framework",
            slug="no-loader",
        )
    try:
        return loader(data)
    except ImportError as error:
        raise SubjectError(
            f"its framework is not installed: {error.name}",
            where=str(path),
            next_step=f"pip install {error.name}",
            slug="no-framework",
        ) from None


def _clean(data: bytes, path: Path) -> FileReport:
    (found,) = scan_bytes(data, path.name).files
    if found.status is Status.CLEAN:
        return found
    said = [finding.message for finding in found.findings] or list(found.gaps)
    raise CheckError(
        "the model is not loaded: it is not clean",
        where=str(path),
        cause="; ".join(said[:3]),
        next_step="see all of it with `tidegate scan`; convert it, or approve what is harmless",
        slug="not-clean",
    )


def _inflate(data: bytes, method: str, path: Path) -> bytes:
    stream = _INFLATERS[method]()
    out = stream.decompress(data, MAX_EXPANDED)
    if not stream.eof or stream.unused_data:
        raise CheckError(
            "the compressed model is cut off, too large, or followed by something",
            where=str(path),
            next_step="write it anew",
            slug="bad-compression",
        )
    return bytes(out)


def _kind(format_: str, data: bytes) -> str:
    """Tell skops from other archives; the rest by the scan's own word."""
    if format_ == "zip" and b"schema.json" in data[-1 << 16 :]:
        return "skops"
    return format_


def _safetensors(data: bytes) -> Any:
    return import_module("safetensors.numpy").load(data)


def _npy(data: bytes) -> Any:
    return import_module("numpy").load(io.BytesIO(data), allow_pickle=False)


def _onnx(data: bytes) -> Any:
    return import_module("onnx").load_model_from_string(data)


def _skops(data: bytes) -> Any:
    skops = import_module("skops.io")
    # Each type was found in an allow pack by the scan of these same bytes.
    return skops.loads(data, trusted=skops.get_untrusted_types(data=data))


def _joblib(data: bytes) -> Any:
    return import_module("joblib").load(io.BytesIO(data))


_LOADERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "safetensors": _safetensors,
    "npy": _npy,
    "onnx": _onnx,
    "skops": _skops,
    "pickle": _joblib,
}
