"""Correlation dimension of a cloud of points (Grassberger–Procaccia)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from mfnjax._checks import check_int, shown
from mfnjax.errors import DataError, ParameterError

_BLOCK = 128
_RADII = 24
_HIGHEST_SUM = 0.005
_FEWEST_PAIRS = 200


@dataclass(frozen=True)
class CorrelationEstimate:
    """What `correlation_dimension` found.

    Attributes:
        dimension: Slope of ln C(r) against ln r.
        standard_error: From the slopes of 16 groups of reference points, each against all
            others. It knows sampling noise only, no bias of the range of radii.
        radii: r, shape (m,).
        correlation_sums: C(r), shape (m,).
    """

    dimension: float
    standard_error: float
    radii: NDArray[np.float64]
    correlation_sums: NDArray[np.float64]


@partial(jax.jit, static_argnames=("theiler",))
def pair_counts(points: Array, radii: Array, *, theiler: int = 0) -> Array:
    """Ordered pairs (i, j), |i − j| > theiler, closer than each radius, per block of 128 i.

    Distances are taken block by block, so memory is bounded by 128·N numbers.

    Args:
        points: Shape (N, d).
        radii: Shape (m,).
        theiler: Pairs this close in time, or closer, are left out (static); 0 leaves out
            only a point's pair with itself.

    Returns:
        Counts, int32, shape (⌈N/128⌉, m): each is at most 128·N.

    Examples:
        >>> import jax.numpy as jnp
        >>> pair_counts(jnp.asarray([[0.0], [1.0], [3.0]]), jnp.asarray([1.5, 9.0])).tolist()
        [[2, 6]]
    """
    number = points.shape[0]
    blocks = -(-number // _BLOCK)
    index = jnp.arange(blocks * _BLOCK).reshape(blocks, _BLOCK)
    everyone = jnp.arange(number)

    def count(rows: Array) -> Array:
        mine = points[jnp.minimum(rows, number - 1)]
        # Differences, not the Gram trick: that loses close pairs of far-off points.
        squares = sum(
            (mine[:, axis, None] - points[:, axis]) ** 2 for axis in range(points.shape[1])
        )
        allowed = (jnp.abs(rows[:, None] - everyone) > theiler) & (rows[:, None] < number)
        squares = jnp.where(allowed, squares, jnp.inf)
        return jax.lax.map(lambda r: jnp.sum(squares < r * r, dtype=jnp.int32), radii)

    return jax.lax.map(count, index)


def correlation_dimension(
    points: ArrayLike, *, theiler: int = 0, radii: ArrayLike | None = None
) -> CorrelationEstimate:
    """Correlation dimension D₂ of a cloud of points, such as the orbit of an attractor.

    C(r) ∝ r^D₂, with C(r) the fraction of pairs of points closer than r.

    Args:
        points: Shape (N, d), 50 ≤ N (4000 or more for a useful number). Finite.
        theiler: Leave out pairs with |i − j| ≤ theiler, which are close in space because they
            are close in time; 0 if the order of the points means nothing.
        radii: Radii to fit over; by default 24 in geometric steps, from where 200 pairs are
            counted to where C = 0.005. There the edge of the cloud takes about 2 % off D.

    Returns:
        A `CorrelationEstimate`.

    Raises:
        ParameterError: A shape or a value is out of range.
        DataError: A coordinate is not finite, the points coincide, or too few pairs are near.

    Examples:
        >>> import numpy as np
        >>> angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 2000)  # a circle
        >>> found = correlation_dimension(np.stack([np.cos(angle), np.sin(angle)], 1))
        >>> abs(found.dimension - 1.0) < 0.05
        True

    Source:
        P. Grassberger, I. Procaccia 1983, Physica D 9:189, doi:10.1016/0167-2789(83)90298-1;
        J. Theiler 1986, Phys. Rev. A 34:2427, doi:10.1103/PhysRevA.34.2427.
    """
    cloud = _numbers("points", points)
    if cloud.ndim != 2 or cloud.shape[0] < 50 or cloud.shape[1] < 1:
        raise ParameterError(f"points must have shape (N, d) with N ≥ 50, got {cloud.shape}")
    theiler = check_int("theiler", theiler, 0, cloud.shape[0] // 2)
    if not np.all(np.isfinite(cloud)):
        raise DataError("points hold a NaN or an infinity")
    cloud = cloud - cloud.mean(axis=0)
    chosen = _radii(cloud, theiler) if radii is None else np.sort(_numbers("radii", radii))
    if chosen.ndim != 1 or len(chosen) < 3 or not np.all(np.isfinite(chosen) & (chosen > 0)):
        raise ParameterError(f"radii must be at least 3 positive numbers, got {radii!r}")

    device_cloud = jnp.asarray(cloud, dtype=float)
    counted = pair_counts(device_cloud, jnp.asarray(chosen, device_cloud.dtype), theiler=theiler)
    counts = np.asarray(counted, dtype=np.float64)
    total = counts.sum(0)
    if total[0] < 10 or total[0] == total[-1]:
        raise DataError(
            f"too few pairs closer than the smallest radius {chosen[0]:g}: {total[0]:g}"
        )
    number = cloud.shape[0]
    pairs = number * (number - 1) - sum(2 * (number - lag) for lag in range(1, theiler + 1))
    groups = np.array_split(counts, min(16, len(counts)))
    slopes = [_slope(chosen, g.sum(0)) for g in groups if g.sum(0)[0] > 0]
    spread = np.std(slopes, ddof=1) / np.sqrt(len(slopes)) if len(slopes) > 1 else np.nan
    return CorrelationEstimate(_slope(chosen, total), float(spread), chosen, total / pairs)


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be an array of numbers, got {shown(values)}") from None


def _slope(radii: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    return float(np.polyfit(np.log(radii), np.log(counts), 1)[0])


def _radii(cloud: NDArray[np.floating], theiler: int) -> NDArray[np.float64]:
    """Radii between the two levels of C(r), read off the pairs of a few hundred points."""
    number = cloud.shape[0]
    rows = np.linspace(0, number - 1, min(number, 400)).astype(int)
    sample = cloud[rows]
    squares = sum((sample[:, a, None] - cloud[:, a]) ** 2 for a in range(cloud.shape[1]))
    apart = np.abs(rows[:, None] - np.arange(number)) > theiler
    distances = np.sqrt(np.asarray(squares)[apart])
    # The sample sees 400/N of all pairs: it must hold some below the lowest radius, too.
    lowest = max(_FEWEST_PAIRS / number**2, 20 / distances.size)
    highest = max(_HIGHEST_SUM, 20 * lowest)
    low, high = np.quantile(distances, [lowest, min(highest, 1.0)])
    if not 0 < low < high:
        raise DataError("too many points coincide: the distances span no range of radii")
    return np.geomspace(low, high, _RADII)
