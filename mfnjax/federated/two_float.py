"""Sums of squares to twice the working precision, from float32 operations alone.

A number is a pair (high, low) with high = fl(high + low). JAX has no float64 unless it is
switched on for the whole program, and a choice between two nearly tied clients needs more
digits than float32 has.

Source: T. J. Dekker, "A floating-point technique for extending the available precision",
Numerische Mathematik 18 (1971), doi:10.1007/BF01397083; D. E. Knuth, TAOCP vol. 2 (two-sum).
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from mfnjax.federated.order_statistics import COLUMN_BLOCK


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """(s, e) with s = fl(a + b) and s + e = a + b exactly (no overflow)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def split(a: Array) -> tuple[Array, Array]:
    """(high, low) float32 with a = high + low, each of at most 12 significant bits.

    By masking bits: high², high·low and low² are then exact in float32. Dekker's product would
    not do: compilers fuse a product into the addition after it (FMA), and the rounding error,
    no longer made there, would be added all the same. Fusing an exact product changes nothing.
    """
    bits = lax.bitcast_convert_type(a, jnp.int32) & jnp.int32(-(1 << 12))
    high = lax.bitcast_convert_type(bits, jnp.float32)
    return high, a - high


def sum_pairs(high: Array, low: Array) -> tuple[Array, Array]:
    """Sum of (n, m) pairs over the last axis, as a normalised pair of (n,) arrays."""
    width = high.shape[-1]
    size = 1 << max(width - 1, 0).bit_length()
    pad = [(0, 0)] * (high.ndim - 1) + [(0, size - width)]
    high, low = jnp.pad(high, pad), jnp.pad(low, pad)
    while size > 1:
        size //= 2
        total, error = two_sum(high[..., :size], high[..., size:])
        high, low = total, low[..., :size] + low[..., size:] + error
    return two_sum(high[..., 0], low[..., 0])


def squared_distances(x: Array, row: Array, scale: Array) -> tuple[Array, Array]:
    """‖(x_j − row)·scale‖² for each row j of float32 (n, d), as a pair of (n,) arrays.

    ``scale`` is a power of two, so that multiplying by it is exact. A distance that overflows
    or meets a NaN is +inf.
    """
    n, d = x.shape
    block = min(d, COLUMN_BLOCK)

    def add(i: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        total, rest = sums
        i = jnp.asarray(i, jnp.int32)  # x64 mode counts a loop of known length in int64
        start = jnp.minimum(i * block, d - block)
        rows = lax.dynamic_slice(x, (jnp.int32(0), start), (n, block)) * scale
        own = lax.dynamic_slice(row, (start,), (block,)) * scale
        fresh = start + jnp.arange(block, dtype=jnp.int32) >= i * block
        difference, error = two_sum(rows, -own[None])
        difference = jnp.where(fresh, difference, 0)
        high, low = split(difference)
        total, first = two_sum(total, high * high)
        total, second = two_sum(total, 2 * high * low)
        small = low * low + 2 * difference * jnp.where(fresh, error, 0)
        return total, rest + (first + second + small)

    zeros = jnp.zeros((n, block), x.dtype)
    blocks = jnp.int32(-(-d // block))
    high, low = sum_pairs(*lax.fori_loop(jnp.int32(0), blocks, add, (zeros, zeros)))
    bad = jnp.isnan(high) | jnp.isnan(low)
    return jnp.where(bad, jnp.inf, high), jnp.where(bad, 0, low)
