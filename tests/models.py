"""Model files for tests: those that frameworks wrote, and small ones made field by field."""

import gzip
import io
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

GOLDEN = Path(__file__).parent / "data" / "models"


def golden(name: str) -> bytes:
    """Return a file that a framework wrote."""
    return gzip.decompress((GOLDEN / f"{name}.gz").read_bytes())


def golden_names() -> list[str]:
    """Return the names of all of them."""
    return sorted(path.name.removesuffix(".gz") for path in GOLDEN.glob("*.gz"))


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def pb(*fields: tuple[int, int | str | bytes]) -> bytes:
    """Encode a protocol-buffer message: numbers as varints, texts and bytes by length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            body = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(body)) + body
    return out


def gguf_text(text: str, order: str = "<") -> bytes:
    body = text.encode()
    return struct.pack(f"{order}Q", len(body)) + body


def gguf(
    pairs: Sequence[tuple[str, int, bytes]] = (),
    tensors: Sequence[tuple[str, Sequence[int], int, int]] = (),
    data: bytes = b"",
    *,
    order: str = "<",
    version: int = 3,
) -> bytes:
    """Make a GGUF file: pairs of key, type and value; tensors of name, shape, type and offset."""
    out = b"GGUF" + struct.pack(f"{order}IQQ", version, len(tensors), len(pairs))
    for key, kind, value in pairs:
        out += gguf_text(key, order) + struct.pack(f"{order}I", kind) + value
    for name, shape, kind, offset in tensors:
        out += gguf_text(name, order) + struct.pack(f"{order}I", len(shape))
        out += struct.pack(f"{order}{len(shape)}QIQ", *shape, kind, offset)
    return out + bytes(-len(out) % 32) + data if tensors else out


def keras_zip(config: str, weights: bytes | None = None) -> bytes:
    """Make a ``.keras`` archive around a configuration."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", config)
        if weights is not None:
            archive.writestr("model.weights.h5", weights)
    return buffer.getvalue()
