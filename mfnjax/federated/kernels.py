"""The rules on an (n, d) matrix with a mask of finite rows: pure, jittable, no checks.

A row outside ``keep`` counts as infinitely far away in the distance rules, and as one of the f
extreme values in the coordinate rules. Each returns (vector (d,), selected (n,), scores (n,)
or None). The public rules with their contracts are in `mfnjax.federated.rules`.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from mfnjax.federated import order_statistics as order
from mfnjax.federated.distances import (
    krum_choice,
    krum_scores,
    pairwise_distances,
    robust_scale,
)

Kernel = tuple[Array, Array, Array | None]


def neighbours(n: int, f: int) -> int:
    """How many nearest others a Krum score sums over: n − f − 2, at least 1, at most n − 1."""
    return min(max(n - f - 2, 1), max(n - 1, 1))


def krum(x: Array, keep: Array, f: int) -> Kernel:
    """The one vector with the smallest Krum score."""
    n = x.shape[0]
    if n == 1:
        return x[0], keep, jnp.where(keep, jnp.zeros((1,), x.dtype), jnp.inf)
    choice, scores = krum_choice(x, keep, neighbours(n, f))
    return x[choice], jnp.arange(n, dtype=jnp.int32) == choice, scores


def multi_krum(x: Array, keep: Array, f: int, m: int) -> Kernel:
    """The mean of the m vectors with the smallest Krum scores."""
    n = x.shape[0]
    if n == 1:
        return krum(x, keep, f)
    distances = pairwise_distances(x, keep)
    scores, _ = krum_scores(distances, keep, neighbours(n, f))
    rank = jnp.argsort(jnp.argsort(scores, stable=True), stable=True).astype(jnp.int32)
    selected = (rank < m) & keep
    none_cut = jnp.int32(0)
    mean = order.map_columns(lambda block: order.trimmed_mean(block, selected, none_cut), x)
    return mean, selected, scores / distances.scale / distances.scale


def bulyan(x: Array, keep: Array, f: int) -> Kernel:
    """Krum over and over picks θ = n − 2f vectors; per coordinate, the mean of the θ − 2f
    values nearest to their median."""
    n = x.shape[0]
    number = max(n - 2 * f, 1)
    selected = _repeated_krum(pairwise_distances(x, keep).squared, keep, f, number)
    nearest = max(number - 2 * f, 1)
    vector = order.map_columns(lambda block: order.mean_around_median(block, selected, nearest), x)
    return vector, selected, None


def _repeated_krum(squared: Array, keep: Array, f: int, number: int) -> Array:
    """Select ``number`` clients one by one, each by Krum among those that remain.

    Each row's distances are sorted once. ``place[j, p]`` is the number of remaining clients at
    sorted places ≤ p of row j: a selection lowers it by one from the selected client's place
    on, so that a round is a few passes over (n, n) and nothing is sorted again. Every round
    sums afresh: subtracting from the last round's sums would leave the rounding of hostile
    distances in the honest scores.
    """
    n = squared.shape[0]
    others = jnp.where(jnp.eye(n, dtype=bool), jnp.inf, squared)
    by_distance = jnp.argsort(others, axis=1, stable=True).astype(jnp.int32)
    ordered = jnp.take_along_axis(others, by_distance, axis=1)
    place_of = jnp.argsort(by_distance, axis=1).astype(jnp.int32)
    columns = jnp.arange(n, dtype=jnp.int32)
    largest = jnp.finfo(squared.dtype).max

    def select(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        alive, present, place = state
        count = jnp.maximum(n - i - f - 2, 1)
        near = present & (place <= count) & jnp.isfinite(ordered)
        scores = jnp.sum(jnp.where(near, ordered, 0), axis=1)
        # Too few finite neighbours: as bad as can be without being out of the running.
        wanted = jnp.minimum(count, n - i - 1)
        short = jnp.sum(near, axis=1, dtype=jnp.int32) < wanted
        scores = jnp.where(short | ~jnp.isfinite(scores), largest, scores)
        choice = jnp.argmin(jnp.where(alive, scores, jnp.inf)).astype(jnp.int32)
        gone = place_of[:, choice][:, None]
        present = present & (columns[None, :] != gone)
        place = jnp.where(columns[None, :] >= gone, place - 1, place)
        return alive & (columns != choice), present, place

    present = jnp.ones((n, n), bool)
    place = jnp.broadcast_to(columns[None, :] + 1, (n, n))
    alive, _, _ = lax.fori_loop(jnp.int32(0), jnp.int32(number), select, (keep, present, place))
    return keep & ~alive


def coordinate_median(x: Array, keep: Array) -> Kernel:
    """The median of each coordinate."""
    return order.map_columns(lambda block: order.median(block, keep), x), keep, None


def trimmed_mean(x: Array, keep: Array, f: int) -> Kernel:
    """The mean of each coordinate without its f smallest and f largest values.

    A quarantined client is one of the f: with q of them f − q are cut on each side.
    """
    missing = jnp.sum(~keep, dtype=jnp.int32)
    kept = x.shape[0] - missing
    trim = jnp.clip(f - missing, 0, jnp.maximum(kept - 1, 0) // 2)
    return order.map_columns(lambda block: order.trimmed_mean(block, keep, trim), x), keep, None


def geometric_median(x: Array, keep: Array, max_iterations: int, tolerance: float) -> Kernel:
    """The point with the smallest sum of distances, by smoothed Weiszfeld iteration.

    Starts at the coordinate median; a distance under 1e-6 of their median counts as that, which
    makes an iterate that meets a client harmless and moves the answer by no more.
    """
    start = order.map_columns(lambda block: order.median(block, keep), x)
    scale = robust_scale(x, start, keep)
    # Per iterate only the shift from the start is stored: a large offset costs no digits.
    y = jnp.where(keep[:, None], (x - start) * scale, 0)

    def step(shift: Array) -> tuple[Array, Array]:
        distance = jnp.sqrt(jnp.sum((y - shift) ** 2, axis=1))
        distance = jnp.where(keep & ~jnp.isnan(distance), distance, jnp.inf)
        middle = order.lower_median(distance[:, None], keep)[0]
        floor = jnp.maximum(1e-6 * middle, jnp.finfo(x.dtype).tiny)
        weight = jnp.where(jnp.isfinite(distance), 1 / jnp.maximum(distance, floor), 0)
        weight = weight / jnp.maximum(jnp.max(weight), jnp.finfo(x.dtype).tiny)
        # Rows of no weight may hold infinities after scaling: 0 · inf must not come up.
        offsets = jnp.where((weight > 0)[:, None], y - shift, 0)
        move = jnp.matmul(weight, offsets, precision=lax.Precision.HIGHEST) / jnp.sum(weight)
        return shift + move, jnp.sqrt(jnp.sum(move**2)) > tolerance * middle

    def go_on(state: tuple[Array, Array, Array]) -> Array:
        return state[2] & (state[0] < max_iterations)

    def body(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        shift, moving = step(state[1])
        return state[0] + 1, shift, moving

    state = (jnp.int32(0), jnp.zeros_like(start), jnp.asarray(True))
    shift = lax.while_loop(go_on, body, state)[1]
    return start + shift / scale, keep, None
