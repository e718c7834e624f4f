"""`fit_snapshot` for a black-and-white picture: what the outlines alone say of F and k.

F and k are guessed from the outlines' statistics, the model is held to the outlines from that
guess, and both together are read (`outline_reader`). Then a pattern is grown with what was found
from a random start, to be looked at beside the picture. Along a valley, in which k changes by 0.1
to 0.2 % for each 1 % of F, patterns hardly differ: there the answer is least sure.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.errors import DataError
from mfnjax.fitting.snapshot.classes import classify_pattern
from mfnjax.fitting.snapshot.estimate import time_steps
from mfnjax.fitting.snapshot.outline_hold import LEAST_RANGE, Outlines, hold
from mfnjax.fitting.snapshot.outline_reader import D_U, RATIO, SIDE, Guess, guess_place, read_place
from mfnjax.fitting.snapshot.outline_statistics import outline_statistics
from mfnjax.fitting.snapshot.result import APPROXIMATE, MOVING, UNLIKE, SnapshotFit
from mfnjax.models.gray_scott import GrayScottModel
from mfnjax.simulation import simulate

FARTHEST = 4.0
"""A picture farther than this from those that were learned from is unlike a pattern."""

LEAST_AT_REST = 0.5
"""A picture with a lower probability of being at rest is refused."""

UNITS = (0.7, 2.0)
"""√(D_u/0.16), the unit of length in cells, for which pictures can be read."""

GROWN_FOR = 15_000.0
"""Duration of the run that grows a pattern to look at, in the model's time."""


def is_black_and_white(raw: np.ndarray) -> bool:
    """Whether an image has two grey levels."""
    first, last = raw.min(), raw.max()
    return bool(np.all((raw == first) | (raw == last)))


def fit_outlines(
    raw: np.ndarray, known: dict[str, float], *, boundary: str, key: jax.Array
) -> SnapshotFit:
    """F and k of a picture with two grey levels, the lighter where v is above some level.

    Args:
        raw: (H, W).
        known: ``d_u`` and ``d_v``, half of it, in cells²/time.
        boundary: ``periodic`` or ``neumann``.
        key: Key of the start of the pattern that is grown.

    Returns:
        The fit; its verdict is ``approximate`` where it has parameters.

    Raises:
        DataError: The diffusivities are not given or not in the ratio that was learned, or the
            picture is too small.
    """
    began = time.monotonic()
    grid = Grid(raw.shape, boundary=boundary)
    d_u, d_v, unit = _check_scale(raw, known)
    mask = raw > (raw.min() + raw.max()) / 2
    # No flux is a mirror at every edge: the picture and its mirror images are periodic.
    whole = (
        np.pad(mask, [(0, n) for n in mask.shape], "symmetric") if boundary != "periodic" else mask
    )
    statistics = outline_statistics(whole, unit=unit)
    guess = guess_place(statistics)
    verdict = _judged(guess)
    values = dict(zip(("feed", "kill"), np.exp(guess.place).tolist(), strict=True))
    values |= {"d_u": d_u, "d_v": d_v}
    assumptions = _assumptions(guess, d_u, d_v, boundary)
    intervals: dict[str, tuple[float, float]] = {}
    v = np.full(raw.shape, np.nan)
    if verdict == APPROXIMATE:
        held = hold(Outlines(mask, boundary, d_u, d_v, unit), guess.place)
        if held is None:
            verdict, assumptions = UNLIKE, (*assumptions, _NOT_KEPT)
        else:
            read, intervals = read_place(statistics, guess, held)
            values |= read
            v = _grown(values, unit, grid, key)
    level = np.quantile(v, 1 - mask.mean())
    if verdict == APPROXIMATE and not np.ptp(v) >= LEAST_RANGE:
        level, assumptions = LEAST_RANGE, (*assumptions, _VANISHED)
    return SnapshotFit(
        verdict=verdict,
        parameters=values if verdict == APPROXIMATE else {},
        intervals=intervals,
        rejected={} if verdict == APPROXIMATE else values,
        pattern_class=classify_pattern(mask.astype(float), periodic=boundary == "periodic"),
        assumptions=assumptions,
        image=raw,
        field=v,
        compared=np.where(v > level, raw.max(), raw.min()),
        grid=grid,
        seconds=time.monotonic() - began,
        **_UNTOLD,
    )


