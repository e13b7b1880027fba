"""Names formats that hold a compiled program: nothing in this tool can say what it does.

A TensorRT engine is machine code for one device, with plugins that are looked up by name; an
ExecuTorch program calls kernels and delegates that its runtime was built with.
"""

from typing import Final

from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_TENSORRT: Final = b"ftrt"
_EXECUTORCH: Final = b"ET"
_AT: Final = 4


def is_tensorrt(data: Buffer) -> bool:
    """Tell whether content is a TensorRT engine."""
    return data[: len(_TENSORRT)] == _TENSORRT


def scan_tensorrt(_data: Buffer, scan: Scan) -> None:
    """Say why it is not examined."""
    scan.gap("a TensorRT engine is a compiled program, with plugins: it can't be examined")


def is_executorch(data: Buffer) -> bool:
    """Tell whether content has ExecuTorch's file identifier (``ET12`` and its like)."""
    return data[_AT : _AT + 2] == _EXECUTORCH and data[_AT + 2 : _AT + 4].isdigit()


def scan_executorch(_data: Buffer, scan: Scan) -> None:
    """Say why it is not examined."""
    scan.gap("an ExecuTorch program calls kernels and delegates that are not in the file")
