"""Scans a whole pickle file: every stream in it, what follows the last, and embedded pickles.

Covers plain pickles, joblib files, and PyTorch's legacy format, whose tensors lie raw behind the
fifth stream.
"""

import base64
import binascii
import string
import sys
from typing import Final

from tidegate.core.finding import Severity
from tidegate.detect.supply.pickles.cursor import Buffer, MalformedError, first_content
from tidegate.detect.supply.pickles.machine import PickleMachine
from tidegate.detect.supply.pickles.values import Const, Global, List, Value
from tidegate.detect.supply.scan import Scan

_TORCH_MAGIC: Final = 0x1950A86A20F9469CFC6C
_TORCH_STREAMS: Final = 5
_MAX_STREAMS: Final = 10_000
_EMBEDDED_LEVELS: Final = 3
_COUNT_BYTES: Final = 8
_IDENTIFIER: Final = frozenset(string.ascii_letters + string.digits + "_.")


def scan_pickle(data: Buffer, scan: Scan, *, start: int = 0, torch: bool = False) -> dict[str, int]:
    """Scan all streams.

    Args:
        data: The buffer.
        scan: Where findings go.
        start: First byte of the first stream.
        torch: Whether persistent ids are PyTorch's.

    Returns:
        The tensor storages that PyTorch would look up, with their sizes in bytes.
    """
    storages: dict[str, int] = {}
    values: list[Value] = []
    pos = start
    while len(values) < _MAX_STREAMS:
        legacy = bool(values) and _is_magic(values[0])
        machine = PickleMachine(data, pos, scan, torch=torch or legacy)
        try:
            values.append(machine.run())
        except MalformedError as error:
            _broken(scan, error, pos, first=not values)
            return storages
        finally:
            _embedded(machine, scan)
        storages |= machine.storages
        pos = machine.cursor.pos
        if legacy and len(values) == _TORCH_STREAMS:
            _raw_storages(data, pos, values[-1], storages, scan)
            return storages
        pos = first_content(data, pos)
        if pos == len(data):
            return storages
    scan.gap("more pickle streams than are examined", failed=True)
    return storages


def _is_magic(value: Value) -> bool:
    return isinstance(value, Const) and value.value == _TORCH_MAGIC


def _broken(scan: Scan, error: MalformedError, pos: int, *, first: bool) -> None:
    if first:
        scan.gap(f"not a complete pickle: {error.why} at {error.offset}", failed=True)
    else:
        scan.find("pickle-trailing-bytes", "bytes that are no pickle follow the last one", pos)


def _raw_storages(
    data: Buffer, pos: int, keys: Value, storages: dict[str, int], scan: Scan
) -> None:
    """Check that the legacy format's raw tensors fill the rest of the file."""
    for key in keys.items if isinstance(keys, List) else ():
        size = storages.get(str(key.value)) if isinstance(key, Const) else None
        if size is None:
            scan.gap("a tensor storage of unknown size", failed=True)
            return
        pos += _COUNT_BYTES + size
    if pos > len(data):
        scan.gap("it ends inside its tensors", failed=True)
    elif first_content(data, pos) < len(data):
        scan.find("pickle-trailing-bytes", "bytes follow the last tensor", pos)


def _embedded(machine: PickleMachine, scan: Scan) -> None:
    for offset, raw in machine.embedded:
        bodies = _decodings(raw)
        if any(_unsafe(body, scan, _EMBEDDED_LEVELS) for body in bodies):
            scan.find("pickle-embedded", "a constant holds an unsafe pickle", offset)
        elif any(_whole(body, scan) for body in bodies):
            scan.find(
                "pickle-embedded",
                "a constant is a pickle of its own",
                offset,
                severity=Severity.LOW,
                about="whole",
            )


def _whole(body: bytes, scan: Scan) -> bool:
    """Whether bytes are exactly one pickle of protocol 2 or later."""
    if body[:1] != b"\x80":
        return False
    ahead = probe(body, scan)
    return ahead is not None and ahead.stopped and ahead.cursor.pos == len(body)


def _decodings(raw: bytes) -> list[bytes]:
    out = [raw]
    text = raw.strip()
    for decode in (binascii.unhexlify, base64.b64decode):
        try:
            out.append(
                decode(text + b"=" * (-len(text) % 4) if decode is base64.b64decode else text)
            )
        except ValueError:
            continue
    return out


def _unsafe(body: bytes, scan: Scan, levels: int) -> bool:
    ahead = probe(body, scan)
    if ahead is None or levels == 0:
        return ahead is not None
    if ahead.scan.notes.findings:
        return True
    inner = (found for _, raw in ahead.embedded for found in _decodings(raw))
    return any(_unsafe(found, scan, levels - 1) for found in inner)


def probe(data: Buffer, scan: Scan) -> PickleMachine | None:
    """Look whether content of another type, or of none, is a pickle that does something.

    Returns:
        The machine, with the findings in its own notes, where the stream imports something
        believable or comes to its end; otherwise ``None``.
    """
    machine = PickleMachine(data, 0, scan.silent())
    try:
        machine.run()
    except MalformedError:
        if machine.judge.calls and machine.imports:
            return machine
        return machine if any(_believable(item) for item in machine.imports) else None
    return machine


def _believable(item: Global) -> bool:
    """Whether a name read by chance from text is unlikely: its package is known."""
    package = item.module.partition(".")[0]
    clean = item.name != "" and _IDENTIFIER.issuperset(item.module + item.name)
    return clean and (item.listed or package in sys.stdlib_module_names or package == "?")
