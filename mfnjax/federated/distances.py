"""Squared distances between clients, and Krum's scores, without cancellation.

‖x − y‖² = ‖x‖² + ‖y‖² − 2x·y is one matrix product, but loses everything when the vectors
share a large offset. Subtracting the coordinate-wise lower median first leaves vectors as
small as the honest spread: fewer than half of the clients cannot move a median outside the
honest values, so no hostile vector can spoil the honest distances either, as it could by
dragging a mean. Subtracting neighbours of similar size is exact in floating point.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jax import Array, lax

from mfnjax.core.pytree import register_pytree
from mfnjax.federated.order_statistics import (
    from_keys,
    kth_key,
    lower_median,
    map_columns,
    ordered_keys,
)
from mfnjax.federated.two_float import squared_distances, sum_pairs, two_sum

GRAM_BLOCK = 512
"""Columns per matrix product; partial products are added with compensation. XLA's float32
product on a CPU adds its terms one by one: on data of a coarse grid (a small spread on a large
offset) sums of 4096 terms came out 1.5e-5 too small."""

ERROR_UNITS = 64.0
"""Bound of the error of a squared distance, in units of eps·(‖x‖² + ‖y‖²). Measured errors stay
under a third of it (a test watches); scores nearer than that are settled in twice the
precision."""

MAX_CANDIDATES = 16
"""Nearly tied clients that are settled exactly. More than that are ties by construction."""


@register_pytree
@dataclasses.dataclass(frozen=True)
class Distances:
    """Squared distances of n clients, in units of 1/scale².

    Attributes:
        squared: (n, n), 0 on the diagonal, +inf to and from a quarantined client.
        norms: (n,) squared norms of the centred vectors; they bound the rounding error.
        scale: power of two that the vectors were multiplied by, so that neither tiny nor
            huge spreads leave the range of float32 when squared.
    """

    squared: Array
    norms: Array
    scale: Array


def finite_rows(x: Array) -> Array:
    """(n,) bool: every coordinate of the client's vector is a number."""
    return jnp.all(jnp.isfinite(x), axis=1)


def robust_scale(x: Array, centre: Array, keep: Array) -> Array:
    """Power of two near 1 / (median over clients of max |x − centre|); 1 where that is 0."""
    reach = jnp.max(jnp.abs(x - centre), axis=1)
    middle = lower_median(reach[:, None], keep)[0]
    _, exponent = jnp.frexp(jnp.where((middle > 0) & jnp.isfinite(middle), middle, 1))
    limit = jnp.finfo(x.dtype).maxexp - 2
    power = -jnp.clip(exponent, -limit, limit)
    return jnp.ldexp(jnp.ones((), x.dtype), power)