def _judged(guess: Guess) -> str:
    """The verdict."""
    if guess.distance > FARTHEST:
        return UNLIKE
    return APPROXIMATE if guess.at_rest >= LEAST_AT_REST else MOVING


_NOT_KEPT = "held to the outlines with the F and k that were guessed, the model keeps no pattern"

_VANISHED = (
    "grown anew with this F and k, the pattern vanished: they lie at the edge of where there are "
    "any, or beyond"
)

_UNTOLD: dict[str, Any] = {
    "misfit": float("nan"),
    "structured_misfit": float("nan"),
    "noise": 0.0,
    "noise_is_estimated": False,
    "scale": float("nan"),
    "offset": float("nan"),
    "duration": 0.0,
    "degeneracy": None,
    "outlines_only": True,
}
"""What outlines do not tell."""


def _check_scale(raw: np.ndarray, known: dict[str, float]) -> tuple[float, float, float]:
    """(D_u, D_v, unit of length in cells)."""
    if len(known) < 2:
        raise DataError(
            "image: black and white; then d_u and d_v must be given, because outlines tell no "
            "scale of time"
        )
    d_u, d_v = known["d_u"], known["d_v"]
    unit = float(np.sqrt(d_u / D_U))
    if abs(d_v / d_u - RATIO) > 0.01 * RATIO or not UNITS[0] <= unit <= UNITS[1]:
        low, high = (D_U * limit**2 for limit in UNITS)
        raise DataError(
            f"image: black and white; such pictures can be read for d_v = d_u/2 and d_u from "
            f"{low:.2g} to {high:.2g} cells²/time, which was learned; got d_u = {d_u:g}, "
            f"d_v = {d_v:g}. An image with grey levels can be fitted with any"
        )
    if min(raw.shape) < 0.75 * SIDE * unit:
        raise DataError(
            f"image: black and white of {raw.shape[0]} × {raw.shape[1]} cells; with "
            f"d_u = {d_u:g} the outlines of fewer than {0.75 * SIDE * unit:.0f} cells a side say "
            "too little of F and k"
        )
    return d_u, d_v, unit


def _grown(values: dict[str, float], unit: float, grid: Grid, key: jax.Array) -> np.ndarray:
    """v of a pattern grown with these parameters from seeds at random places."""
    places, noise = jax.random.split(key)
    side = round(8 * unit)
    corners = np.asarray(
        jax.random.uniform(places, (max(grid.num_cells // round(550 * unit**2), 1), 2))
    )
    inside = np.zeros(grid.shape, bool)
    for corner in corners:
        rows, columns = (
            (int(at * n) + np.arange(side)) % n for at, n in zip(corner, grid.shape, strict=True)
        )
        inside[np.ix_(rows, columns)] = True
    rough = 1 + 0.05 * np.asarray(jax.random.normal(noise, grid.shape))
    dtype = jnp.result_type(float)
    start = (
        jnp.asarray(np.where(inside, 0.5, 1.0), dtype),
        jnp.asarray(np.where(inside, 0.25, 0.0) * rough, dtype),
    )
    steps, dt = time_steps(values, GROWN_FOR, grid)
    run = simulate(GrayScottModel(**values), start, grid=grid, steps=steps, dt=dt, stepper="euler")
    return np.asarray(run.state["v"], float)


def _assumptions(guess: Guess, d_u: float, d_v: float, boundary: str) -> tuple[str, ...]:
    return (
        "black and white: lighter where v is above a level that is not known",
        "approximate: the model was held to the outlines, and the result was read together with "
        "their statistics by networks that learned from grown patterns",
        f"at rest with probability {guess.at_rest:.2f}; distance from the patterns that were "
        f"learned from {guess.distance:.1f} (about 1 for one of them)",
        f"given: d_u = {d_u:g}, d_v = {d_v:g} cells²/time",
        f"edges: {boundary}",
    )
