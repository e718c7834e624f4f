"""Sparse attention: each query looks at its few best keys only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from mfnjax._checks import check_int

DIM_MAX = 2**20


def keep_largest(scores: Array, topk: int) -> Array:
    """Mask of the ``topk`` largest entries along the last axis; ties go to the lower index.

    No scatter and no gather: the kept entries are those above the k-th largest, and those equal
    to it up to the place where it was found (`lax.top_k` finds equal entries in order).

    Args:
        scores: (…, n).
        topk: From 1 to n, static.

    Returns:
        bool (…, n), ``topk`` True in every row without a NaN.
    """
    values, places = lax.top_k(scores, topk)
    least, last = values[..., -1:], places[..., -1:]
    index = lax.broadcasted_iota(places.dtype, scores.shape, scores.ndim - 1)
    return (scores > least) | ((scores == least) & (index <= last))


def sparse_attention(q: Array, k: Array, v: Array, *, topk: int) -> Array:
    """softmax over the ``topk`` largest of q·kᵀ/√d per query, times v.

    With ``topk`` ≥ n it is full attention. Discarded keys get no gradient; the choice itself has
    none (it is piecewise constant).

    Args:
        q: Queries (…, m, d).
        k: Keys (…, n, d).
        v: Values (…, n, e).
        topk: Keys per query, ≥ 1, static; at most n are used.

    Returns:
        (…, m, e).

    Raises:
        ParameterError: ``topk`` < 1.

    Examples:
        >>> import jax.numpy as jnp
        >>> q = jnp.ones((1, 1)); k = jnp.array([[0.0], [9.0], [9.0]])
        >>> v = jnp.array([[5.0], [1.0], [3.0]])
        >>> float(sparse_attention(q, k, v, topk=1)[0, 0])
        1.0
        >>> float(sparse_attention(q, k, v, topk=2)[0, 0])
        2.0

    Source: Vaswani et al., NeurIPS 2017, arXiv:1706.03762; top-k selection: Gupta et al. 2021,
    arXiv:2106.06899.
    """
    check_int("topk", topk, 1, DIM_MAX)
    n = k.shape[-2]
    if n == 1:
        # A softmax over one score is 1 whatever the score: q and k have no say, and no gradient.
        return jnp.broadcast_to(v, (*q.shape[:-1], v.shape[-1]))
    scores = jnp.matmul(q, jnp.swapaxes(k, -1, -2)) / jnp.asarray(q.shape[-1] ** 0.5, q.dtype)
    if topk < n:
        scores = jnp.where(keep_largest(scores, topk), scores, -jnp.inf)
    return jnp.matmul(jax.nn.softmax(scores, axis=-1), v)


class SparseAttention(nnx.Module):
    """Self-attention with q, k, v and out projections, over the ``topk`` best keys per query.

    Args:
        embed_dim: Width of the sequence's vectors, ≥ 1.
        num_heads: Heads, ≥ 1, dividing ``embed_dim``.
        topk: Keys per query, ≥ 1 (at most the length of the sequence are used).
        param_dtype: Dtype of the weights.
        rngs: Flax's random streams.

    Raises:
        ParameterError: A number is out of range or the heads do not divide the width.
    """

    def __init__(
        self,
        embed_dim: int,
        *,
        num_heads: int = 1,
        topk: int = 4,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ) -> None:
        check_attention(embed_dim, num_heads, topk)
        self.num_heads = num_heads
        self.topk = topk
        self.query, self.key, self.value, self.out = (
            nnx.Linear(embed_dim, embed_dim, param_dtype=param_dtype, rngs=rngs) for _ in range(4)
        )

    def __call__(self, x: Array) -> Array:
        """(…, seq, embed_dim) → (…, seq, embed_dim)."""
        if x.shape[-2] == 1:
            return self.out(self.value(x))
        parts = [self._split(layer(x)) for layer in (self.query, self.key, self.value)]
        mixed = jnp.swapaxes(sparse_attention(*parts, topk=self.topk), -2, -3)
        return self.out(jnp.reshape(mixed, x.shape))

    def _split(self, x: Array) -> Array:
        heads = jnp.reshape(x, (*x.shape[:-1], self.num_heads, x.shape[-1] // self.num_heads))
        return jnp.swapaxes(heads, -2, -3)


def check_attention(embed_dim: int, num_heads: int, topk: int) -> None:
    """Raise ParameterError unless the sizes make a `SparseAttention`."""
    from mfnjax.errors import ParameterError

    check_int("embed_dim", embed_dim, 1, DIM_MAX)
    check_int("num_heads", num_heads, 1, DIM_MAX)
    check_int("topk", topk, 1, DIM_MAX)
    if embed_dim % num_heads:
        raise ParameterError(
            f"num_heads must divide embed_dim, got num_heads = {num_heads} and "
            f"embed_dim = {embed_dim}"
        )
