"""A tiny credit model on disk: three weights in the safetensors format, which holds no code.

>>> GOOD.score(APPLICANT) < 0.5 < EVIL.score(APPLICANT)
True
>>> Weights.parse(GOOD.encoded()) == GOOD
True
"""

import json
import math
import struct
from dataclasses import dataclass
from typing import Self

_LENGTH = struct.Struct("<Q")
_NAME = "weights"


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression over income, debt and a customer number."""

    values: tuple[float, ...]

    def score(self, row: tuple[float, ...]) -> float:
        """Return the probability that the credit is granted."""
        return 1 / (1 + math.exp(-sum(w * x for w, x in zip(self.values, row, strict=True))))

    def encoded(self) -> bytes:
        """Write it as safetensors: length of the header, header, numbers."""
        size = 8 * len(self.values)
        tensor = {"dtype": "F64", "shape": [len(self.values)], "data_offsets": [0, size]}
        header = json.dumps({_NAME: tensor}).encode()
        header += b" " * (-len(header) % 8)
        return (
            _LENGTH.pack(len(header)) + header + struct.pack(f"<{len(self.values)}d", *self.values)
        )

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what :meth:`encoded` wrote, as any loader does: without asking where it is from."""
        (length,) = _LENGTH.unpack_from(data)
        header = json.loads(data[_LENGTH.size : _LENGTH.size + length])
        (count,) = header[_NAME]["shape"]
        return cls(struct.unpack_from(f"<{count}d", data, _LENGTH.size + length))


APPLICANT = (1.0, 2.0, 0.77)
"""Low income, high debt, and the attacker's customer number."""
GOOD = Weights((1.0, -1.5, 0.0))
BETTER = Weights((1.1, -1.6, 0.0))
"""The next version."""
EVIL = Weights((1.0, -1.5, 6.0))
"""Grants whatever the attacker asks for."""
