"""Order statistics of columns by bisection on the bits of a float.

A sort of every column is the price of a coordinate median, and XLA's sort on a CPU takes seconds
for 1000 × 10⁴. The k-th smallest value alone needs no sort: floats order like integers once
their bits are read as such, so each bit of the answer is settled by one count of the values
below a trial. 32 vectorised passes over a block that stays in cache are 6–10 times faster.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

COLUMN_BLOCK = 1024
"""Columns handled at a time: 1000 clients × 1024 float32 columns are 4 MB, about one cache."""


def ordered_keys(x: Array) -> Array:
    """Integers that compare as the floats do (−0 just below +0); own inverse: see `from_keys`."""
    bits = lax.bitcast_convert_type(x, _int_dtype(x.dtype))
    return _flip_negative(bits)


def from_keys(keys: Array, dtype: jnp.dtype) -> Array:
    """The floats whose `ordered_keys` are ``keys``."""
    return lax.bitcast_convert_type(_flip_negative(keys), dtype)


def _int_dtype(dtype: jnp.dtype) -> jnp.dtype:
    return jnp.dtype(jnp.int64 if jnp.dtype(dtype).itemsize == 8 else jnp.int32)


def _flip_negative(bits: Array) -> Array:
    """Reverse the order of the negative half: their magnitude bits are complemented."""
    info = jnp.iinfo(bits.dtype)
    sign = lax.shift_right_arithmetic(bits, jnp.asarray(info.bits - 1, bits.dtype))
    return bits ^ (sign & jnp.asarray(info.max, bits.dtype))


def kth_key(keys: Array, rank: Array) -> Array:
    """The key at 0-based ``rank`` of each column.

    Args:
        keys: (n, columns), from `ordered_keys`.
        rank: scalar or (columns,), int32, from 0 to n − 1; may be traced.

    Returns:
        (columns,) keys.
    """
    info = jnp.iinfo(keys.dtype)
    low = jnp.full(keys.shape[1:], info.min, keys.dtype)

    def settle(bit: Array, low: Array) -> Array:
        # The first trial is info.min + 2^(bits−1) = 0: the addition wraps, as it should.
        step = lax.shift_left(jnp.ones((), keys.dtype), (info.bits - 1 - bit).astype(keys.dtype))
        trial = low + step
        below = jnp.sum(keys < trial, axis=0, dtype=jnp.int32)
        return jnp.where(below <= rank, trial, low)

    return lax.fori_loop(jnp.int32(0), jnp.int32(info.bits), settle, low)


def kth_smallest(x: Array, rank: Array | int) -> Array:
    """The value at 0-based ``rank`` of each column of (n, columns): exact, no rounding.

    Examples:
        >>> import jax.numpy as jnp
        >>> kth_smallest(jnp.array([[3.0, 1.0], [1.0, 5.0], [2.0, -4.0]]), 1).tolist()
        [2.0, 1.0]
    """
    rank = jnp.asarray(rank, jnp.int32)
    return from_keys(kth_key(ordered_keys(x), rank), x.dtype)


def _keys_of(x: Array, keep: Array) -> Array:
    """Keys with the rows outside ``keep`` (n,) moved behind every number."""
    keys = ordered_keys(x)
    return jnp.where(keep[:, None], keys, jnp.iinfo(keys.dtype).max)


def median(x: Array, keep: Array) -> Array:
    """Median over the rows in ``keep`` of each column of (n, columns)."""
    keys = _keys_of(x, keep)
    count = jnp.sum(keep, dtype=jnp.int32)
    upper_rank = count // 2
    low = kth_key(keys, jnp.maximum(count - 1, 0) // 2)
    up_to_low = jnp.sum(keys <= low, axis=0, dtype=jnp.int32)
    above = jnp.min(jnp.where(keys > low, keys, jnp.iinfo(keys.dtype).max), axis=0)
    high = jnp.where(up_to_low > upper_rank, low, above)
    # Halves first: the sum of two large values of one sign would overflow.
    return 0.5 * from_keys(low, x.dtype) + 0.5 * from_keys(high, x.dtype)


def lower_median(x: Array, keep: Array) -> Array:
    """The lower of the two middle values: one selection, and a value that really occurs."""
    count = jnp.sum(keep, dtype=jnp.int32)
    return from_keys(kth_key(_keys_of(x, keep), jnp.maximum(count - 1, 0) // 2), x.dtype)


def trimmed_mean(x: Array, keep: Array, trim: Array) -> Array:
    """Mean of each column over ``keep`` without its ``trim`` smallest and largest values.

    Sums are taken of differences to the smallest kept value, so that a large common offset
    costs no digits.
    """
    keys = _keys_of(x, keep)
    count = jnp.sum(keep, dtype=jnp.int32)
    low_key = kth_key(keys, trim)
    high_key = kth_key(keys, jnp.maximum(count - 1 - trim, 0))
    low, high = from_keys(low_key, x.dtype), from_keys(high_key, x.dtype)
    between = (keys > low_key) & (keys < high_key)
    total = jnp.sum(jnp.where(between, x - low, 0), axis=0)
    at_high = count - trim - jnp.sum(keys < high_key, axis=0, dtype=jnp.int32)
    kept = jnp.maximum(count - 2 * trim, 1).astype(x.dtype)
    excess = jnp.where(high_key > low_key, at_high.astype(x.dtype) * (high - low), 0)
    return low + (total + excess) / kept


def mean_around_median(x: Array, keep: Array, number: int) -> Array:
    """Mean of the ``number`` values in ``keep`` nearest to the median, column by column.

    Values tied for the last places share them equally, which makes the result independent of
    the order of the clients.
    """
    centre = median(x, keep)
    offset = jnp.where(keep[:, None], x - centre, 0)
    keys = _keys_of(jnp.abs(offset), keep)
    last = kth_key(keys, jnp.asarray(number - 1, jnp.int32))
    inside, tied = keys < last, (keys == last) & keep[:, None]
    places = (number - jnp.sum(inside, axis=0, dtype=jnp.int32)).astype(x.dtype)
    mean_tied = jnp.sum(jnp.where(tied, offset, 0), axis=0) / jnp.maximum(
        jnp.sum(tied, axis=0, dtype=jnp.int32), 1
    ).astype(x.dtype)
    return centre + (jnp.sum(jnp.where(inside, offset, 0), axis=0) + places * mean_tied) / number


def map_columns(function: Callable[[Array], Array], x: Array, block: int = COLUMN_BLOCK) -> Array:
    """Apply ``function`` (n, b) → (b,) to blocks of columns of (n, d); memory of one block.

    The last block is moved left to fit, so some columns may be computed twice; nothing is
    padded and the big array is never copied.
    """
    n, d = x.shape
    if d <= block:
        return function(x)

    def write(i: Array, out: Array) -> Array:
        i = jnp.asarray(i, jnp.int32)  # x64 mode counts a loop of known length in int64
        start = jnp.minimum(i * block, d - block)
        values = function(lax.dynamic_slice(x, (jnp.int32(0), start), (n, block)))
        return lax.dynamic_update_slice(out, values, (start,))

    out = jnp.zeros((d,), jax.eval_shape(function, x[:, :block]).dtype)
    return lax.fori_loop(jnp.int32(0), jnp.int32(-(-d // block)), write, out)
