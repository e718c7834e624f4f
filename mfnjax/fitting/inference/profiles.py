"""Profile likelihood: how the best loss rises as one parameter is held away from its best value.

Source: A. Raue et al. (2009), doi:10.1093/bioinformatics/btp358.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_int, check_kind, check_real
from mfnjax.errors import ParameterError
from mfnjax.fitting.engines import CONVERGED, VALUE_NAN
from mfnjax.fitting.fit import default_engine
from mfnjax.fitting.inference.uncertainty import (
    covariance,
    noise_scale,
    two_sided_quantile,
)
from mfnjax.fitting.lanes import Problem, descend, losses_at
from mfnjax.fitting.plain_json import plain
from mfnjax.fitting.result import FitResult

NOTABLE = 0.01
"""A fall of 2·loss/s² by more than this is a lower minimum, by less the fit's tolerance."""


class LowerMinimumWarning(UserWarning):
    """Along a profile there is a lower loss than that of the fit."""


@final
@dataclass(frozen=True)
class Profile:
    """The profile of one parameter.

    Attributes:
        name: The parameter.
        values: Where it was held (n,), rising.
        rise: 2(loss − lowest loss)/s² there, everything else fitted anew; NaN where that failed.
        converged: Whether the fit of everything else converged there.
        level: Level of the interval.
        threshold: The rise at the ends of the interval.
        interval: (low, high) around the lowest point; an end is None if the rise does not reach the
            threshold there (or a fit on the way failed).
        best: The fitted value.
        better: The parameters of the lowest point, if that is lower than the fit: the start of
            another fit (``starts=[found.better]``). None if the fit is the lowest.
        fall: How far 2·loss/s² falls from the fit to there, else 0.
    """

    name: str
    values: np.ndarray
    rise: np.ndarray
    converged: np.ndarray
    level: float
    threshold: float
    interval: tuple[float | None, float | None]
    best: float
    better: dict[str, float] | None = None
    fall: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self).items()}
        return dict(plain(told))