def pairwise_distances(x: Array, keep: Array) -> Distances:
    """Squared distances between the rows of (n, d) in the memory of a few blocks.

    Args:
        x: (n, d) vectors; rows outside ``keep`` may hold anything.
        keep: (n,) bool, the rows that count.

    Returns:
        `Distances`; relative error of an honest entry a few eps.
    """
    n, d = x.shape
    centre = map_columns(lambda block: lower_median(block, keep), x)
    scale = robust_scale(x, centre, keep)
    block = min(d, GRAM_BLOCK)

    def add(i: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
        total, rest = sums
        i = jnp.asarray(i, jnp.int32)  # x64 mode counts a loop of known length in int64
        start = jnp.minimum(i * block, d - block)
        rows = lax.dynamic_slice(x, (jnp.int32(0), start), (n, block))
        middle = lax.dynamic_slice(centre, (start,), (block,))
        # The last block is moved left to fit; columns already counted are zeroed.
        fresh = start + jnp.arange(block, dtype=jnp.int32) >= i * block
        y = jnp.where(keep[:, None] & fresh, (rows - middle) * scale, 0)
        product = jnp.matmul(y, y.T, precision=lax.Precision.HIGHEST)
        total, carry = two_sum(total, product)
        return total, rest + carry

    zeros = jnp.zeros((n, n), x.dtype)
    if block == d:
        gram, _ = add(jnp.int32(0), (zeros, zeros))
    else:
        gram, rest = lax.fori_loop(jnp.int32(0), jnp.int32(-(-d // block)), add, (zeros, zeros))
        gram = gram + rest
    norms = jnp.diagonal(gram)
    squared = jnp.maximum(norms[:, None] + norms[None, :] - 2 * gram, 0)
    # inf − inf of two huge vectors: as far apart as anything. (max keeps the NaN.)
    both = keep[:, None] & keep[None, :] & ~jnp.isnan(squared)
    squared = jnp.where(both, squared, jnp.inf)
    return Distances(jnp.where(jnp.eye(n, dtype=bool), 0, squared), norms, scale)


def nearest_sum(squared: Array, number: int) -> tuple[Array, Array]:
    """Per client: sum of its ``number`` smallest distances to others, and the largest of them.

    Args:
        squared: (n, n) symmetric; the diagonal is left out.
        number: from 1 to n − 1.

    Returns:
        Two (n,) arrays.
    """
    n = squared.shape[0]
    others = jnp.where(jnp.eye(n, dtype=bool), jnp.inf, squared)
    keys = ordered_keys(others)
    last_key = kth_key(keys, jnp.asarray(number - 1, jnp.int32))
    last = from_keys(last_key, squared.dtype)
    inside = keys < last_key
    remaining = number - jnp.sum(inside, axis=0, dtype=jnp.int32)
    total = jnp.sum(jnp.where(inside, others, 0), axis=0)
    return total + remaining.astype(squared.dtype) * last, last


def krum_scores(distances: Distances, keep: Array, number: int) -> tuple[Array, Array]:
    """Krum's score of each client (+inf outside ``keep``) and a bound of its rounding error.

    A kept client whose score overflows gets the largest finite number, so that it never ties
    with a quarantined one.
    """
    score, last = nearest_sum(distances.squared, number)
    n = keep.shape[0]
    near = (distances.squared <= last[:, None]) & ~jnp.eye(n, dtype=bool)
    reach = jnp.sum(jnp.where(near, distances.norms[None, :], 0), axis=1)
    eps = jnp.finfo(score.dtype).eps
    error = ERROR_UNITS * eps * (number * distances.norms + reach)
    largest = jnp.finfo(score.dtype).max
    score = jnp.where(jnp.isfinite(score), score, largest)
    return jnp.where(keep, score, jnp.inf), jnp.where(keep, error, 0)


def krum_choice(x: Array, keep: Array, number: int) -> tuple[Array, Array]:
    """Index of the client with the smallest score (lowest index wins ties), and all scores.

    In float32 the clients whose scores agree to within the rounding error are scored again in
    twice the precision, so that the choice is the one float64 makes.

    Returns:
        (index int32 scalar, scores (n,) in the squared units of ``x``).
    """
    distances = pairwise_distances(x, keep)
    scores, error = krum_scores(distances, keep, number)
    choice = jnp.argmin(scores).astype(jnp.int32)
    if x.dtype == jnp.float32:
        choice = _settle(x, keep, distances.scale, scores, error, number)
    return choice, scores / distances.scale / distances.scale


def _settle(x: Array, keep: Array, scale: Array, scores: Array, error: Array, number: int) -> Array:
    n = x.shape[0]
    limit = jnp.min(scores + error)
    # A huge vector has an unbounded error and no chance: it must not call for a recount.
    tied = keep & jnp.isfinite(error) & (scores - error <= limit)
    order = jnp.argsort(jnp.where(tied, scores, jnp.inf), stable=True).astype(jnp.int32)
    count = jnp.sum(tied, dtype=jnp.int32)
    # One candidate is no contest: nothing is recomputed, which is the usual case.
    rounds = jnp.where(count > 1, jnp.minimum(count, min(MAX_CANDIDATES, n)), 0)

    def contest(i: Array, best: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        high, low, index = best
        candidate = order[i]
        new_high, new_low = _exact_score(x, x[candidate], candidate, keep, scale, number)
        smaller = (new_high < high) | ((new_high == high) & (new_low < low))
        equal = (new_high == high) & (new_low == low)
        wins = smaller | (equal & (candidate < index))
        return (
            jnp.where(wins, new_high, high),
            jnp.where(wins, new_low, low),
            jnp.where(wins, candidate, index),
        )

    start = (jnp.asarray(jnp.inf, x.dtype), jnp.zeros((), x.dtype), order[0])
    return lax.fori_loop(jnp.int32(0), rounds, contest, start)[2]


def _exact_score(
    x: Array, row: Array, own: Array, keep: Array, scale: Array, number: int
) -> tuple[Array, Array]:
    high, low = squared_distances(x, row, scale)
    other = jnp.arange(x.shape[0], dtype=jnp.int32) != own
    counted = keep & other
    high, low = jnp.where(counted, high, jnp.inf), jnp.where(counted, low, 0)
    nearest = jnp.lexsort((low, high))[:number]
    return sum_pairs(high[nearest], low[nearest])
