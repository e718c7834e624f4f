"""Random fields whose cells do not know how large the grid is.

Cell (r, c) of a random field depends on (key, r, c) alone: the key of row r is
``fold_in(key, r)``, and column c is the c-th draw of that row's stream (JAX's partitionable
Threefry, the default, is prefix-stable). So a grid padded to a larger shape, as a server or a
batch pads it, holds the same numbers in its cells as the grid alone.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def _row_keys(shape: tuple[int, ...], key: jax.Array) -> jax.Array:
    return jax.vmap(lambda row: jax.random.fold_in(key, row))(jnp.arange(shape[0]))


def normal_field(shape: tuple[int, ...], dtype: Any, *, key: jax.Array) -> jax.Array:
    """Independent standard normal cells, (H, W)."""
    draw = jax.vmap(lambda k: jax.random.normal(k, shape[1:], dtype))
    return draw(_row_keys(shape, key))


def uniform_field(shape: tuple[int, ...], dtype: Any, *, key: jax.Array) -> jax.Array:
    """Independent cells uniform on [0, 1), (H, W)."""
    draw = jax.vmap(lambda k: jax.random.uniform(k, shape[1:], dtype))
    return draw(_row_keys(shape, key))
