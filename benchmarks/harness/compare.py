"""Which rows changed between two results, beyond the noise that was measured.

A row's samples are its calibrated ratios, one a process (values, for what is no time). Their
logarithms are compared by Welch's interval for the difference of two means, at a level that is
shared among the rows (Bonferroni), so that a table of unchanged rows stays without an alarm.

Source: B. L. Welch (1947), The generalization of 'Student's' problem when several different
population variances are involved, Biometrika 34, 28-35, doi:10.1093/biomet/34.1-2.28.
"""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

from scipy import stats

from benchmarks.harness.results import Measurement, Results
from mfnjax.errors import DataError

ERROR_RATE = 0.05
"""Chance of at least one false alarm in a table of unchanged rows."""

FLOOR = 0.02
"""Standard deviation of log ratios below which no spread of a few processes is believed."""


class Change(NamedTuple):
    """How one row changed.

    Attributes:
        factor: New over old; for a time, above 1 is slower.
        low, high: The interval of the factor; NaN where a side has one process only.
        verdict: "faster", "slower", "same" or "unknown"; for memory "leaner", "fatter".
    """

    key: str
    label: str
    factor: float
    low: float
    high: float
    verdict: str

    @property
    def is_worse(self) -> bool:
        """Whether it got worse, beyond the noise."""
        return self.verdict in ("slower", "fatter")


def compare(old: Results, new: Results) -> list[Change]:
    """Compare the rows that both results have.

    Raises:
        DataError: They have none in common.
    """
    before = {row.key: row for row in old.rows}
    pairs = [(before[row.key], row) for row in new.rows if row.key in before]
    if not pairs:
        raise DataError("the two results have no row in common")
    return [change_of(left, right, ERROR_RATE / len(pairs)) for left, right in pairs]


def change_of(old: Measurement, new: Measurement, error_rate: float) -> Change:
    """The change of one row, its interval at level 1 − ``error_rate``."""
    a, b = (_logs(row) for row in (old, new))
    shift = statistics.fmean(b) - statistics.fmean(a)
    half = _half_width(a, b, error_rate)
    verdict = "unknown" if math.isnan(half) else "same"
    words = ("faster", "slower") if old.ratios else ("leaner", "fatter")
    if shift - half > 0:
        verdict = words[1]
    elif shift + half < 0:
        verdict = words[0]
    factor, low, high = (math.exp(x) for x in (shift, shift - half, shift + half))
    return Change(new.key, new.label, factor, low, high, verdict)


def _logs(row: Measurement) -> list[float]:
    # A growth of memory may be zero; a kilobyte more or less is none.
    return [math.log(max(x, 1e-3)) for x in row.ratios or row.values or (row.value,)]


def _half_width(a: list[float], b: list[float], error_rate: float) -> float:
    if min(len(a), len(b)) < 2:
        return math.nan
    parts = [max(statistics.variance(x), FLOOR**2) / len(x) for x in (a, b)]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True)
    )
    return float(stats.t.ppf(1 - error_rate / 2, freedom)) * math.sqrt(sum(parts))
