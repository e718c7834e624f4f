"""An exponent with its interval: least squares through logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
FEWEST = 3
"""Points that an exponent with an interval needs."""


class PowerLaw(NamedTuple):
    """y = factor · x^exponent, the exponent's 95 % interval, and the range of x that was used."""

    exponent: float
    low: float
    high: float
    factor: float
    start: float
    stop: float

    def __str__(self) -> str:
        # Adding 0 turns a rounded −0 into 0.
        middle, low, high = (round(p, 2) + 0.0 for p in (self.exponent, self.low, self.high))
        return f"{middle:.2f} ({low:.2f} … {high:.2f})"


def fit_power_law(x: Sequence[float], y: Sequence[float], *, start: float = 0.0) -> PowerLaw | None:
    """Fit y = c·x^p through the points with x ≥ start; None where fewer than three are left.

    The interval knows the scatter about the line and nothing else: where the exponent itself
    changes within the range (a cache that overflows), it is wide, and that is what it says.

    Examples:
        >>> fit = fit_power_law([1, 2, 4, 8], [3, 12, 48, 192])
        >>> round(fit.exponent, 6), round(fit.factor, 6)
        (2.0, 3.0)
    """
    kept = [(a, b) for a, b in zip(x, y, strict=True) if a >= start and b > 0]
    if len(kept) < FEWEST:
        return None
    u, v = np.log(np.array(kept, float)).T
    centred = u - u.mean()
    squares = float(centred @ centred)
    slope = float(centred @ v) / squares
    residual = v - v.mean() - slope * centred
    freedom = len(kept) - 2
    error = float(np.sqrt(residual @ residual / freedom / squares))
    reach = float(stats.t.ppf(0.5 + 0.5 * CONFIDENCE, freedom)) * error
    factor = float(np.exp(v.mean() - slope * u.mean()))
    return PowerLaw(slope, slope - reach, slope + reach, factor, kept[0][0], kept[-1][0])


def local_exponents(x: Sequence[float], y: Sequence[float]) -> list[float | None]:
    """The exponent between each point and the one before it; None for the first.

    Examples:
        >>> local_exponents([1, 2, 4], [1.0, 2.0, 8.0])
        [None, 1.0, 2.0]
    """
    steps = [
        float(np.log(b / a) / np.log(v / u))
        for a, b, u, v in zip(y[:-1], y[1:], x[:-1], x[1:], strict=True)
    ]
    return [None, *steps][: len(x)]
