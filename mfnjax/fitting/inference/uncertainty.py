"""How sure: the covariance of a fit and the intervals that follow from it.

For least squares the Fisher information is JᵀJ, with J the Jacobian of the residuals by the free
parameters y; for any other loss the Hessian takes its place. Unknowns of the objective (a noisy
start) are marginalised: the covariance is that block of the whole inverse which belongs to the
parameters. Intervals are symmetric in y and mapped through the bounds, so they respect them.

Source: Y. Pawitan (2001), In All Likelihood, ch. 9; for the correlated residuals H. White (1980),
doi:10.2307/1912934.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from mfnjax._checks import check_kind, check_real
from mfnjax.errors import FitError, ParameterError
from mfnjax.fitting.engines import value_and_jacobian
from mfnjax.fitting.inference.correlation import correlated_along_x
from mfnjax.fitting.lanes import Problem, loss_of, residuals_of
from mfnjax.fitting.layout import Layout
from mfnjax.fitting.objectives.objective import Objective, Unknowns, WeightedSum
from mfnjax.fitting.plain_json import plain
from mfnjax.fitting.result import FitResult
from mfnjax.models.base import Model


@final
@dataclass(frozen=True, repr=False)
class Covariance:
    """The covariance of the fitted parameters, and what follows from it.

    Attributes:
        names: The parameters.
        values: Their fitted values.
        free: Covariance of their y; infinite where the data say nothing.
        matrix: Covariance of the values themselves (to first order).
        scale: Factor s² on the variance of the noise: 1 where it is known, else χ²/(n − p).
        degrees_of_freedom: n − p, or None where the noise is known.
        correlation_along_x: The correlation of residuals as far apart as the nearest columns are
            that was allowed for, or None.
        result: The fit.
    """

    names: tuple[str, ...]
    values: dict[str, float]
    free: np.ndarray
    matrix: np.ndarray
    scale: float
    degrees_of_freedom: int | None
    correlation_along_x: float | None
    result: FitResult

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard error of every parameter, in its own unit."""
        return dict(zip(self.names, np.sqrt(np.diag(self.matrix)).tolist(), strict=True))

    @property
    def correlation(self) -> np.ndarray:
        """Correlations of the y; NaN for parameters that the data do not determine."""
        spread = np.sqrt(np.diag(self.free))
        spread = np.where(np.isfinite(spread) & (spread > 0), spread, np.nan)
        return self.free / np.outer(spread, spread)

    def intervals(self, level: float = 0.9) -> dict[str, tuple[float, float]]:
        """Laplace intervals: parameter → (low, high), open-ended where nothing is known.

        Raises:
            ParameterError: The level is not inside (0, 1).
        """
        quantile = two_sided_quantile(level, self.degrees_of_freedom)
        spread = quantile * np.sqrt(np.diag(self.free))
        ends = {}
        for index, entry in enumerate(self.result.layout.entries):
            centre, half = float(self.result.free[index]), float(spread[index])
            low, high = entry.transform.forward(jnp.array([centre - half, centre + half])).tolist()
            ends[entry.name] = (low, high)
        return ends

    def to_dict(self, level: float = 0.9) -> dict[str, Any]:
        """Plain JSON values."""
        ends, errors = self.intervals(level), self.standard_errors
        parts = {
            "level": level,
            "scale": self.scale,
            "degrees_of_freedom": self.degrees_of_freedom,
            "correlation_along_x": self.correlation_along_x,
            "parameters": {
                name: {
                    "value": self.values[name],
                    "standard_error": errors[name],
                    "low": ends[name][0],
                    "high": ends[name][1],
                }
                for name in self.names
            },
            "correlation": self.correlation.tolist(),
        }
        return dict(plain(parts))

    def __repr__(self) -> str:
        errors, ends = self.standard_errors, self.intervals()
        width = max(len(name) for name in self.names)
        lines = ["Covariance (standard errors, 90 % intervals)"]
        lines += [
            f"  {name:<{width}} = {self.values[name]:.6g} ± {errors[name]:.2g}"
            f"   [{ends[name][0]:.6g}, {ends[name][1]:.6g}]"
            for name in self.names
        ]
        return "\n".join(lines)


