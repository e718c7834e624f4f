"""What the outlines of a pattern alone say of F and k.

F and k are guessed from the outlines' statistics, the model is held to the outlines from that
guess, and both together are read (`experiments.outlines.reader`). Along a valley, in which k
changes by 0.1 to 0.2 % for each 1 % of F, patterns hardly differ: there the answer is least sure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from experiments.outlines.hold import Outlines, hold
from experiments.outlines.reader import D_U, RATIO, SIDE, guess_place, read_place
from experiments.outlines.statistics import outline_statistics
from mfnjax.errors import DataError

FARTHEST = 4.0
"""A picture farther than this from those that were learned from is unlike a pattern."""

LEAST_AT_REST = 0.5
"""A picture with a lower probability of being at rest is refused."""

UNITS = (0.7, 2.0)
"""√(D_u/0.16), the unit of length in cells, for which pictures can be read."""


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes:
        verdict: ``approximate``, ``not stationary`` or ``unlike a pattern of the model``.
        parameters: ``feed`` and ``kill``; empty if the verdict is against it.
        intervals: Their 90 % intervals (low, high).
    """

    verdict: str
    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


UNLIKE = Reading("unlike a pattern of the model")


def fit_outlines(
    mask: np.ndarray, *, d_u: float = D_U, d_v: float = RATIO * D_U, boundary: str = "periodic"
) -> Reading:
    """F and k of a mask.

    Args:
        mask: (H, W), true where v is above some level that nobody knows (never the other way
            round, which is hardly noticed).
        d_u: D_u in cells²/time.
        d_v: D_v, half of it.
        boundary: ``periodic`` or ``neumann``.

    Raises:
        DataError: The diffusivities are not in the ratio that was learned, or the picture is too
            small.
    """
    unit = float(np.sqrt(d_u / D_U))
    if abs(d_v / d_u - RATIO) > 0.01 * RATIO or not UNITS[0] <= unit <= UNITS[1]:
        low, high = (D_U * limit**2 for limit in UNITS)
        raise DataError(f"d_v = d_u/2 was learned, with d_u from {low:.2g} to {high:.2g}")
    if min(mask.shape) < 0.75 * SIDE * unit:
        raise DataError(f"fewer than {0.75 * SIDE * unit:.0f} cells a side say too little")
    # No flux is a mirror at every edge: the picture and its mirror images are periodic.
    mirrored = [(0, n if boundary == "neumann" else 0) for n in mask.shape]
    statistics = outline_statistics(np.pad(mask, mirrored, "symmetric"), unit=unit)
    guess = guess_place(statistics)
    if guess.distance > FARTHEST:
        return UNLIKE
    if guess.at_rest < LEAST_AT_REST:
        return Reading("not stationary")
    held = hold(Outlines(mask, boundary, d_u, d_v, unit), guess.place)
    if held is None:  # the model keeps no pattern with the F and k that were guessed
        return UNLIKE
    return Reading("approximate", *read_place(statistics, guess, held))
