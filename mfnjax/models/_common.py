"""What several models share: noise about a state, and a clip with one derivative."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mfnjax.core.grid import Grid
from mfnjax.core.rng import normal_field
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
        One array (H, W) a field.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    keys = jax.random.split(key, len(levels))
    return tuple(
        jnp.asarray(level, dtype) + amplitude * normal_field(grid.shape, dtype, key=keys[index])
        for index, level in enumerate(levels)
    )


def clip(x: jax.Array, low: Any, high: Any) -> jax.Array:
    """clip(x, low, high), whose derivative at a limit is that from inside, 1 (jnp.clip's is ½)."""
    return jnp.where(x < low, low, jnp.where(x > high, high, x))
