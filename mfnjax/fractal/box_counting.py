"""The documented box-counting estimator: grid-aligned boxes and one least-squares line.

It is biased on small fields, because a few coarse scales carry as much weight as the fine
ones. It is kept because datasets and reports are built on it; `mfnjax.fractal` has a better
estimator for people who want the number itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from mfnjax._checks import check_int, shown
from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError

_LARGEST = 2**31 - 1


@register_pytree
@dataclasses.dataclass(frozen=True, eq=False)
class BoxCounting:
    """A box count and the line fitted to it.

    Attributes:
        dimension: Slope of ln N(s) against ln(1/s) [-], a scalar.
        r_squared: R² of that line [-], in [0, 1], a scalar.
        sizes: Box sizes s [cells], static.
        counts: Occupied boxes N(s) [count], shape (len(sizes),), int32.
    """

    dimension: jax.Array
    r_squared: jax.Array
    sizes: tuple[int, ...] = dataclasses.field(metadata={"static": True})
    counts: jax.Array


def box_sizes(
    n: int, *, min_box_size: int = 2, max_box_size: int | None = None, num_scales: int = 5
) -> tuple[int, ...]:
    """Return the documented box sizes, geometric from the smallest to the largest.

    s_j = ⌊m·(M/m)^(j/(k−1)) + 1e-9⌋ for j = 0 … k−1 in float64, duplicates dropped, with
    m = `min_box_size`, k = `num_scales` and M = `max_box_size`, by default
    min(m·2^(k−1), n // 2) and at least m. The 1e-9 keeps 2·16^(2/4) at 8, where
    ``numpy.geomspace(2, 32, 5).astype(int)`` gives 7.

    Args:
        n: Shorter side of the field, cells, ≥ 1.
        min_box_size: Smallest box m, cells, ≥ 1.
        max_box_size: Largest box M, cells, ≥ m; None lets the field decide.
        num_scales: Number of scales k, ≥ 2.

    Returns:
        Rising box sizes in cells, at most `num_scales` of them.

    Raises:
        ParameterError: A value is not an integer or lies outside its range.

    Examples:
        >>> from mfnjax.fractal import box_sizes
        >>> box_sizes(64)
        (2, 4, 8, 16, 32)
        >>> box_sizes(32, num_scales=3)
        (2, 4, 8)
        >>> box_sizes(5)
        (2,)
    """
    n = check_int("n", n, 1, _LARGEST)
    smallest = check_int("min_box_size", min_box_size, 1, _LARGEST)
    scales = check_int("num_scales", num_scales, 2, 1000)
    if max_box_size is None:
        # The power is a Python integer: it cannot overflow, whatever the number of scales.
        largest = max(smallest, min(smallest * 2 ** (scales - 1), n // 2))
    else:
        largest = check_int("max_box_size", max_box_size, smallest, _LARGEST)
    ratio = largest / smallest
    sizes = (math.floor(smallest * ratio ** (j / (scales - 1)) + 1e-9) for j in range(scales))
    return tuple(dict.fromkeys(sizes))


def image_array(name: str, values: Any) -> jax.Array:
    """An image (H, W) of numbers or booleans as an array, or a ParameterError."""
    try:
        array = jnp.asarray(values)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be an image (H, W), got {shown(values)}") from None
    if array.ndim != 2 or array.size == 0:
        raise ParameterError(f"{name} must have two axes (H, W), got shape {array.shape}")
    return array


def check_sizes(sizes: Iterable[int]) -> tuple[int, ...]:
    """Return explicit box sizes as a tuple of distinct positive ints, or raise ParameterError."""
    try:
        items = tuple(sizes)
    except TypeError:
        raise ParameterError(f"sizes must be a list of box sizes in cells, got {sizes!r}") from None
    checked = tuple(check_int("sizes", size, 1, _LARGEST) for size in items)
    if not checked or len(set(checked)) != len(checked):
        raise ParameterError(f"sizes must be one or more distinct box sizes, got {items!r}")
    return checked


def box_counts(mask: ArrayLike, sizes: Iterable[int]) -> jax.Array:
    """Count the boxes of each size that hold at least one set cell.

    For a size s, rows and columns are each cut to their largest multiple of s (the top-left
    corner stays) and tiled by s × s boxes. A size over min(H, W) has no box and counts 0. In one
    and three dimensions boxes are intervals and cubes.

    Args:
        mask: Boolean image, shape (H, W), or a mask with one or three axes.
        sizes: Distinct box sizes in cells, in any order; static under jit.

    Returns:
        N(s), shape (len(sizes),), int32 [count].

    Raises:
        ParameterError: `mask` is not a boolean image, or a size is not a positive integer.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fractal import box_counts
        >>> box_counts(jnp.eye(8, dtype=bool), (1, 2, 4, 16)).tolist()
        [8, 4, 2, 0]
    """
    sizes = check_sizes(sizes)
    _check_mask(mask)
    return _box_counts(mask, sizes=sizes)


@partial(jax.jit, static_argnames="sizes")
def _box_counts(mask: jax.Array, *, sizes: tuple[int, ...]) -> jax.Array:
    shorter = min(mask.shape)
    occupied: dict[int, jax.Array] = {1: mask}
    counts: dict[int, jax.Array | int] = {}
    for size in sorted(sizes):
        if size > shorter:
            counts[size] = jnp.int32(0)
            continue
        # A box of size s holds exactly the boxes of any divisor of s inside it, cut edges
        # included, so each size is pooled from the largest divisor that is already there.
        divisor = max(known for known in occupied if size % known == 0)
        occupied[size] = _pool(occupied[divisor], size // divisor)
        counts[size] = jnp.sum(occupied[size], dtype=jnp.int32)
    return jnp.stack([jnp.asarray(counts[size]) for size in sizes])


def _pool(occupied: jax.Array, factor: int) -> jax.Array:
    """Logical OR over tiles of that many cells a side; the incomplete ones at the end are cut."""
    if factor == 1:
        return occupied
    for axis, side in enumerate(occupied.shape):
        tiles = side // factor
        kept = jax.lax.slice_in_dim(occupied, 0, tiles * factor, axis=axis)
        shape = (*kept.shape[:axis], tiles, factor, *kept.shape[axis + 1 :])
        occupied = kept.reshape(shape).any(axis=axis + 1)
    return occupied


def box_counting_dimension(
    mask: ArrayLike,
    *,
    sizes: Iterable[int] | None = None,
    min_box_size: int = 2,
    max_box_size: int | None = None,
    num_scales: int = 5,
) -> BoxCounting:
    """Estimate the box-counting dimension of a mask, the documented way.

    D is the least-squares slope of ln N(s) against ln(1/s) over the sizes with N(s) > 0. With
    fewer than two such sizes D = R² = 0. R² is also 0 where all counts are equal: there is no
    variance to explain. The result is piecewise constant in the field behind the mask, so it
    has no useful gradient; see `mfnjax.features.soft_box_counting_dimension`.

    Args:
        mask: Boolean image, shape (H, W), or a mask with one or three axes.
        sizes: Explicit box sizes in cells; None takes `box_sizes` of the shorter side.
        min_box_size: Smallest box, cells (without `sizes`).
        max_box_size: Largest box, cells (without `sizes`); None lets the field decide.
        num_scales: Number of scales (without `sizes`).

    Returns:
        Dimension [-], R² [-], sizes [cells] and counts, in JAX's default float type.

    Raises:
        ParameterError: `mask` is not a boolean image, or a size is not accepted.

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.fractal import box_counting_dimension
        >>> result = box_counting_dimension(jnp.ones((64, 64), bool))
        >>> result.counts.tolist(), round(float(result.dimension), 3)
        ([1024, 256, 64, 16, 4], 2.0)

    References:
        K. Falconer, Fractal Geometry, 3rd ed., 2014, chapter 2, doi:10.1002/0470013850.
    """
    _check_mask(mask)
    if sizes is None:
        chosen = box_sizes(
            min(np.shape(mask)),
            min_box_size=min_box_size,
            max_box_size=max_box_size,
            num_scales=num_scales,
        )
    else:
        chosen = check_sizes(sizes)
    counts = _box_counts(mask, sizes=chosen)
    dimension, r_squared = fit_box_counts(counts, chosen, jnp.zeros(()).dtype)
    return BoxCounting(dimension, r_squared, chosen, counts)


@partial(jax.jit, static_argnames=("sizes", "dtype"))
def fit_box_counts(
    counts: jax.Array, sizes: tuple[int, ...], dtype: Any
) -> tuple[jax.Array, jax.Array]:
    """Fit ln N(s) against ln(1/s) over the sizes with N(s) > 0.

    Args:
        counts: N(s), shape (K,), int32.
        sizes: The K box sizes in cells, static.
        dtype: Float type of the result, static.

    Returns:
        Slope D and R² in [0, 1], two scalars of `dtype`.
    """
    logs = -np.log(np.asarray(sizes, np.float64))
    x = jnp.asarray(logs - logs.mean(), dtype)
    used = counts > 0
    enough = jnp.sum(used, dtype=jnp.int32) >= 2
    y = _log_ratio(counts, jnp.max(counts), dtype)
    number = jnp.maximum(jnp.sum(used, dtype=jnp.int32), 1).astype(dtype)
    zero = jnp.zeros((), dtype)
    dx = jnp.where(used, x - jnp.sum(jnp.where(used, x, zero)) / number, zero)
    dy = jnp.where(used, y - jnp.sum(jnp.where(used, y, zero)) / number, zero)
    sxx, sxy, syy = jnp.sum(dx * dx), jnp.sum(dx * dy), jnp.sum(dy * dy)
    slope = jnp.where(enough, sxy / jnp.where(enough, sxx, 1), zero)
    explained = enough & (syy > 0)
    r_squared = (sxy / jnp.where(explained, sxx, 1)) * (sxy / jnp.where(explained, syy, 1))
    return slope, jnp.where(explained, jnp.clip(r_squared, 0, 1), zero)


def _log_ratio(counts: jax.Array, largest: jax.Array, dtype: Any) -> jax.Array:
    """ln(N / N_max), accurate in float32 also where the counts are large and nearly equal."""
    reference = jnp.maximum(largest, 1)
    counts = jnp.where(counts > 0, counts, reference)
    change = (counts - reference).astype(dtype) / reference.astype(dtype)
    near = change > -0.5
    far = jnp.log(counts.astype(dtype)) - jnp.log(reference.astype(dtype))
    return jnp.where(near, jnp.log1p(jnp.where(near, change, 0)), far)


def _check_mask(mask: Any) -> None:
    shape, dtype = getattr(mask, "shape", ()), getattr(mask, "dtype", None)
    if dtype is None or dtype != np.bool_ or not 1 <= len(shape) <= 3 or 0 in shape:
        raise ParameterError(
            f"mask must be a boolean array of shape (H, W), (W,) or (D, H, W), got shape {shape} "
            f"and dtype {dtype if dtype is not None else type(mask).__name__}"
        )
