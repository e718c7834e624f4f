"""The two least-squares problems of a snapshot: is it at rest, and does it stay as it is?

The unknowns are positive, so their logarithms are fitted: F, k, D_u, D_v, and the mean and the
standard deviation of v, which give the standardised image z its scale: v = level + amplitude·z.

1. `at_rest`: the curvature −∇²z explained by the kinetics (`imbalance` over amplitude·D_v), which
   costs a few fast transforms and, from any start, nearly always ends in the same minimum. Noise
   in v biases it, since v is on both sides.
2. `stays`: a short run from the smoothed image, against the raw one. What is compared is data with
   its own noise, so the bias is gone; and a wrong parameter shows as a drift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares
from scipy.stats import qmc

from mfnjax.core.grid import Grid
from mfnjax.core.operators import largest_stable_step
from mfnjax.fitting.snapshot.smoothing import apply_filter, as_default_float
from mfnjax.fitting.snapshot.stationary import imbalance, substrate_at_rest
from mfnjax.models.gray_scott import GrayScottModel
from mfnjax.simulation import simulate

UNKNOWNS = ("feed", "kill", "d_u", "d_v", "level", "amplitude")

STARTS = {
    "feed": (0.015, 0.08),
    "kill": (0.045, 0.068),
    "d_u": (0.08, 1.0),
    "d_v": (0.04, 0.5),
    "level": (0.06, 0.3),
    "amplitude": (0.03, 0.2),
}
"""Where the first problem is started from: the patterns of Gray–Scott lie within."""

BOUNDS = {
    "feed": (1e-3, 0.5),
    "kill": (5e-3, 0.5),
    "d_u": (1e-3, 100.0),
    "d_v": (1e-3, 100.0),
    "level": (5e-3, 1.0),
    "amplitude": (1e-3, 1.0),
}

MISMATCH = 1e3
"""What a residual that is not finite counts, in units of the noise."""


@final
@dataclass(frozen=True)
class Standardised:
    """An image in units of its own mean and standard deviation.

    Attributes:
        raw: z (H, W), float64.
        smooth: The same without most of its noise.
        factors: The filter that took it out, by mode.
        noise: σ of the noise in z.
        grid: The grid.
    """

    raw: np.ndarray
    smooth: np.ndarray
    factors: np.ndarray
    noise: float
    grid: Grid


@final
@dataclass(frozen=True)
class Estimate:
    """Where a problem ended.

    Attributes:
        values: Unknown → value.
        residuals: There, one a cell, flat.
    """

    values: dict[str, float]
    residuals: np.ndarray

    @property
    def misfit(self) -> float:
        """Root mean square of the residuals."""
        return float(np.sqrt(np.mean(self.residuals**2)))


def at_rest(
    image: Standardised,
    known: dict[str, float],
    *,
    starts: list[dict[str, float]],
    max_evaluations: int = 60,
) -> list[Estimate]:
    """Solve the first problem from several starts; the different ends, the best first.

    Args:
        image: The image.
        known: Unknowns that are given.
        starts: Unknown → value, of those that are not.
        max_evaluations: Of the residuals, for each start.

    Returns:
        The estimates; their misfit is in units of 1/cell².
    """
    z, factors = as_default_float(image.smooth), as_default_float(image.factors)

    def evaluate(point: jax.Array, base: jax.Array, basis: jax.Array) -> Any:
        return _rest_residuals(point, base, basis, z, factors, image.grid)

    ends = [_solve(evaluate, known, start, max_evaluations, 1e-6) for start in starts]
    different: list[Estimate] = []
    for end in sorted(ends, key=lambda end: end.misfit):
        if all(_apart(end, other) > 0.05 for other in different):
            different.append(end)
    return different


def _apart(one: Estimate, other: Estimate) -> float:
    return max(abs(np.log(one.values[name] / other.values[name])) for name in UNKNOWNS)


def stays(
    image: Standardised,
    known: dict[str, float],
    start: dict[str, float],
    *,
    duration: float,
    max_evaluations: int = 12,
) -> Estimate:
    """Solve the second problem for runs of a given duration.

    Args:
        image: The image.
        known: Unknowns that are given.
        start: Where to start: unknown → value.
        duration: Length of the run, in the model's time.
        max_evaluations: Of the residuals.

    Returns:
        The estimate; its misfit is in units of the noise.
    """
    z, raw = as_default_float(image.smooth), as_default_float(image.raw)
    steps, dt = time_steps({**known, **start}, duration, image.grid)
    rest = as_default_float(image.noise), steps, as_default_float(dt), image.grid

    def evaluate(point: jax.Array, base: jax.Array, basis: jax.Array) -> Any:
        return _run_residuals(point, base, basis, z, raw, *rest)

    return _solve(evaluate, known, start, max_evaluations, 1e-6)


def predicted(image: Standardised, end: Estimate) -> np.ndarray:
    """z at the end of the run of an estimate by `stays` (H, W)."""
    return image.raw + image.noise * end.residuals.reshape(image.raw.shape)


def time_steps(values: dict[str, float], duration: float, grid: Grid) -> tuple[int, float]:
    """Steps and dt of an explicit run: dt = 1, or less where diffusion asks for less."""
    fastest = max(values["d_u"], values["d_v"])
    dt = min(1.0, 0.7 * largest_stable_step(fastest, grid))
    steps = max(1, round(duration / dt))
    return steps, duration / steps


def draw_starts(number: int, names: list[str], *, key: jax.Array) -> list[dict[str, float]]:
    """A low-discrepancy sample of starts for the named unknowns, log-uniform in `STARTS`."""
    # NumPy's generator: JAX's own would compile a program for one number.
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    points = qmc.Sobol(len(names), rng=rng).random(number)
    low, high = np.log(np.asarray([STARTS[name] for name in names])).T
    return [
        dict(zip(names, (float(x) for x in np.exp(low + (high - low) * point)), strict=True))
        for point in points
    ]


def _solve(
    evaluate: Callable[..., Any],
    known: dict[str, float],
    start: dict[str, float],
    max_evaluations: int,
    tolerance: float,
) -> Estimate:
    """Least squares over the logarithms of the unknowns that are not known."""
    names = [name for name in UNKNOWNS if name not in known]
    base = [0.0 if name in names else np.log(known[name]) for name in UNKNOWNS]
    basis = [[float(row == name) for name in names] for row in UNKNOWNS]
    fixed = as_default_float(base), as_default_float(basis)
    seen: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def both(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mark = point.tobytes()
        if mark not in seen:
            seen.clear()
            pair = evaluate(as_default_float(point), *fixed)
            residuals, slopes = (np.asarray(part, float) for part in pair)
            bad = MISMATCH, 0.0
            seen[mark] = (
                np.nan_to_num(residuals, nan=bad[0], posinf=bad[0], neginf=-bad[0]),
                np.nan_to_num(slopes, nan=bad[1], posinf=bad[1], neginf=bad[1]),
            )
        return seen[mark]

    bounds = np.log(np.asarray([BOUNDS[name] for name in names])).T
    first = np.clip(np.log([start[name] for name in names]), bounds[0] + 1e-6, bounds[1] - 1e-6)
    end = least_squares(
        lambda point: both(point)[0],
        first,
        jac=lambda point: both(point)[1],
        bounds=tuple(bounds),
        max_nfev=max_evaluations,
        xtol=1e-4,
        ftol=tolerance,
        gtol=None,
    )
    values = dict(zip(names, (float(x) for x in np.exp(end.x)), strict=True)) | known
    return Estimate({name: float(values[name]) for name in UNKNOWNS}, end.fun)


def _with_slopes(residuals: Callable[[jax.Array], jax.Array], point: jax.Array) -> Any:
    """(r (n,), ∂r/∂x (n, unknowns)), forward mode."""

    def twice(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        r = residuals(x)
        return r, r

    slopes, values = jax.jacfwd(twice, has_aux=True)(point)
    return values, slopes


@jax.jit
def _rest_residuals(
    point: jax.Array,
    base: jax.Array,
    basis: jax.Array,
    z: jax.Array,
    factors: jax.Array,
    grid: Grid,
) -> Any:
    def residuals(x: jax.Array) -> jax.Array:
        model, level, amplitude = _read(base + basis @ x)
        rest = imbalance(model, level + amplitude * z, grid)
        return jnp.ravel(apply_filter(factors, rest, grid)) / (amplitude * model.d_v)

    return _with_slopes(residuals, point)


@jax.jit
def _run_residuals(
    point: jax.Array,
    base: jax.Array,
    basis: jax.Array,
    z: jax.Array,
    raw: jax.Array,
    sigma: jax.Array,
    steps: Any,
    dt: Any,
    grid: Grid,
) -> Any:
    def residuals(x: jax.Array) -> jax.Array:
        return jnp.ravel(_run(base + basis @ x, z, steps, dt, grid) - raw) / sigma

    return _with_slopes(residuals, point)


def _run(logs: jax.Array, z: jax.Array, steps: Any, dt: Any, grid: Grid) -> Any:
    """z after a run from the pattern that z is, if it is at rest."""
    model, level, amplitude = _read(logs)
    v = level + amplitude * z
    u = substrate_at_rest(model, v, grid)
    run = simulate(model, (u, v), grid=grid, steps=steps, dt=dt, stepper="euler")
    return (run.state["v"] - level) / amplitude


def _read(logs: jax.Array) -> tuple[GrayScottModel, jax.Array, jax.Array]:
    feed, kill, d_u, d_v, level, amplitude = jnp.exp(logs)
    return GrayScottModel(feed, kill, d_u, d_v), level, amplitude
