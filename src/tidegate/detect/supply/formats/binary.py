"""The examiners of binary model formats: those with a magic number, and those without."""

from collections.abc import Callable
from typing import Final

from tidegate.detect.supply.formats import (
    compiled_file,
    coreml_file,
    gguf_file,
    hdf5_file,
    onnx_file,
    tensorflow_file,
    tflite_file,
)
from tidegate.detect.supply.formats.protobuf import holds_messages
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

Marked = tuple[str, Callable[[Buffer], bool], Callable[[Buffer, Scan], None]]
Unmarked = tuple[str, Callable[[Buffer, Scan], bool], Callable[[Buffer, Scan], None]]

MARKED: Final[tuple[Marked, ...]] = (
    ("gguf", gguf_file.looks_like, gguf_file.scan_gguf),
    ("hdf5", hdf5_file.looks_like, hdf5_file.scan_hdf5),
    ("tflite", tflite_file.looks_like, tflite_file.scan_tflite),
    ("coreml-weights", coreml_file.is_weights, coreml_file.scan_weights),
    ("tensorrt", compiled_file.is_tensorrt, compiled_file.scan_tensorrt),
    ("executorch", compiled_file.is_executorch, compiled_file.scan_executorch),
)
"""Name, whether content is of the format, and what examines it."""
MAY_CARRY_ARCHIVE: Final = ("tflite",)
"""Formats whose own tools append a zip archive: TensorFlow Lite's labels and vocabularies."""
_UNMARKED: Final[tuple[Unmarked, ...]] = (
    ("onnx", onnx_file.looks_like, onnx_file.scan_onnx),
    ("saved-model", tensorflow_file.is_saved_model, tensorflow_file.scan_saved_model),
    ("meta-graph", tensorflow_file.is_meta_graph, tensorflow_file.scan_meta_graph),
    ("tensorflow-graph", tensorflow_file.is_graph, tensorflow_file.scan_graph),
    ("coreml", coreml_file.looks_like, coreml_file.scan_coreml),
    ("keras-metadata", tensorflow_file.is_keras_metadata, tensorflow_file.scan_keras_metadata),
    ("fingerprint", tensorflow_file.is_fingerprint, tensorflow_file.scan_fingerprint),
)
"""Protocol buffers: told by their structure alone, so each that fits is examined."""
_GRAPHS: Final = (1, 2, 7)
"""Fields that hold the nodes of a graph, a SavedModel's meta graphs, and an ONNX model's graph."""


def examine_unmarked(data: Buffer, scan: Scan) -> str | None:
    """Examine content without a magic number, and name its format; ``None`` where it has none.

    Raises:
        BudgetSpentError: It takes more than the budget.
    """
    names: list[str] = []
    for name, fits, scan_it in _UNMARKED:
        if fits(data, scan):
            names.append(name)
            scan_it(data, scan)
    if len(names) > 1:
        scan.find("loader-ambiguity", f"it reads as {' and as '.join(names)}", 0)
    return names[0] if names else None


def examine_beside(data: Buffer, scan: Scan) -> None:
    """Look whether content that has a magic number is a graph as well.

    Raises:
        BudgetSpentError: It takes more than the budget.
    """
    if holds_messages(data, scan.meter, _GRAPHS):
        scan.find("loader-ambiguity", "it also reads as a protocol buffer with a graph", 0)


def examine_behind(data: Buffer, scan: Scan) -> None:
    """Look for an HDF5 file behind other content: HDF5 takes that for a block of the user's.

    Raises:
        BudgetSpentError: It takes more than the budget.
    """
    at = hdf5_file.hidden_at(data)
    if at is not None:
        scan.find("loader-ambiguity", "an HDF5 file lies behind other content", at)
        hdf5_file.scan_hdf5(data, scan)
