"""What several models share: starts on grids of one to three axes, and a clip."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.rng import normal_field, uniform_field
from mfnjax.models.base import Values


def noisy_state(
    levels: tuple[Any, ...], grid: Grid, amplitude: float, dtype: Any, *, key: jax.Array
) -> Values:
    """Fields at constant levels, each cell with normal noise of that standard deviation.

    Args:
        levels: One number a field, in its unit.
        grid: The grid.
        amplitude: Standard deviation, in the fields' unit.
        dtype: Floating dtype; None is JAX's default.
        key: Typed key.

    Returns:
        One array of the grid's shape a field.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    keys = jax.random.split(key, len(levels))
    return tuple(
        jnp.asarray(level, dtype) + amplitude * normal_field(grid.shape, dtype, key=keys[index])
        for index, level in enumerate(levels)
    )


def from_middle(grid: Grid) -> list[np.ndarray]:
    """How far each cell is from the middle along each axis, in cells; they broadcast to a field."""
    numbers = np.indices(grid.shape, sparse=True)
    return [n - (size - 1) / 2 for n, size in zip(numbers, grid.shape, strict=True)]


def in_disc(grid: Grid) -> Any:
    """Which cells lie in a disc (or ball) in the middle, of an eighth of the least side."""
    sides = [size for size in grid.shape if size > 1] or [1]
    return sum(along * along for along in from_middle(grid)) <= max(min(sides) / 8, 1.0) ** 2


def colony(capacity: Any, grid: Grid, dtype: Any, *, key: jax.Array) -> jax.Array:
    """A disc of that level in the middle (radius an eighth of the side) on an empty plate.

    The rim is rough: each cell of the disc is occupied with a weight drawn from [½, 1).
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    weight = 0.5 + 0.5 * uniform_field(grid.shape, dtype, key=key)
    return jnp.where(in_disc(grid), jnp.asarray(capacity, dtype) * weight, jnp.zeros((), dtype))


def clip(x: jax.Array, low: Any, high: Any) -> jax.Array:
    """clip(x, low, high), whose derivative at a limit is that from inside, 1 (jnp.clip's is ½)."""
    return jnp.where(x < low, low, jnp.where(x > high, high, x))
