"""Random fields whose cells do not know how large the grid is.

Cell (z, r, c) of a random field depends on (key, z, r, c) alone: the key of row r is
``fold_in(key, r)``, and column c is the c-th draw of that row's stream (JAX's partitionable
Threefry, the default, is prefix-stable). So a grid padded to a larger shape, as a server or a
batch pads it, holds the same numbers in its cells as the grid alone; and so do grids of fewer
axes: (W,) is row 0 of (H, W), which is plane 0 of (D, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mfnjax._checks import counted_key

_PLANES = 2**32 - 1
"""The stream from which the keys of the planes z ≥ 1 come: no row has this number."""


def _draw(
    cells: Callable[[jax.Array, tuple[int, ...]], jax.Array], shape: tuple[int, ...], key: jax.Array
) -> jax.Array:
    if len(shape) == 1:
        return cells(jax.random.fold_in(key, 0), shape)
    if len(shape) == 3:
        others = _keys(jax.random.fold_in(key, _PLANES), jnp.arange(1, shape[0]))
        planes = jnp.concatenate([key[None], others])
        return jax.vmap(lambda plane: _draw(cells, shape[1:], plane))(planes)
    return jax.vmap(lambda row: cells(row, shape[1:]))(_keys(key, jnp.arange(shape[0])))


def _keys(key: jax.Array, numbers: jax.Array) -> jax.Array:
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)


def normal_field(shape: tuple[int, ...], dtype: Any, *, key: jax.Array) -> jax.Array:
    """Independent standard normal cells, in one to three axes."""
    return _draw(lambda k, row: jax.random.normal(k, row, dtype), shape, counted_key(key))


def uniform_field(shape: tuple[int, ...], dtype: Any, *, key: jax.Array) -> jax.Array:
    """Independent cells uniform on [0, 1), in one to three axes."""
    return _draw(lambda k, row: jax.random.uniform(k, row, dtype), shape, counted_key(key))
