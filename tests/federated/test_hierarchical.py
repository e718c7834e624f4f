"""Hierarchical Krum: how clients are dealt, what it answers, and streaming."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from mfnjax.errors import DataError, ParameterError
from mfnjax.federated import (
    ContractWarning,
    hierarchical_krum,
    hierarchical_krum_streaming,
    krum,
)
from mfnjax.federated.hierarchical import byzantine_number, deal, make_plan
from tests.federated import reference

KEY = jax.random.key(11)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 200), st.floats(0, 0.499), st.floats(0.01, 1))
def test_a_plan_keeps_both_levels_in_contract(clients, clusters, fraction, share):
    plan = make_plan(clients, clusters, fraction, share)
    assert plan.clusters <= clusters
    assert sum(count * members for count, members in plan.groups()) == plan.sampled
    assert sum(count for count, _ in plan.groups()) == plan.clusters
    if plan.clusters > 1:
        sizes = [members for _, members in plan.groups()] + [plan.clusters]
        assert all(n >= 2 * byzantine_number(fraction, n) + 3 for n in sizes)
        assert max(sizes[:-1]) - min(sizes[:-1]) <= 1
    expected = clients if clients <= 1000 else int(np.ceil(share * clients - 1e-9))
    assert plan.sampled == expected


def test_documented_defaults():
    assert make_plan(1000, 100, 0.2, 0.1).sampled == 1000
    plan = make_plan(1_000_000, 100, 0.2, 0.1)
    assert (plan.sampled, plan.clusters) == (100_000, 100)
    assert make_plan(7, 10, 0.2, 0.1).clusters == 1
    assert byzantine_number(0.29, 100) == 29


def test_it_equals_the_rule_written_out():
    x = np.random.default_rng(0).normal(size=(31, 4))
    result = hierarchical_krum(jnp.asarray(x), num_clusters=5, key=KEY)
    plan = make_plan(31, 5, 0.2, 0.1)
    dealt = np.asarray(deal(plan, key=KEY))
    assert sorted(dealt) == list(range(31))
    winners, sources, start = [], [], 0
    for count, members in plan.groups():
        for _ in range(count):
            own = dealt[start : start + members]
            start += members
            best = own[np.argmin(reference.krum_scores(x[own], members // 5))]
            winners.append(x[best])
            sources.append(best)
    best = int(np.argmin(reference.krum_scores(np.array(winners), len(winners) // 5)))
    expected = 0.7 * winners[best] + 0.3 * np.median(winners, axis=0)
    np.testing.assert_allclose(result.update, expected, rtol=1e-12)
    assert np.flatnonzero(result.selected).tolist() == [sources[best]]


def test_one_cluster_is_plain_krum():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(11, 6)))
    one = hierarchical_krum(x, num_clusters=1, key=KEY)
    plain = krum(x, 2)
    np.testing.assert_allclose(one.update, plain.update, rtol=1e-15)
    assert int(one.index) == int(plain.index)


@pytest.mark.thorough
def test_the_key_decides_and_jit_changes_nothing():
    x = jnp.asarray(np.random.default_rng(2).normal(size=(40, 4)))

    def aggregate(key):
        return np.asarray(hierarchical_krum(x, num_clusters=5, key=key).update)

    same = aggregate(KEY)
    np.testing.assert_array_equal(aggregate(KEY), same)
    jitted = jax.jit(lambda x, key: hierarchical_krum(x, num_clusters=5, key=key).update)
    np.testing.assert_allclose(jitted(x, KEY), same, rtol=1e-12)
    others = [aggregate(jax.random.key(k)) for k in range(5)]
    assert not all(np.array_equal(other, same) for other in others)


def test_quarantine_within_clusters():
    x = np.random.default_rng(3).normal(size=(40, 4))
    x[:6] = np.nan
    result = hierarchical_krum(jnp.asarray(x), num_clusters=5, key=KEY)
    assert np.flatnonzero(result.quarantined).tolist() == list(range(6))
    assert np.all(np.isfinite(result.update))
    x[:9] = np.inf
    with pytest.raises(DataError, match="9 of 40"):
        hierarchical_krum(jnp.asarray(x), num_clusters=5, key=KEY)
    with pytest.warns(ContractWarning, match="9 of 40"):
        hierarchical_krum(jnp.asarray(x), num_clusters=5, strict=False, key=KEY)


@pytest.mark.thorough
def test_streaming_asks_for_the_drawn_clients_only_and_answers_the_same():
    x = np.random.default_rng(4).normal(size=(2000, 6))
    x[::10] = 1e6
    asked = []

    def fetch(indices):
        asked.append(len(indices))
        return {"w": jnp.asarray(x[indices])}

    update, missing = hierarchical_krum_streaming(fetch, 2000, num_clusters=8, key=KEY)
    assert missing == 0
    assert sum(asked) == 200
    whole = hierarchical_krum({"w": jnp.asarray(x)}, num_clusters=8, key=KEY)
    np.testing.assert_allclose(update["w"], whole.update["w"], rtol=1e-6)
    assert np.abs(update["w"]).max() < 5


def test_streaming_errors():
    def nan(indices):
        return jnp.full((len(indices), 3), jnp.nan)

    with pytest.raises(DataError, match="20 of 20 updates drawn are not finite"):
        hierarchical_krum_streaming(nan, 20, num_clusters=4, strict=False, key=KEY)
    with pytest.raises(DataError, match="fetch returned 3 updates"):
        hierarchical_krum_streaming(lambda i: jnp.zeros((3, 3)), 20, num_clusters=4, key=KEY)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"num_clusters": 0}, "num_clusters"),
        ({"byzantine_fraction": 0.5}, "byzantine_fraction"),
        ({"byzantine_fraction": -0.1}, "byzantine_fraction"),
        ({"sample_fraction": 0.0}, "sample_fraction"),
    ],
)
def test_options_out_of_range(options, name):
    with pytest.raises(ParameterError, match=name):
        hierarchical_krum(jnp.zeros((10, 2)), **options, key=KEY)


def test_too_few_clients():
    with pytest.raises(ParameterError, match=r"2f \+ 2 < n"):
        hierarchical_krum(jnp.zeros((2, 2)), key=KEY)
    with pytest.warns(ContractWarning):
        hierarchical_krum(jnp.ones((2, 2)), strict=False, key=KEY)
