"""A drift alarm whose false alarms are rare for ever: the e-detector over binned windows.

Per column, each window is bet on: how much likelier are its counts under what earlier windows
suggest than under the law nearest to that suggestion which is still within the tolerance of the
reference? The Shiryaev-Roberts recursion adds up these bets; the alarm rings when their mean over
the columns reaches ``run_length``. While every column stays within the tolerance, the mean number
of windows between alarms is at least ``run_length``, whatever the dependence between columns.

The tolerance is a total-variation distance. It must cover the error of the reference itself (about
``sqrt(bins / reference rows)``), and should be the smallest change that one cares for.

>>> import numpy as np
>>> detector = EDetector((np.full(4, 0.25),), tolerance=0.02, run_length=100)
>>> calm = [detector.update([np.array([250, 250, 250, 250])]).alarm for _ in range(20)]
>>> shifted = [detector.update([np.array([100, 200, 300, 400])]).alarm for _ in range(5)]
>>> any(calm), any(shifted)
(False, True)

Sources: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential
change detection" (2022); P. J. Huber, "A robust version of the probability ratio test" (1965).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tidegate.core.canonical import Json
from tidegate.core.errors import VerificationError

Floats = NDArray[np.float64]

_CAP = 1e12
_BET = 40.0
_RATIO = 1e9


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands after a window."""

    alarm: bool
    """Whether the mean evidence reached the run length."""
    mean: float
    """Mean Shiryaev-Roberts statistic over the columns."""
    columns: tuple[float, ...]
    """The statistic of each column: the largest says where."""
    windows: int
    """Windows taken so far."""


@dataclass(slots=True)
class EDetector:
    """The sequential test over windows of one profile. Its state is :meth:`to_json`."""

    reference: tuple[Floats, ...]
    """Share a bin, one array a column; all positive."""
    tolerance: float = 0.02
    """Total variation that is no drift."""
    run_length: float = 1_000.0
    """Mean number of windows between false alarms, at least."""
    decay: float = 0.8
    """Weight of the last window in the running estimate, against the one before."""
    prior: float = 60.0
    """Rows of the reference that the estimate starts from."""
    windows: int = 0
    """Windows taken so far."""
    _seen: list[Floats] = field(init=False, repr=False)
    _evidence: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1 or self.run_length <= 1 or not 0 <= self.decay < 1:
            raise ValueError("tolerance and decay lie in [0, 1), the run length is over 1")
        self._seen = [np.zeros_like(p) for p in self.reference]
        self._evidence = np.zeros(len(self.reference))

    def update(self, counts: Sequence[NDArray[np.int64]]) -> Evidence:
        """Take a window: one array of counts a column; an empty array is a column not seen.

        The bet on a window is laid before it is seen: from earlier windows only.

        Raises:
            ValueError: A column has another number of bins than the reference.
        """
        if len(counts) != len(self.reference):
            raise ValueError("a window has as many columns as the reference")
        for k, (share, live) in enumerate(zip(self.reference, counts, strict=True)):
            if not len(live):
                continue  # no evidence either way
            if len(live) != len(share):
                raise ValueError("a column has as many bins as in the reference")
            estimate = self.prior * share + self._seen[k]
            estimate /= estimate.sum()
            bet = float((live * log_ratio(estimate, share, self.tolerance)).sum())
            grown = (self._evidence[k] + 1) * np.exp(np.clip(bet, -_BET, _BET))
            self._evidence[k] = min(grown, _CAP)
            self._seen[k] = self.decay * self._seen[k] + live
        self.windows += 1
        return self.evidence

    @property
    def evidence(self) -> Evidence:
        """What stands now."""
        mean = float(self._evidence.mean()) if len(self._evidence) else 0.0
        alarm = mean >= self.run_length
        return Evidence(alarm, mean, tuple(self._evidence.tolist()), self.windows)

    def restart(self) -> None:
        """Forget the evidence, after an alarm was handled; the estimate is kept."""
        self._evidence[:] = 0.0

    def to_json(self) -> dict[str, Json]:
        """Return settings and state, so that the test goes on after a restart."""
        return {
            "tolerance": repr(self.tolerance),
            "runLength": repr(self.run_length),
            "decay": repr(self.decay),
            "prior": repr(self.prior),
            "windows": self.windows,
            "reference": [_written(share) for share in self.reference],
            "seen": [_written(seen) for seen in self._seen],
            "evidence": _written(self._evidence),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """Read what :meth:`to_json` wrote: the test goes on as if it had not stopped.

        Raises:
            VerificationError: A field is missing, of another type or size.
        """
        try:
            detector = cls(
                tuple(_read(share) for share in value["reference"]),
                float(value["tolerance"]),
                float(value["runLength"]),
                float(value["decay"]),
                float(value["prior"]),
                int(value["windows"]),
            )
            detector._seen = [_read(seen) for seen in value["seen"]]
            detector._evidence = _read(value["evidence"])
            sizes = [len(seen) for seen in detector._seen]
            if sizes != [len(share) for share in detector.reference] or len(
                detector._evidence
            ) != len(sizes):
                raise ValueError("columns and bins do not fit")  # noqa: TRY301 - one error
        except (KeyError, TypeError, ValueError) as error:
            raise VerificationError(
                "not the state of a drift detector", cause=str(error)[:200], slug="bad-drift-state"
            ) from None
        return detector


def log_ratio(estimate: Floats, reference: Floats, tolerance: float) -> Floats:
    """Return the log likelihood ratio a bin of ``estimate`` against its nearest tolerated law.

    The nearest law within total variation ``tolerance`` of the reference clips the ratio
    ``estimate / reference`` from below and above, such that ``tolerance`` mass moves at each end.
    """
    if float(np.abs(estimate - reference).sum()) / 2 <= tolerance:
        return np.zeros_like(estimate)
    ratio = estimate / reference
    order = np.argsort(ratio)
    low = _clip(ratio[order], estimate[order], reference[order], tolerance, up=False)
    down = order[::-1]
    high = _clip(ratio[down], estimate[down], reference[down], tolerance, up=True)
    return np.log(np.clip(ratio, low or 1 / _RATIO, high or _RATIO))


def _clip(
    ratio: Floats, estimate: Floats, reference: Floats, tolerance: float, *, up: bool
) -> float | None:
    """Return the ratio c at which a prefix of bins gives away (or takes on) ``tolerance`` mass.

    The prefix has ``estimate / c`` in place of its reference mass. Called with ratios ascending for
    the lower clip, descending (``up``) for the upper.
    """
    a = np.cumsum(estimate)
    b = np.cumsum(reference) + (tolerance if up else -tolerance)
    for place in range(len(ratio)):
        if b[place] <= 0:
            continue
        clip = a[place] / b[place]
        last = place + 1 == len(ratio)
        if up:
            fits = clip <= ratio[place] and (last or clip >= ratio[place + 1])
        else:
            fits = clip >= ratio[place] and (last or clip <= ratio[place + 1])
        if fits:
            return float(clip)
    return None


def _written(values: Floats) -> list[str]:
    return [repr(float(value)) for value in values]


def _read(values: Sequence[str]) -> Floats:
    out = np.asarray([float(value) for value in values], dtype=np.float64)
    if not np.isfinite(out).all() or (out < 0).any():
        raise ValueError("not finite and nonnegative")
    return out
