"""An order-free digest of a multiset of rows, which can be grown, merged and shrunk.

LtHash (Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", EUROCRYPT 1997;
Lewi, Kim, Maykov and Weis, "Securing Update Propagation with Homomorphic Hashing", IACR ePrint
2019/227): each row is hashed by BLAKE3 to a vector, and the vectors are added lane by lane.
Sums of *short* hashes are forged with little work; to forge these is to find a short integer
relation among vectors of 32,768 bits (SIS).

The paper's lanes have 16 bits, where 65,536 copies of one row add up to nothing. A data set is
a multiset, so ours are 512 lanes of 64 bits: twice the paper's width, and no multiplicity that
a table can hold vanishes. docs/design/digests.md has the estimate of the work to forge.

>>> one, two = RowSet(), RowSet()
>>> one.add([b"a", b"b", b"b"])
>>> two.add([b"b", b"a", b"b"])
>>> one.state == two.state
True
"""

from collections.abc import Iterable
from itertools import islice

import numpy as np
from blake3 import blake3

LANES = 512
WIDTH = LANES * 8
"""Bytes of a row's vector and of the state."""
_AT_ONCE = 256


class RowSet:
    """The running sum over rows.

    Args:
        state: A state to go on from, 4,096 bytes.
    """

    def __init__(self, state: bytes = bytes(WIDTH)) -> None:
        if len(state) != WIDTH:
            raise ValueError(f"a state has {WIDTH} bytes")
        self._lanes = np.frombuffer(state, "<u8").copy()

    @property
    def state(self) -> bytes:
        """The lanes, little-endian, 4,096 bytes."""
        return self._lanes.astype("<u8").tobytes()

    def add(self, rows: Iterable[bytes | memoryview]) -> None:
        """Add rows; a row that comes twice counts twice."""
        source = iter(rows)
        while vectors := [blake3(row).digest(length=WIDTH) for row in islice(source, _AT_ONCE)]:
            lanes = np.frombuffer(b"".join(vectors), "<u8").reshape(-1, LANES)
            self._lanes += lanes.sum(axis=0, dtype=np.uint64)

    def merge(self, other: "RowSet") -> None:
        """Add all rows of another set."""
        self._lanes += np.frombuffer(other.state, "<u8")

    def remove(self, other: "RowSet") -> None:
        """Take away all rows of another set, which must be among these."""
        self._lanes -= np.frombuffer(other.state, "<u8")
