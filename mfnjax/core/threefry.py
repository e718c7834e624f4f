"""`jax.random.fold_in` and `jax.random.uniform` as straight-line code, with the same numbers.

For a CPU, JAX compiles the Threefry hash as a loop, some eighty kernels a call. For the few numbers
of a step that is too many: to start a kernel takes longer than they do, and of many kernels XLA
hands some to another thread (``docs/speed.md``). Written out, the hash is one kernel.

A key of another kind, another dtype, or JAX's older order of numbers goes to `jax.random`.

Source: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11 (2011),
doi:10.1145/2063384.2063405 (Threefry-2×32, 20 rounds).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_PARITY = np.uint32(0x1BD11BDA)
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))

Words = tuple[jax.Array, jax.Array]


def fold_in(key: jax.Array, number: Any) -> jax.Array:
    """`jax.random.fold_in`: the key of stream ``number`` of a key.

    Args:
        key: Typed key, a scalar.
        number: An integer from 0 to 2³² − 1, traced.

    Examples:
        >>> import jax
        >>> key = jax.random.key(0)
        >>> bool(fold_in(key, 3) == jax.random.fold_in(key, 3))
        True
    """
    if not _is_threefry(key):
        return jax.random.fold_in(key, number)
    words = _hash(key, jnp.uint32(number))
    # The barrier: fused into its readers, the hash would be computed by each of them.
    data = lax.optimization_barrier(jnp.stack(words))
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(key))


def uniform(key: jax.Array, count: int, dtype: Any) -> jax.Array:
    """`jax.random.uniform`: numbers uniform on [0, 1).

    Args:
        key: Typed key, a scalar.
        count: How many.
        dtype: Floating dtype of the result.

    Returns:
        An array (count,).

    Examples:
        >>> import jax
        >>> key = jax.random.key(0)
        >>> bool((uniform(key, 5, "float32") == jax.random.uniform(key, (5,), "float32")).all())
        True
    """
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    is_known = dtype in (jnp.float32, jnp.float64)
    is_split = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    if not (is_known and is_split and _is_threefry(key)):
        return jax.random.uniform(key, (count,), dtype)
    first, second = _hash(key, jnp.arange(count, dtype=jnp.uint32))
    if dtype == jnp.float32:
        bits = first ^ second
    else:
        bits = (first.astype(jnp.uint64) << np.uint64(32)) | second.astype(jnp.uint64)
    # The highest bits become the mantissa of a number in [1, 2).
    one = np.ones((), dtype).view(bits.dtype)
    spare = np.array(8 * dtype.itemsize - jnp.finfo(dtype).nmant, bits.dtype)
    bits = (bits >> spare) | one
    return lax.bitcast_convert_type(bits, dtype) - 1


def _is_threefry(key: jax.Array) -> bool:
    return str(jax.random.key_impl(key)) == "threefry2x32"


def _hash(key: jax.Array, numbers: jax.Array) -> Words:
    """The hash of the words (0, n), for each n."""
    return _threefry(jax.random.key_data(key), jnp.zeros_like(numbers), numbers)


@jax.jit
def _threefry(key: jax.Array, first: jax.Array, second: jax.Array) -> Words:
    """Threefry-2×32 of the words (first, second): additions, rotations, exclusive ors mod 2³²."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    first, second = first + keys[0], second + keys[1]
    for turn in range(5):
        for rotation in _ROTATIONS[turn % 2]:
            first = first + second
            left, right = np.uint32(rotation), np.uint32(32 - rotation)
            second = first ^ ((second << left) | (second >> right))
        first = first + keys[(turn + 1) % 3]
        second = second + keys[(turn + 2) % 3] + np.uint32(turn + 1)
    return first, second
