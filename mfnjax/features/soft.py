"""Differentiable twins of the features: sigmoid masks, soft boxes, log-sum-exp extrema.

Each tends to its hard twin as the width goes to 0, and its gradient is that of the formula
given, nothing else. Counts of components, cluster sizes and the step of rest are integers:
they have no useful gradient, so they have no twin here. `soft_euler_characteristic` is a
differentiable relative of the component count under its own name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from mfnjax._checks import check_choice, check_real
from mfnjax.errors import ParameterError
from mfnjax.features._sums import fill_outside
from mfnjax.features.clusters import AXES, CONNECTIVITIES
from mfnjax.features.config import FeatureConfig
from mfnjax.features.record import FEATURE_NAMES
from mfnjax.features.statistics import SIGMA_MIN_MV
from mfnjax.features.vector import _check_array, _frames, _item, _static, _weights
from mfnjax.fractal.box_counting import check_sizes

SOFT_FEATURES: tuple[str, ...] = tuple(
    name
    for name in FEATURE_NAMES
    if name != "T_stable" and not name.startswith("N_clusters") and "cluster_size" not in name
)
"""The features that have a differentiable twin, in the order of `FEATURE_NAMES`."""


def soft_features(
    history: ArrayLike,
    width: ArrayLike,
    config: FeatureConfig | None = None,
    *,
    mask: ArrayLike | None = None,
    ndim: int | None = None,
) -> dict[str, jax.Array]:
    """Differentiable twins of the features that have one, under the same names.

    With a width w in mV: masks are sigmoid((V − θ)/w); a box is occupied by 1 − Π(1 − m); the
    maximum is w·ln Σ exp(V/w), which lies above the hard one by at most w·ln n for n values;
    |ΔV| is √(ΔV² + w²) − w. Moments and `E_trend` are smooth as they are (where σ vanishes
    their derivative is taken as 0). As w → 0 each tends to the hard feature.

    There is no twin of `T_stable`, `N_clusters_*`, `max_cluster_size` and
    `cluster_size_std`: they are steps in the field, with a gradient of zero almost everywhere.

    Args:
        history: Potential in volts, (T, H, W) or one frame (H, W), or with one or three axes of
            space (see `ndim`); all frames count.
        width: Width w > 0 in mV, traced.
        config: Thresholds and box sizes; None takes the documented defaults.
        mask: Fractions φ of the cells, as in `compute_features`; traced. Σ exp weighs by φ, too.
        ndim: Axes of space, as in `compute_features`.

    Returns:
        Name → scalar, for the names in `SOFT_FEATURES`, in the units of `FEATURE_UNITS`.

    Raises:
        ParameterError: Wrong number of axes or dtype, or a width that is not positive.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from mfnjax.features import soft_features
        >>> field = jnp.full((8, 8), -0.06)
        >>> slope = jax.grad(lambda v: soft_features(v, 5.0)["f_active"])(field).sum()
        >>> print(f"{slope:.0f} 1/V")  # sigmoid'(0)/w = 1/(4 · 0.005 V)
        50 1/V
    """
    config = FeatureConfig() if config is None else config
    kind = _check_array(history, mask, ndim)
    if kind.dtype == np.bool_:
        raise ParameterError("soft_features needs potentials in volts, got a boolean mask")
    if not isinstance(width, jax.core.Tracer):
        width = check_real("width", _item(width), 0.0, 1e6, open_low=True)
    frames = _frames(jnp.asarray(history), kind)
    threshold = np.asarray(config.threshold_low_mv, kind.dtype)
    values = _soft_features(
        frames,
        jnp.asarray(width, frames.dtype),
        threshold.astype(frames.dtype),
        _weights(mask, kind, frames.dtype),
        sizes=_static(kind, config)["sizes"],
    )
    # A dict comes back from jit with its names sorted.
    return {name: values[name] for name in SOFT_FEATURES}


@partial(jax.jit, static_argnames="sizes")
def _soft_features(
    frames: jax.Array,
    width: jax.Array,
    threshold: jax.Array,
    weights: jax.Array | None = None,
    *,
    sizes: tuple[int, ...],
) -> dict[str, jax.Array]:
    if weights is not None:
        frames = jax.vmap(fill_outside, (0, None))(frames, weights)
    final = frames[-1] * 1e3
    active = jax.nn.sigmoid((final - threshold) / width)
    occupied = active if weights is None else jnp.where(weights > 0, active, 0)
    dimension, r_squared = _soft_dimension(occupied, sizes=sizes)
    return {
        "D_box": dimension,
        "D_r2": r_squared,
        "V_min": -_soft_maximum(-final, width, weights),
        "V_max": _soft_maximum(final, width, weights),
        **_moments(final, weights),
        **_temporal(frames * 1e3, width, weights),
        "f_active": _mean(active, weights),
    }


def _mean(values: jax.Array, weights: jax.Array | None) -> jax.Array:
    if weights is None:
        return jnp.mean(values)
    return jnp.mean(jnp.sum(weights * values, axis=_space(weights))) / jnp.sum(weights)


def _space(frame: jax.Array) -> tuple[int, ...]:
    return tuple(range(-frame.ndim, 0))


def _soft_maximum(values: jax.Array, width: jax.Array, weights: jax.Array | None) -> jax.Array:
    return width * jax.nn.logsumexp(values / width, b=weights)


def _moments(field: jax.Array, weights: jax.Array | None) -> dict[str, jax.Array]:
    origin = field[(0,) * field.ndim]
    offsets = field - origin
    shift = _mean(offsets, weights)
    residuals = offsets - shift
    variance = _mean(residuals**2, weights)
    # Double where: neither branch may see √0 or 0/0, or its gradient would be NaN.
    varied = variance > SIGMA_MIN_MV**2
    sigma = jnp.where(varied, jnp.sqrt(jnp.where(varied, variance, 1)), 0)
    z = residuals / jnp.where(varied, sigma, 1)
    return {
        "V_mean": origin + shift,
        "V_std": sigma,
        "V_skew": jnp.where(varied, _mean(z**3, weights), 0),
        "V_kurt": jnp.where(varied, _mean(z**4, weights) - 3, 0),
    }


def _temporal(
    frames: jax.Array, width: jax.Array, weights: jax.Array | None
) -> dict[str, jax.Array]:
    if frames.shape[0] < 2:
        unknown = jnp.full((), jnp.nan, frames.dtype)
        return {"dV_mean": unknown, "dV_max": unknown, "E_trend": unknown}
    # √(x² + w²) − w without the difference, in which float32 loses steps small against w.
    squared = jnp.diff(frames, axis=0) ** 2
    change = squared / (jnp.sqrt(squared + width**2) + width)
    # E_t − E_0 without the large common part, see `temporal_features`.
    energies = (frames - frames[0]) * (frames + frames[0])
    energies = energies if weights is None else weights * energies
    energy = jnp.sum(energies, axis=_space(frames[0]))
    time = np.arange(frames.shape[0]) - (frames.shape[0] - 1) / 2
    slope = jnp.asarray(time / np.sum(time**2), frames.dtype)
    return {
        "dV_mean": _mean(change, weights),
        "dV_max": _soft_maximum(change, width, weights),
        "E_trend": jnp.sum(slope * energy),
    }


def soft_box_counts(probabilities: ArrayLike, sizes: Iterable[int]) -> jax.Array:
    """Expected number of occupied boxes, N(s) = Σ_boxes 1 − Π_cells (1 − m).

    With 0/1 values these are the hard counts; with independent cells of probability m they
    are expectations. Boxes are cut as in `mfnjax.fractal.box_counts`.

    Args:
        probabilities: Cell occupancies m in [0, 1], shape (H, W), or with one or three axes.
        sizes: Distinct box sizes in cells, static.

    Returns:
        N(s), shape (len(sizes),), in the dtype of the input.

    Raises:
        ParameterError: Not a float field, or a size that is not a positive integer.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import soft_box_counts
        >>> soft_box_counts(jnp.full((2, 2), 0.5), (1, 2)).tolist()
        [2.0, 0.9375]
    """
    return _soft_counts(_probabilities(probabilities), sizes=check_sizes(sizes))


@partial(jax.jit, static_argnames="sizes")
def _soft_counts(m: jax.Array, *, sizes: tuple[int, ...]) -> jax.Array:
    occupied = {1: m}
    counts: dict[int, jax.Array] = {}
    for size in sorted(sizes):
        if size > min(m.shape):
            counts[size] = jnp.zeros((), m.dtype)
            continue
        divisor = max(known for known in occupied if size % known == 0)
        occupied[size] = _soft_pool(occupied[divisor], size // divisor)
        counts[size] = jnp.sum(occupied[size])
    return jnp.stack([counts[size] for size in sizes])


def _soft_pool(occupied: jax.Array, factor: int) -> jax.Array:
    """Soft OR over tiles of that many cells a side; the incomplete ones at the end are cut."""
    tiles = [side // factor for side in occupied.shape]
    occupied = occupied[tuple(slice(count * factor) for count in tiles)]
    for axis, count in enumerate(tiles):
        shape = (*occupied.shape[:axis], count, factor, *occupied.shape[axis + 1 :])
        occupied = _soft_any(occupied.reshape(shape), axis=axis + 1)
    return occupied


def _soft_any(values: jax.Array, axis: int) -> jax.Array:
    """1 − Π(1 − m) along an axis, as a tree of a ∨ b = a + b·(1 − a).

    Unlike 1 − exp Σ log(1 − m) this polynomial is exact with its gradient at m = 1, and
    unlike 1 − Π it keeps occupancies that are small against 1.
    """
    while (length := values.shape[axis]) > 1:
        half = length // 2
        first, second, rest = jnp.split(values, (half, 2 * half), axis=axis)
        values = jnp.concatenate([first + second * (1 - first), rest], axis=axis)
    return jnp.squeeze(values, axis)


def soft_box_counting_dimension(
    probabilities: ArrayLike, sizes: Iterable[int]
) -> tuple[jax.Array, jax.Array]:
    """Differentiable box-counting dimension of a field of cell occupancies.

    The slope of ln N(s) against ln(1/s) with N(s) from `soft_box_counts`. The hard estimator
    leaves out sizes with N(s) = 0 and returns 0 with fewer than two sizes; here a size
    weighs h(N(s)), and the result h of the second largest count, with h(x) = 3x² − 2x³ on
    [0, 1] and 1 above. So counts of one box or more weigh alike, a vanishing count vanishes
    smoothly, and 0/1 occupancies give the hard D and R² exactly.

    Args:
        probabilities: Cell occupancies m in [0, 1], shape (H, W), or with one or three axes.
        sizes: Distinct box sizes in cells, static.

    Returns:
        D [-] and R² [-] in [0, 1], two scalars in the dtype of the input.

    Raises:
        ParameterError: Not a float field, or a size that is not a positive integer.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import soft_box_counting_dimension
        >>> dimension, r_squared = soft_box_counting_dimension(jnp.ones((16, 16)), (1, 2, 4))
        >>> print(f"{dimension:.2f} {r_squared:.2f}")
        2.00 1.00
    """
    return _soft_dimension(_probabilities(probabilities), sizes=check_sizes(sizes))


@partial(jax.jit, static_argnames="sizes")
def _soft_dimension(m: jax.Array, *, sizes: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    counts = _soft_counts(m, sizes=sizes)
    dtype = counts.dtype
    if len(sizes) < 2:
        return jnp.zeros((), dtype), jnp.zeros((), dtype)
    logs = -np.log(np.asarray(sizes, np.float64))
    x = jnp.asarray(logs - logs.mean(), dtype)
    # A count of eps weighs eps²: leaving it out changes nothing that the dtype can show, and
    # keeps 1/N and 1/Σ weights, whose squares enter the gradient, inside its range.
    present = counts > jnp.finfo(dtype).eps
    y = jnp.log(jnp.where(present, counts, 1))
    weights = jnp.where(present, _smooth_step(counts), 0)
    second = jnp.sort(weights)[-2]
    usable = second > 0
    weights = jnp.where(usable, weights, 1)
    weights = weights / jnp.sum(weights)
    dx = x - jnp.sum(weights * x)
    dy = y - jnp.sum(weights * y)
    sxx, sxy, syy = (jnp.sum(weights * product) for product in (dx * dx, dx * dy, dy * dy))
    gate = jnp.where(usable, second, 0)
    # Counts that are equal to rounding explain nothing, as in the hard estimator.
    varied = syy > (16 * jnp.finfo(dtype).eps) ** 2
    r_squared = sxy * sxy / (sxx * jnp.where(varied, syy, 1))
    r_squared = jnp.where(varied, jnp.clip(r_squared, 0, 1), 0)
    return gate * sxy / sxx, gate * r_squared


def _smooth_step(values: jax.Array) -> jax.Array:
    x = jnp.clip(values, 0, 1)
    return x * x * (3 - 2 * x)


def soft_euler_characteristic(probabilities: ArrayLike, *, connectivity: int = 4) -> jax.Array:
    """Expected Euler characteristic of a random mask: components minus holes.

    χ = vertices − edges + faces of the mask's cell complex. With 4-connectivity cells are the
    vertices, and products of occupancies along edges and 2 × 2 squares make the rest; with
    8-connectivity cells are closed squares, and corners and sides are soft ORs. It is a
    polynomial in the occupancies m. For 0/1 values it is the number of components in the
    given connectivity minus that of holes in the other one; it is not the component count.

    Args:
        probabilities: Cell occupancies m in [0, 1], shape (H, W), not periodic.
        connectivity: 4 or 8, static.

    Returns:
        χ [-], a scalar in the dtype of the input.

    Raises:
        ParameterError: Not a float field, or another connectivity.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import soft_euler_characteristic
        >>> ring = jnp.ones((3, 3)).at[1, 1].set(0.0)
        >>> print(f"{soft_euler_characteristic(ring):.0f}")
        0

    References:
        S. B. Gray, Local properties of binary images in two dimensions, IEEE Trans. Comput.
        C-20:551 (1971), doi:10.1109/T-C.1971.223289.
    """
    check_choice("connectivity", connectivity, CONNECTIVITIES)
    return _euler(_probabilities(probabilities, (2,)), connectivity=connectivity)


@partial(jax.jit, static_argnames="connectivity")
def _euler(m: jax.Array, *, connectivity: int) -> jax.Array:
    if connectivity == 4:
        across, down = m[:, :-1] * m[:, 1:], m[:-1] * m[1:]
        squares = across[:-1] * across[1:]
        return jnp.sum(m) - jnp.sum(across) - jnp.sum(down) + jnp.sum(squares)
    padded = jnp.pad(m, 1)
    sides_across = _soft_or(padded[:, :-1], padded[:, 1:])
    sides_down = _soft_or(padded[:-1], padded[1:])
    corners = _soft_or(sides_across[:-1], sides_across[1:])
    return jnp.sum(corners) - jnp.sum(sides_across) - jnp.sum(sides_down) + jnp.sum(m)


def _soft_or(first: jax.Array, second: jax.Array) -> jax.Array:
    return first + second * (1 - first)


def _probabilities(values: Any, ndims: tuple[int, ...] = (2, 1, 3)) -> jax.Array:
    shape, dtype = np.shape(values), getattr(values, "dtype", None)
    if dtype not in (np.float32, np.float64) or len(shape) not in ndims or 0 in shape:
        names = " or ".join(f"({AXES[ndim]})" for ndim in ndims)
        raise ParameterError(
            f"probabilities must be a float array of shape {names}, got shape {shape} and "
            f"dtype {dtype if dtype is not None else type(values).__name__}"
        )
    return jnp.asarray(values)