def covariance(
    result: FitResult, *, scale: float | None = None, along_x: bool = False
) -> Covariance:
    """The covariance of a fit's parameters, at its best point.

    Args:
        result: The fit.
        scale: Factor s² on the variance of the noise. None: 1 where the noise is known (``sigma``
            was given), else estimated as χ²/(n − p).
        along_x: Allow for residuals that are correlated along the columns of each frame, as an
            autoregressive process of first order: the covariance becomes A⁻¹JᵀRJA⁻¹ with
            R = ρ^|Δx|, A = JᵀJ, and ρ ≥ 0 estimated from the residuals. Δx is the distance of two
            columns, be they evenly spaced or not, in units of the smallest. A start that was
            measured is one more frame. Pointwise objectives only.

    Returns:
        A `Covariance`.

    Raises:
        ParameterError: No parameters were fitted; fewer residuals than parameters; ``along_x``
            for another kind of objective.
        FitError: The derivatives are not finite at the fit.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax import FisherKPPModel, fit
        >>> from mfnjax.fitting import CallableObjective, covariance
        >>> # Two measurements of D, 1.0 ± 0.1 and 1.2 ± 0.1: a mean of 1.1 with 0.1/√2.
        >>> seen = CallableObjective(lambda m: jnp.stack([m.diffusivity - 1.0,
        ...                                               m.diffusivity - 1.2]) / 0.1, squares=True)
        >>> result = fit(FisherKPPModel(1.0), seen, free=["D"])
        >>> print(f"{covariance(result, scale=1.0).standard_errors['diffusivity']:.4f}")
        0.0707
    """
    check_kind("result", result, FitResult)
    if not result.layout.entries:
        raise ParameterError("no parameters were fitted, so they have no covariance")
    factor, dof = noise_scale(result, scale)
    rho = None
    if result.is_least_squares:
        jacobian = jacobian_at(result)
        directions = _singular(jacobian, resolution(result.layout))
        inverse = _pseudo_inverse(*directions)
        if along_x:
            rho, correlated = correlated_along_x(result, jacobian)
            whole = inverse @ inverse.T @ (jacobian.T @ correlated) @ (inverse @ inverse.T)
        else:
            whole = inverse @ inverse.T
        blind = _undetermined(*directions)
    else:
        if along_x:
            raise ParameterError("along_x needs least-squares objectives")
        values, vectors = curvatures(result)
        keep = values > 0
        whole = (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
        blind = np.any(np.abs(vectors[:, ~keep]) > BLIND, axis=1)
    count = result.layout.num_parameters
    free = factor * whole[:count, :count]
    free[np.diag_indices(count)] = np.where(blind[:count], np.inf, np.diag(free))
    slopes = _slopes(result)
    with np.errstate(invalid="ignore"):
        matrix = free * np.outer(slopes, slopes)
    return Covariance(
        names=result.layout.names,
        values=result.parameters,
        free=free,
        matrix=matrix,
        scale=factor,
        degrees_of_freedom=dof,
        correlation_along_x=rho,
        result=result,
    )


BLIND = 1e-4
"""A parameter with more than this of a direction that the data do not see is not determined."""


def two_sided_quantile(level: float, degrees_of_freedom: int | None) -> float:
    """How many standard errors the interval of that level reaches: normal, or Student's t."""
    check_real("level", level, 0.0, 1.0, open_low=True, open_high=True)
    upper = 0.5 + level / 2
    if degrees_of_freedom is None:
        return float(stats.norm.ppf(upper))
    return float(stats.t.ppf(upper, degrees_of_freedom))


def noise_scale(result: FitResult, scale: float | None) -> tuple[float, int | None]:
    """s² and, where it is estimated, the degrees of freedom."""
    if scale is not None:
        return check_real("scale", scale, 0.0, 1e300, open_low=True), None
    objectives = result.objectives.values()
    if not result.is_least_squares or all(o.noise_is_known for o in objectives):
        return 1.0, None
    models, unknowns = result.fitted_models, result.unknowns
    count = sum(_count(o, models[k], unknowns[k]) for k, o in result.objectives.items())
    dof = count - len(result.free)
    if dof < 1:
        raise ParameterError(
            f"{count} residuals for {len(result.free)} unknowns: the noise cannot be estimated; "
            "pass scale="
        )
    return max(2 * result.loss / dof, np.finfo(float).tiny), dof


def _count(objective: Objective, model: Model, unknowns: Unknowns) -> int:
    """The residuals that count, those of a function too, which does not know beforehand."""
    if isinstance(objective, WeightedSum):
        own = [{name: unknowns[name] for name in term.unknowns} for term in objective.terms]
        counts = [_count(t, model, z) for t, z in zip(objective.terms, own, strict=True)]
        return sum(counts) - objective.num_repeated
    known = objective.num_residuals
    return known or int(jax.eval_shape(objective.residuals, model, unknowns).size)


@partial(jax.jit, static_argnames="layout")
def jacobian_of(layout: Layout, free: jax.Array, problem: Problem) -> tuple[jax.Array, jax.Array]:
    """The residuals (n,) and their Jacobian (n, p) by y."""
    return value_and_jacobian(partial(residuals_of, layout), free, problem)


def jacobian_at(result: FitResult) -> np.ndarray:
    """The Jacobian (n, p) at the fit.

    Raises:
        FitError: It is not finite there.
    """
    problem = Problem(result.models, result.objectives)
    return _finite(result, jacobian_of(result.layout, jnp.asarray(result.free), problem)[1])


def _finite(result: FitResult, derivatives: jax.Array) -> np.ndarray:
    found = np.asarray(derivatives, float)
    if not np.all(np.isfinite(found)):
        at = ", ".join(f"{name} = {value:.6g}" for name, value in result.parameters.items())
        raise FitError(
            f"the derivatives of the loss are not finite at {at} (status {result.status}): this "
            "fit has no uncertainty; start it elsewhere, or give bounds"
        )
    return found


@partial(jax.jit, static_argnames="layout")
def hessian_of(layout: Layout, free: jax.Array, problem: Problem) -> jax.Array:
    """The Hessian (p, p) of the loss by y."""
    return jax.hessian(lambda y: loss_of(layout, y, problem))(free)


def curvatures(result: FitResult) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the Hessian at the fit, 0 where lost in rounding or negative; vectors."""
    problem = Problem(result.models, result.objectives)
    hessian = hessian_of(result.layout, jnp.asarray(result.free), problem)
    values, vectors = np.linalg.eigh(_finite(result, hessian))
    # Squares of what `resolution` is for, but the rounding is that of the Hessian itself.
    smallest = max(1e-12, 64 * float(np.finfo(result.layout.dtype).eps))
    return np.where(values > values.max(initial=0) * smallest, values, 0.0), vectors


def resolution(layout: Layout) -> float:
    """Singular values below this, relative to the largest, are directions that are not seen."""
    return max(1e-7, 64 * float(np.finfo(layout.dtype).eps))


def _slopes(result: FitResult) -> np.ndarray:
    """∂θ/∂y of every parameter."""
    entries = result.layout.entries
    logs = [e.transform.log_det(jnp.asarray(result.free[k])) for k, e in enumerate(entries)]
    return np.exp(np.asarray(logs, float))


Directions = tuple[np.ndarray, np.ndarray, np.ndarray]


def _singular(jacobian: np.ndarray, smallest: float) -> Directions:
    """Singular values, right vectors (rows), and which directions the data see at all."""
    # Where there are fewer residuals than unknowns, the rest is unseen.
    _, values, vectors = np.linalg.svd(np.linalg.qr(jacobian, mode="r"), full_matrices=True)
    values = np.concatenate([values, np.zeros(len(vectors) - len(values))])
    return values, vectors, values > values.max(initial=0) * smallest


def _pseudo_inverse(values: np.ndarray, vectors: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """B with BBᵀ = (JᵀJ)⁺."""
    return vectors[seen].T / values[seen]


def _undetermined(values: np.ndarray, vectors: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Which columns of J have a part in a direction that is not seen."""
    return np.any(np.abs(vectors[~seen]) > BLIND, axis=0)
