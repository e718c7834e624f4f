"""A start that was measured with noise, integrated out instead of estimated along.

Estimated along, a start of many cells takes part in every trade: where data are few, it absorbs
what diffusion does, and D falls to 0. Integrated out over a flat prior it cannot. About its best
value for given parameters the run is linear in the start to good approximation, which gives

    −ln L(θ) = min_u ½|r(θ, u)|²/s² + ½ ln det(JᵤᵀJᵤ),   Jᵤ = ∂r/∂u.

Source: J. O. Berger, B. Liseo, R. L. Wolpert (1999), doi:10.1214/ss/1009211804; for variances it
is the restricted likelihood of H. D. Patterson, R. Thompson (1971), doi:10.1093/biomet/58.3.545.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from mfnjax.errors import FitError, ParameterError
from mfnjax.fitting.inference.uncertainty import jacobian_of, noise_scale, two_sided_quantile
from mfnjax.fitting.lanes import Problem, residuals_of
from mfnjax.fitting.layout import Layout
from mfnjax.fitting.result import FitResult

STEP = 0.1
"""Of the second differences, in the free parameters (a tenth of the value, of a logarithm)."""

CORRECTIONS = 2
"""Corrections of the start for given parameters. The run is all but linear in it."""


@final
@dataclass(frozen=True)
class IntegratedStart:
    """Parameters whose start was integrated out.

    Attributes:
        values: The parameters.
        intervals: Their intervals, symmetric in the free parameters; (None, None) where the
            likelihood is flat.
    """

    values: dict[str, float]
    intervals: dict[str, tuple[float | None, float | None]]


def integrate_start(
    result: FitResult, *, level: float = 0.9, scale: float | None = None
) -> IntegratedStart:
    """Fit the parameters again, with the unknown start integrated out.

    The intervals take the residuals for independent.

    Args:
        result: A fit with an unknown start, which is where the search begins.
        level: Level of the intervals.
        scale: Factor s² on the variance of the noise, as for `covariance`.

    Returns:
        An `IntegratedStart`.

    Raises:
        ParameterError: The fit is not of least squares, or its start was taken as exact.
        FitError: The likelihood is not finite where the search begins, or the search did not end.
    """
    if not result.is_least_squares or not result.layout.num_unknowns:
        raise ParameterError("a fit of least squares with an unknown start is needed")
    marginal = _Marginal(result, scale)
    first = marginal.layout.start(result.models, result.objectives)
    starts = [np.array(free[: marginal.count], float) for free in (result.free, first)]
    start = min(starts, key=marginal)
    simplex = np.vstack([start, *(start + 0.5 * np.eye(len(start)))])
    options = {"initial_simplex": simplex, "xatol": 1e-2, "fatol": 1e-2, "maxfev": 300}
    best = optimize.minimize(marginal, start, method="Nelder-Mead", options=options)
    if not (np.isfinite(best.fun) and best.success):
        raise FitError("the likelihood with the start integrated out has no maximum that is found")
    quantile = two_sided_quantile(level, marginal.degrees_of_freedom)
    spread = quantile * _standard_errors(marginal, best.x)
    low, high = marginal.values(best.x - spread), marginal.values(best.x + spread)
    values = marginal.values(best.x)
    intervals: dict[str, tuple[float | None, float | None]] = {
        name: (low[name], high[name]) if np.isfinite(half) else (None, None)
        for name, half in zip(values, spread, strict=True)
    }
    return IntegratedStart(values, intervals)


class _Marginal:
    """−ln L(θ) as a function of the free parameters.

    The best start for θ is found from that of the fit, by corrections with one Jacobian.
    """

    def __init__(self, result: FitResult, scale: float | None) -> None:
        self.layout, self.count = result.layout, result.layout.num_parameters
        self.factor, self.degrees_of_freedom = noise_scale(result, scale)
        self._problem = Problem(result.models, result.objectives)
        self._unknown = np.array(result.free[self.count :])

    def values(self, free: np.ndarray) -> dict[str, float]:
        """θ by name."""
        return self.layout.values(np.asarray(free, self.layout.dtype))

    def __call__(self, free: np.ndarray) -> float:
        unknown, jacobian = self._unknown, None
        for _ in range(CORRECTIONS):
            y = jnp.asarray(np.concatenate([free, unknown]), self.layout.dtype)
            if jacobian is None:
                first, whole = jacobian_of(self.layout, y, self._problem)
                residuals, jacobian = np.asarray(first, float), np.asarray(whole, float)
                own = jacobian[:, self.count :]
            else:
                residuals = np.asarray(_residuals(self.layout, y, self._problem), float)
            if not (np.all(np.isfinite(residuals)) and np.all(np.isfinite(jacobian))):
                return np.inf
            step = np.linalg.lstsq(own, residuals, rcond=None)[0]
            unknown = unknown - step
        left = residuals - own @ step  # what one more correction would leave
        _, log_det = np.linalg.slogdet(own.T @ own)
        return 0.5 * float(left @ left) / self.factor + 0.5 * float(log_det)


@partial(jax.jit, static_argnames="layout")
def _residuals(layout: Layout, free: jax.Array, problem: Problem) -> jax.Array:
    return residuals_of(layout, free, problem)


def _standard_errors(function: Any, at: np.ndarray) -> np.ndarray:
    """Of the free parameters, by second differences; infinite where the function is flat."""
    count = len(at)
    steps = STEP * np.eye(count)

    def second(i: int, j: int) -> float:
        corners = [
            a * b * function(at + a * steps[i] + b * steps[j]) for a in (-1, 1) for b in (-1, 1)
        ]
        return sum(corners) / (4 * STEP**2)

    matrix = np.empty((count, count))
    for i in range(count):
        for j in range(i + 1):
            matrix[i, j] = matrix[j, i] = second(i, j)
    values, vectors = np.linalg.eigh(matrix)
    seen = values > 1e-2  # of −ln L at a change by a factor of e: less says nothing
    variances = (vectors[:, seen] ** 2 / values[seen]).sum(1)
    blind = np.any(np.abs(vectors[:, ~seen]) > 0.1, axis=1)
    return np.where(blind, np.inf, np.sqrt(variances))
