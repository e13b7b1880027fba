"""Hidden payloads in float32 weights: statistics of bits that training leaves and stuffing breaks.

The top bit of a trained weight's mantissa is set with a probability of about log2(4/3) = 0.415: the
mantissas of numbers whose logarithm is spread evenly (Benford's law; measured at 0.414 to 0.415 in
trained tensors). Payloads that replace three of a float's four bytes (EvilModel, arXiv 2107.08590)
move it to the payload's own share of ones. The lowest byte of a trained weight is uniform: eight
bits of entropy; a payload that is not encrypted has less. One that is encrypted and touches low
bits alone shows in neither: see ``disarm``.

>>> import numpy as np
>>> words = np.random.default_rng(0).normal(size=20_000).astype("<f4").view("<u4")
>>> 0.40 < top_mantissa_share(words) < 0.43, low_byte_entropy(words) > 7.98
(True, True)
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
"""Float32 values by their bits."""

BENFORD_SHARE: Final = 0.41503749927884376
"""log2(4/3)."""
MIN_VALUES: Final = 4_096
"""Values below which the statistics say nothing."""
_PLANES: Final = 4
_MAGICS: Final = (
    b"\x7fELF\x01\x01\x01", b"\x7fELF\x02\x01\x01", b"PK\x03\x04\x14\x00", b"PK\x03\x04\x0a\x00",
    b"\x1f\x8b\x08\x00\x00\x00", b"MZ\x90\x00\x03\x00", b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin",
    b"\xcf\xfa\xed\xfe\x07", b"\xcf\xfa\xed\xfe\x0c", b"7z\xbc\xaf\x27\x1c", b"BZh91AY&SY",
)  # fmt: skip
"""Beginnings of programs and archives, long enough to be no accident among 10^10 random bytes."""


def top_mantissa_share(words: Words) -> float:
    """Return the share of values whose top mantissa bit is set, of those that are not zero."""
    there = words[(words & np.uint32(0x7FFF_FFFF)) != 0]
    return float(((there >> np.uint32(22)) & np.uint32(1)).mean()) if there.size else BENFORD_SHARE


def low_byte_entropy(words: Words) -> float:
    """Return the Shannon entropy of the lowest bytes, in bits from 0 to 8.

    Values whose low half is all zero are left out: they were rounded, to bfloat16 for one.
    """
    full = words[(words & np.uint32(0xFFFF)) != 0]
    if full.size < MIN_VALUES // 2:
        return 8.0
    counts = np.bincount((full & np.uint32(0xFF)).astype(np.int64), minlength=256)
    shares = counts[counts > 0] / full.size
    # Miller and Madow: an entropy of few samples reads low by (bins - 1) / 2n.
    return float(
        -(shares * np.log2(shares)).sum() + (len(shares) - 1) / (2 * full.size) / np.log(2)
    )


def programs(words: Words) -> tuple[str, ...]:
    """Return the programs and archives that begin in the low bytes of the values.

    The lowest one, two or three bytes are read one after another, in both orders. Each is told as
    ``ELF in the lowest byte``.
    """
    octets = words.view(np.uint8).reshape(-1, _PLANES)
    found: list[str] = []
    for width, place in (
        (1, "the lowest byte"),
        (2, "the two low bytes"),
        (3, "the three low bytes"),
    ):
        stream = np.ascontiguousarray(octets[:, :width]).tobytes()
        found += [f"{_name(magic)} in {place}" for magic in _MAGICS if magic in stream]
        backwards = np.ascontiguousarray(octets[:, width - 1 :: -1] if width > 1 else octets[:, :1])
        if width > 1:
            stream = backwards.tobytes()
            found += [
                f"{_name(magic)} in {place}, reversed" for magic in _MAGICS if magic in stream
            ]
    return tuple(found)


def _name(magic: bytes) -> str:
    return "".join(chr(octet) for octet in magic if chr(octet).isalnum()) or magic[:2].hex()
