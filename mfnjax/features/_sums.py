"""Sums in a fixed order: accurate in float32, and the same bits in every program.

A plain ``jnp.sum`` adds a million cells one after the other, which costs float32 four digits,
and XLA may choose another order in another program. Here the order belongs to the shape alone,
so a padded and an unpadded history give the same bits.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

_LONGEST = 64


def cell_sum(values: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Weighted sum over all cells, never more than about 64 terms (√H, √W, …) in one chain."""
    if weights is not None:
        values = weights * values
    # The barriers keep XLA from merging the stages back into one long chain.
    for _ in range(values.ndim - 1):
        values = lax.optimization_barrier(_leading_sum(values))
    return _leading_sum(values)


def cell_mean(values: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Weighted mean over all cells, by `cell_sum`."""
    return cell_sum(values, weights) / (values.size if weights is None else cell_sum(weights))


def fill_outside(field: jax.Array, weights: jax.Array | None) -> jax.Array:
    """Give the cells of weight 0 the value of the first other one, so that extrema pass them by."""
    if weights is None:
        return field
    inside = weights > 0
    return jnp.where(inside, field, field.reshape(-1)[jnp.argmax(inside)])


def _leading_sum(values: jax.Array) -> jax.Array:
    length = values.shape[0]
    if length > _LONGEST:
        chain = math.isqrt(length - 1) + 1
        missing = -length % chain
        widths = [(0, missing)] + [(0, 0)] * (values.ndim - 1)
        blocks = jnp.pad(values, widths).reshape(-1, chain, *values.shape[1:])
        values = lax.optimization_barrier(jnp.sum(blocks, axis=0))
    return jnp.sum(values, axis=0)


def compensated_add(
    total: tuple[jax.Array, jax.Array], term: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Add `term` to a running (sum, lost digits) pair, after Neumaier (1974).

    The sum is ``total[0] + total[1]`` at the end; its error does not grow with the number of
    terms, so thousands of steps in float32 keep their digits.
    """
    high, low = total
    new = high + term
    lost = jnp.where(jnp.abs(high) >= jnp.abs(term), (high - new) + term, (term - new) + high)
    return new, low + lost
