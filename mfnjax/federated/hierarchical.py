"""Hierarchical Krum: clients dealt to clusters, Krum in each, Krum and median of the winners.

Distances among n clients cost n²; among clusters of m they cost n·m. Clusters are worked on
one after the other, so that memory is one cluster's, and `hierarchical_krum_streaming` fetches
one cluster at a time, so that a million clients never lie in memory together.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from mfnjax._checks import check_int, check_key, check_real
from mfnjax.errors import DataError
from mfnjax.federated import kernels
from mfnjax.federated.aggregation import (
    Aggregation,
    PyTree,
    check_contract,
    check_quarantine,
    num_clients,
    ravel_clients,
)
from mfnjax.federated.distances import finite_rows

SAMPLING_ABOVE = 1000
"""Clients above which only ``sample_fraction`` of them are drawn."""

KRUM_WEIGHT = 0.7
"""Share of Krum's winner of the winners; the rest is their coordinate median."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many clients are drawn and how they are dealt; all static.

    Attributes:
        clients: Clients in all.
        sampled: Clients drawn.
        clusters: Clusters; the first ``sampled % clusters`` have one member more.
        fraction: Byzantine fraction; f = ⌊fraction·n⌋ at each level.
    """

    clients: int
    sampled: int
    clusters: int
    fraction: float

    def groups(self) -> tuple[tuple[int, int], ...]:
        """((clusters, members each), …) for the larger and the smaller clusters."""
        small, larger = divmod(self.sampled, self.clusters)
        groups = ((larger, small + 1), (self.clusters - larger, small))
        return tuple(group for group in groups if group[0])

    @property
    def pairs(self) -> int:
        """Distances that are computed: memory grows with those of a cluster, time with all."""
        return sum(clusters * members**2 for clusters, members in self.groups()) + self.clusters**2


def byzantine_number(fraction: float, n: int) -> int:
    """⌊fraction·n⌋, with 0.29·100 = 28.999… counted as 29."""
    return math.floor(fraction * n + 1e-9)


def _inside(fraction: float, n: int) -> bool:
    return n >= 2 * byzantine_number(fraction, n) + 3


def make_plan(
    clients: int, num_clusters: int, byzantine_fraction: float, sample_fraction: float
) -> Plan:
    """The largest number of clusters, at most ``num_clusters``, with both levels in contract.

    Each cluster, and the set of winners, needs n ≥ 2f + 3; one cluster is plain Krum.

    Examples:
        >>> make_plan(500, 100, 0.2, 0.1).clusters
        100
        >>> make_plan(20, 100, 0.2, 0.1).groups()
        ((2, 4), (4, 3))
    """
    check_int("num_clusters", num_clusters, 1, 2**31 - 1)
    fraction = check_real("byzantine_fraction", byzantine_fraction, 0.0, 0.5, open_high=True)
    share = check_real("sample_fraction", sample_fraction, 0.0, 1.0, open_low=True)
    sampled = clients
    if clients > SAMPLING_ABOVE:
        sampled = max(1, math.ceil(share * clients - 1e-9))
    for clusters in range(min(num_clusters, sampled // 3), 1, -1):
        plan = Plan(clients, sampled, clusters, fraction)
        if _inside(fraction, clusters) and all(_inside(fraction, m) for _, m in plan.groups()):
            return plan
    return Plan(clients, sampled, 1, fraction)


def deal(plan: Plan, *, key: Array) -> Array:
    """(sampled,) int32: the clients drawn, in the order in which they fill the clusters."""
    return jax.random.permutation(key, plan.clients)[: plan.sampled].astype(jnp.int32)


def _winner(rows: Array, fraction: float) -> tuple[Array, Array, Array]:
    """Krum in one cluster: (vector, place in the cluster, finite rows)."""
    keep = finite_rows(rows)
    vector, selected, _ = kernels.krum(rows, keep, byzantine_number(fraction, rows.shape[0]))
    # A cluster without a single finite update sends on a NaN, which the next level quarantines.
    vector = jnp.where(jnp.any(keep), vector, jnp.nan)
    return vector, jnp.argmax(selected).astype(jnp.int32), keep


def _combine(winners: Array, fraction: float) -> tuple[Array, Array]:
    """(0.7·Krum + 0.3·coordinate median of the winners, the winner's row)."""
    keep = finite_rows(winners)
    best, selected, _ = kernels.krum(winners, keep, byzantine_number(fraction, winners.shape[0]))
    middle, _, _ = kernels.coordinate_median(winners, keep)
    vector = best + (1 - KRUM_WEIGHT) * (middle - best)
    return jnp.where(jnp.any(keep), vector, jnp.nan), selected & keep


@partial(jax.jit, static_argnames=("plan",))
def _hierarchical(updates: PyTree, key: Array, plan: Plan) -> Aggregation:
    x, back = ravel_clients(updates)
    n = plan.clients
    dealt = deal(plan, key=key)
    winners, sources = [], []
    quarantined = jnp.zeros((n,), bool)
    start = 0
    for clusters, members in plan.groups():
        indices = dealt[start : start + clusters * members].reshape(clusters, members)
        start += clusters * members

        def one(index: Array) -> tuple[Array, Array, Array]:
            vector, place, keep = _winner(x[index], plan.fraction)
            return vector, index[place], keep

        vectors, source, keep = lax.map(one, indices)
        winners.append(vectors)
        sources.append(source)
        quarantined = quarantined.at[indices.ravel()].set(~keep.ravel())
    vector, best = _combine(jnp.concatenate(winners), plan.fraction)
    source = jnp.concatenate(sources)
    selected = jnp.zeros((n,), bool).at[source].set(best)
    return Aggregation(back(vector), quarantined, selected, None)


def hierarchical_krum(
    updates: PyTree,
    *,
    num_clusters: int = 100,
    byzantine_fraction: float = 0.2,
    sample_fraction: float = 0.1,
    strict: bool = True,
    key: Array,
) -> Aggregation:
    """0.7·Krum + 0.3·coordinate median of the winners of Krum in random clusters.

    Clients are dealt to clusters at random by ``key``. Clusters are reduced in number until
    every cluster and the set of winners are within Krum's contract n ≥ 2f + 3 with
    f = ⌊byzantine_fraction·n⌋; one cluster is plain Krum. Above 1000 clients
    ⌈sample_fraction·n⌉ are drawn first. The guarantee is a matter of chance: a hostile
    minority of all clients can be the majority of a cluster, and of enough clusters.

    Args:
        updates: Pytree; leaves (n, …), floats.
        num_clusters: Most clusters, ≥ 1, static.
        byzantine_fraction: In [0, 0.5), static.
        sample_fraction: In (0, 1], static; used above 1000 clients.
        strict: Refuse (True) or warn (False) outside the contract.
        key: Typed random key.

    Returns:
        `Aggregation`; ``selected`` marks the client that won among the winners, whose vector
        has 70 % of the answer. ``quarantined`` covers the clients that were drawn.

    Raises:
        ParameterError: An option out of range, or fewer clients than 2f + 3.
        DataError: More than ⌊byzantine_fraction·n⌋ updates are not finite, or the pytree is no
            set of updates.

    Examples:
        >>> import jax
        >>> updates = jax.random.normal(jax.random.key(0), (50, 8)).at[:10].set(1e6)
        >>> result = hierarchical_krum(updates, key=jax.random.key(1))
        >>> bool(abs(result.update).max() < 4)
        True

    Source: Blanchard et al., NeurIPS 2017, arXiv:1703.02757, applied on two levels.
    """
    n = num_clients(updates)
    plan = make_plan(n, num_clusters, byzantine_fraction, sample_fraction)
    f = byzantine_number(plan.fraction, plan.sampled)
    check_contract("Hierarchical Krum", "2f + 2 < n", 2 * f + 2 < plan.sampled, n, f, strict)
    result = _hierarchical(updates, check_key(key), plan)
    check_quarantine("Hierarchical Krum", result, f, strict)
    return result


@partial(jax.jit, static_argnames=("fraction",))
def _cluster_winner(updates: PyTree, fraction: float) -> tuple[Array, Array]:
    x, _ = ravel_clients(updates)
    vector, _, keep = _winner(x, fraction)
    return vector, jnp.sum(~keep, dtype=jnp.int32)


_combine_jit = jax.jit(_combine, static_argnums=1)


def hierarchical_krum_streaming(
    fetch: Callable[[np.ndarray], PyTree],
    clients: int,
    *,
    num_clusters: int = 100,
    byzantine_fraction: float = 0.2,
    sample_fraction: float = 0.1,
    strict: bool = True,
    key: Array,
) -> tuple[PyTree, int]:
    """`hierarchical_krum` on updates that are fetched one cluster at a time.

    Only the clients that were drawn are ever asked for, and only the winners are kept: memory
    is one cluster and ``num_clusters`` vectors. With one key the answer is that of
    `hierarchical_krum` on all updates.

    Args:
        fetch: Takes client indices (m,) and returns their stacked updates, leaves (m, …).
        clients: Clients in all, n.
        num_clusters: Most clusters, ≥ 1.
        byzantine_fraction: In [0, 0.5).
        sample_fraction: In (0, 1]; used above 1000 clients.
        strict: Refuse (True) or warn (False) outside the contract.
        key: Typed random key.

    Returns:
        (update, number of quarantined clients among those drawn).

    Raises:
        ParameterError: An option out of range, or fewer clients than 2f + 3.
        DataError: Too many updates are not finite, or ``fetch`` returned another number.
    """
    check_int("clients", clients, 1, 2**31 - 1)
    plan = make_plan(clients, num_clusters, byzantine_fraction, sample_fraction)
    f = byzantine_number(plan.fraction, plan.sampled)
    check_contract("Hierarchical Krum", "2f + 2 < n", 2 * f + 2 < plan.sampled, clients, f, strict)
    dealt = np.asarray(deal(plan, key=key))
    winners, missing, start = [], 0, 0
    back: Any = None
    for clusters, members in plan.groups():
        for _ in range(clusters):
            part = fetch(dealt[start : start + members])
            start += members
            if num_clients(part) != members:
                raise DataError(f"fetch returned {num_clients(part)} updates for {members} clients")
            if back is None:
                first = jax.tree.map(lambda leaf: leaf[:1], part)
                back = ravel_clients(first)[1]
            vector, bad = _cluster_winner(part, plan.fraction)
            winners.append(vector)
            missing += int(bad)
    if missing > f or missing == plan.sampled:
        message = f"Hierarchical Krum: {missing} of {plan.sampled} updates drawn are not finite"
        if strict or missing == plan.sampled:
            raise DataError(f"{message}; f = {f}")
    vector, _ = _combine_jit(jnp.stack(winners), plan.fraction)
    return back(vector), missing


__all__ = [
    "Plan",
    "byzantine_number",
    "deal",
    "hierarchical_krum",
    "hierarchical_krum_streaming",
    "make_plan",
]