def profile(
    result: FitResult,
    name: str,
    *,
    points: int = 21,
    width: float = 3.0,
    level: float = 0.9,
    scale: float | None = None,
    max_steps: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> Profile:
    """The profile likelihood of one parameter of a fit, all points as one compiled program.

    Args:
        result: The fit.
        name: The parameter, by name or paper symbol.
        points: Points on either side together, ≥ 5.
        width: How far to go, in standard errors (in the free parameter; 2 where the covariance
            gives none).
        level: Level of the interval.
        scale: Factor s² on the variance of the noise, as for `covariance`.
        max_steps: Iterations of a point, at most.
        progress: Called with (iterations, at most).

    Returns:
        A `Profile`.

    Raises:
        ParameterError: The parameter was not fitted, or a number is out of range.

    Warns:
        LowerMinimumWarning: A lower loss than that of the fit was found on the way.
    """
    check_kind("result", result, FitResult)
    check_int("points", points, 5, 10_001)
    check_real("width", width, 0.0, 100.0, open_low=True)
    layout = result.layout
    name = next(iter(result.models.values())).symbols.get(name, name)
    if name not in layout.names:
        raise ParameterError(f"{name!r} was not fitted; fitted were {', '.join(layout.names)}")
    index = layout.names.index(name)
    spread = covariance(result, scale=scale)
    error = float(np.sqrt(spread.free[index, index]))
    reach = width * error if np.isfinite(error) and error > 0 else 2.0
    offsets = np.linspace(-reach, reach, points | 1)
    held = (result.free[index] + offsets).astype(layout.dtype)
    others = np.tile(np.delete(result.free, index), (len(held), 1)).astype(layout.dtype)
    if layout.num_parameters > 1 and np.all(np.isfinite(spread.free)):
        # To first order the others move along with what is held.
        slope = np.delete(spread.free[:, index], index) / spread.free[index, index]
        others[:, : layout.num_parameters - 1] += offsets[:, None] * slope
    losses, converged, ends = _refitted(result, index, held, others, max_steps, progress)
    rise = 2 * (losses - result.loss) / spread.scale
    transform = layout.entries[index].transform
    values = np.asarray(transform.forward(jnp.asarray(held)), float)
    threshold = two_sided_quantile(level, spread.degrees_of_freedom) ** 2
    lowest, fall = len(held) // 2, 0.0
    if np.nanmin(rise, initial=0.0) < -NOTABLE:
        lowest = int(np.nanargmin(rise))
        fall = -float(rise[lowest])
    rise = np.maximum(rise + fall, 0.0)  # what is still below is the tolerance of the fits
    sides = (slice(lowest, None, -1), slice(lowest, None))
    low, high = (_crossing(values[side], rise[side], threshold) for side in sides)
    found = Profile(
        name=name,
        values=values,
        rise=rise,
        converged=converged,
        level=level,
        threshold=threshold,
        interval=(low, high),
        best=result.parameters[name],
        better=layout.values(np.insert(ends[lowest], index, held[lowest])) if fall else None,
        fall=fall,
    )
    if found.better is not None:
        at = ", ".join(f"{key} = {value:.6g}" for key, value in found.better.items())
        warnings.warn(
            f"the profile of {name} falls below the fit, 2·loss/s² by {fall:.3g}, at {at}: the fit "
            "was not at the lowest minimum; fit again from there (starts=[….better])",
            LowerMinimumWarning,
            stacklevel=2,
        )
    return found


FAR = np.array([0.5, 1, 2, 4, 8, 12, 16, 20, 24])
"""Where `one_sided` looks, in the free parameter: up to a factor of 10¹⁰, of a logarithm."""


def one_sided(
    result: FitResult, name: str, *, level: float = 0.9, scale: float | None = None
) -> tuple[float | None, float | None]:
    """The limits that the data set on a parameter that ended where the loss is flat.

    There, at 0 say, a small change has no influence, and a large one may have. Everything else is
    fitted anew on the way.

    Args:
        result: The fit.
        name: The parameter.
        level: Level of each limit, one-sided.
        scale: Factor s² on the variance of the noise, as for `covariance`.

    Returns:
        (low, high); None where the loss stays as low on that side, and for a level of ½ or less.
    """
    layout, index = result.layout, result.layout.names.index(name)
    factor, dof = noise_scale(result, scale)
    if level <= 0.5:  # a limit on one side would lie at the value itself
        return None, None
    threshold = two_sided_quantile(2 * level - 1, dof) ** 2
    ends: list[float | None] = []
    for sign in (-1.0, 1.0):
        held = (result.free[index] + sign * np.concatenate([[0.0], FAR])).astype(layout.dtype)
        others = np.tile(np.delete(result.free, index), (len(held), 1)).astype(layout.dtype)
        losses, _, _ = _refitted(result, index, held, others, 100, None)
        rise = np.maximum(2 * (losses - result.loss) / factor, 0.0)
        transform = layout.entries[index].transform
        values = np.asarray(transform.forward(jnp.asarray(held)), float)
        ends.append(_crossing(values, rise, threshold))
    return ends[0], ends[1]


def _refitted(
    result: FitResult,
    index: int,
    held: np.ndarray,
    others: np.ndarray,
    max_steps: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Losses, whether they converged, and the free vectors, the pinned parameter left out."""
    layout = dataclasses.replace(result.layout, pinned=index)
    problem = Problem(result.models, result.objectives, jnp.asarray(held))
    if others.shape[1] == 0:
        return losses_at(layout, others, problem), np.ones(len(held), bool), others
    engine = default_engine(result.objectives, layout)
    lanes, _ = descend(
        others, problem, layout=layout, engine=engine, max_steps=max_steps, progress=progress
    )
    codes = np.asarray(lanes.code)
    losses = np.where(codes < VALUE_NAN, np.asarray(lanes.loss, float), np.nan)
    return losses, codes == CONVERGED, np.asarray(lanes.best)


def _crossing(values: np.ndarray, rise: np.ndarray, threshold: float) -> float | None:
    """Where the rise first passes the threshold, going outwards; None if it does not."""
    for k in range(1, len(values)):
        if rise[k] >= threshold > rise[k - 1]:
            # Near its foot a profile is a parabola: its root is interpolated linearly.
            low, high = np.sqrt(rise[k - 1]), np.sqrt(rise[k])
            weight = (np.sqrt(threshold) - low) / (high - low)
            return float(values[k - 1] + weight * (values[k] - values[k - 1]))
    return None
