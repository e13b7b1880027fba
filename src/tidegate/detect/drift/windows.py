"""Live windows as integer counts over a frozen profile.

>>> import pyarrow as pa
>>> from tidegate.detect.drift.profile import Profile
>>> table = pa.table({"x": [1.0, 2.0, 3.0, 4.0]})
>>> profile = Profile.of(table)
>>> window = Window.of(profile, table) + Window.of(profile, table)
>>> window.rows, window.counts[0]
(8, (2, 2, 2, 2, 0))
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from tidegate.core.canonical import Json
from tidegate.core.errors import VerificationError
from tidegate.core.finding import Coverage, Skipped
from tidegate.detect.drift.profile import Profile
from tidegate.detect.frame import Frame


@dataclass(frozen=True, slots=True)
class Window:
    """Counts of some live rows. Windows over one profile add; order does not matter."""

    profile: str
    """Digest of the profile that the bins belong to."""
    rows: int
    """Rows counted."""
    counts: tuple[tuple[int, ...], ...]
    """Rows a bin, one tuple a column of the profile; empty where the column was absent."""
    gaps: tuple[Skipped, ...] = ()
    """Columns of the profile that the rows lacked, or had in another type."""

    @classmethod
    def of(cls, profile: Profile, table: pa.Table) -> Self:
        """Count the rows of a table."""
        names = [column.name for column in profile.columns if column.name in table.column_names]
        frame = Frame.of(table.select(names))
        found = {column.name: column for column in frame.columns}
        counts: list[tuple[int, ...]] = []
        gaps: list[Skipped] = []
        for column in profile.columns:
            live = found.get(column.name)
            if live is None or (live.kind == "number") != (column.kind == "number"):
                gaps.append(Skipped(f"column {column.name}", "absent, or of another type"))
                counts.append(())
            elif column.kind == "number":
                counts.append(tuple(column.count_numbers(live.numbers).tolist()))
            else:
                counts.append(tuple(column.count_levels(Counter(live.texts)).tolist()))
        return cls(str(profile.digest), table.num_rows, tuple(counts), tuple(gaps))

    def __add__(self, other: "Window") -> "Window":
        if self.profile != other.profile:
            raise ValueError("windows over different profiles do not add")
        counts = tuple(
            tuple(x + y for x, y in zip(a, b, strict=True)) if a and b else ()
            for a, b in zip(self.counts, other.counts, strict=True)
        )
        gaps = tuple(dict.fromkeys((*self.gaps, *other.gaps)))
        return Window(self.profile, self.rows + other.rows, counts, gaps)

    @property
    def coverage(self) -> Coverage:
        """Which columns of the profile were seen."""
        seen = sum(1 for counts in self.counts if counts) if self.rows else 0
        return Coverage(len(self.counts), seen, self.gaps, unit="column")

    def to_json(self) -> dict[str, Json]:
        """Return the form that is stored and digested."""
        return {
            "profile": self.profile,
            "rows": self.rows,
            "counts": [list(counts) for counts in self.counts],
            "gaps": [gap.to_json() for gap in self.gaps],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            VerificationError: A field is missing or of another type, or a count is negative.
        """
        try:
            counts = tuple(tuple(int(n) for n in column) for column in value["counts"])
            if any(n < 0 for column in counts for n in column):
                raise ValueError("a negative count")  # noqa: TRY301 - one error for all defects
            gaps = tuple(Skipped(str(g["what"]), str(g["why"])) for g in value["gaps"])
            return cls(str(value["profile"]), int(value["rows"]), counts, gaps)
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(
                "not a drift window", cause=str(error)[:200], slug="bad-window"
            ) from None
