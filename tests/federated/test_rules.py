"""Each rule against a plain float64 reference, its contract, and what it does with NaN."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import minimize

from mfnjax.errors import DataError, ParameterError
from mfnjax.federated import (
    ContractWarning,
    bulyan,
    coordinate_median,
    geometric_median,
    krum,
    multi_krum,
    stack_updates,
    trimmed_mean,
)
from mfnjax.federated.distances import ERROR_UNITS, pairwise_distances
from tests.federated import reference

SEVEN = [[0, 0], [0.1, 0], [0, 0.1], [0.1, 0.1], [0.05, 0.05], [10, 10], [10.1, 10]]
RULES = {
    "krum": (krum, 2),
    "multi_krum": (multi_krum, 2),
    "bulyan": (bulyan, 2),
    "coordinate_median": (coordinate_median, 4),
    "trimmed_mean": (trimmed_mean, 4),
    "geometric_median": (geometric_median, 4),
}
"""Rule and an f that its contract allows among 11 clients."""

seeds = st.integers(0, 2**32 - 1)


def vectors(seed: int, n: int = 11, d: int = 6, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(dtype)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_krum_on_the_seven_points(dtype):
    result = krum(jnp.asarray(SEVEN, dtype), 2)
    assert int(result.index) == 4
    assert result.scores.dtype == dtype
    np.testing.assert_allclose(result.scores[4], 0.015, rtol=1e-6)
    np.testing.assert_allclose(result.scores, reference.krum_scores(SEVEN, 2), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_krum_equals_the_reference(seed):
    x = vectors(seed)
    result = krum(jnp.asarray(x), 2)
    scores = reference.krum_scores(x, 2)
    np.testing.assert_allclose(result.scores, scores, rtol=1e-9)
    assert int(result.index) == np.argmin(scores)
    np.testing.assert_array_equal(result.update, x[np.argmin(scores)])


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from([0.0, 1e2, -1e2]))
def test_float32_chooses_as_float64_does_under_a_large_offset(seed, offset):
    noise = np.random.default_rng(seed).normal(size=(11, 300)) * 1e-3
    x = (offset + noise).astype(np.float32)
    result = krum(jnp.asarray(x), 3)
    scores = reference.krum_scores(x, 3)
    assert int(result.index) == np.argmin(scores)
    np.testing.assert_allclose(result.scores, scores, rtol=2e-5)


def test_near_ties_below_float32_are_settled_as_float64_does():
    """Clients as far from each other as makes no difference: float32 scores pick by rounding."""
    misled = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = np.zeros((11, 300))
        for i in range(11):  # each client moves along coordinates of its own, by the same length
            steps = 1 + np.linspace(0, 1, 25) + 2e-7 * rng.integers(0, 2, 25)
            x[i, 25 * i : 25 * i + 25] = rng.permutation(steps)
        x = x.astype(np.float32)
        scores = reference.krum_scores(x, 3)
        best, second = np.sort(scores)[:2]
        if second - best < 1e-13 * best:
            continue  # a tie to float64 too
        result = krum(jnp.asarray(x), 3)
        assert int(result.index) == np.argmin(scores)
        misled += int(np.argmin(np.asarray(result.scores)) != np.argmin(scores))
    assert misled > 10  # the second look was needed


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_krum_in_float32_at_any_scale(scale):
    x = vectors(3)
    small = (x * scale).astype(np.float32)
    expected = np.argmin(reference.krum_scores(small.astype(np.float64) / scale, 2))
    assert int(krum(jnp.asarray(small), 2).index) == expected


def test_lowest_index_wins_ties():
    x = np.ones((11, 6))
    x[0], x[5] = 5, 9
    assert int(krum(jnp.asarray(x), 2).index) == 1
    assert int(krum(jnp.ones((11, 6)), 2).index) == 0
    assert int(krum(jnp.ones((11, 6), jnp.float32), 2).index) == 0


@pytest.mark.thorough
def test_distance_errors_stay_well_inside_the_stated_bound():
    x = (100 + 1e-3 * vectors(1, 40, 9001)).astype(np.float32)
    x[:4] += 50  # four clients far away
    distances = pairwise_distances(jnp.asarray(x), jnp.ones(40, bool))
    scale = float(distances.scale)
    exact = reference.squared_distances(x) * scale**2
    norms = np.asarray(distances.norms, np.float64)
    bound = ERROR_UNITS * np.finfo(np.float32).eps * (norms[:, None] + norms[None])
    assert np.max(np.abs(np.asarray(distances.squared) - exact) / bound) < 0.33


@pytest.mark.thorough
def test_hostile_vectors_do_not_spoil_honest_distances():
    x = vectors(2, 15, 50).astype(np.float32)
    x[:5] = 1e12
    distances = pairwise_distances(jnp.asarray(x), jnp.ones(15, bool))
    exact = reference.squared_distances(x[5:])
    ours = np.asarray(distances.squared)[5:, 5:] / float(distances.scale) ** 2
    np.testing.assert_allclose(ours, exact, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_multi_krum_equals_the_reference(seed):
    x = vectors(seed)
    best = np.argsort(reference.krum_scores(x, 2), kind="stable")[:7]
    result = multi_krum(jnp.asarray(x), 2)
    assert set(np.flatnonzero(result.selected)) == set(best)
    np.testing.assert_allclose(result.update, x[best].mean(axis=0), rtol=1e-12, atol=1e-14)


def test_multi_krum_with_one_is_krum():
    x = jnp.asarray(vectors(5))
    np.testing.assert_array_equal(multi_krum(x, 2, num_selected=1).update, krum(x, 2).update)


@settings(max_examples=40, deadline=None)
@given(seeds)
@pytest.mark.thorough
def test_bulyan_equals_the_reference(seed):
    x = vectors(seed)
    result = bulyan(jnp.asarray(x), 2)
    assert set(np.flatnonzero(result.selected)) == set(reference.bulyan_selection(x, 2))
    np.testing.assert_allclose(result.update, reference.bulyan(x, 2), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("f", [0, 1])
def test_bulyan_at_the_edge_of_its_contract(f):
    x = vectors(7, 4 * f + 3)
    np.testing.assert_allclose(
        bulyan(jnp.asarray(x), f).update, reference.bulyan(x, f), rtol=1e-12, atol=1e-14
    )


@settings(max_examples=40, deadline=None)
@given(seeds, st.booleans())
def test_median_and_trimmed_mean_equal_the_reference(seed, rounded):
    for n in (10, 11):
        x = vectors(seed, n)
        x = np.round(x) if rounded else x  # many ties
        np.testing.assert_allclose(
            coordinate_median(jnp.asarray(x), 4).update, np.median(x, axis=0), rtol=1e-15
        )
        np.testing.assert_allclose(
            trimmed_mean(jnp.asarray(x), 4).update,
            reference.trimmed_mean(x, 4),
            rtol=1e-12,
            atol=1e-14,
        )


def test_trimmed_mean_without_trimming_is_the_mean():
    x = vectors(9)
    np.testing.assert_allclose(
        trimmed_mean(jnp.asarray(x), 0).update, x.mean(axis=0), rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("seed", range(3))
def test_geometric_median_equals_an_optimiser(seed):
    x = vectors(seed)
    found = minimize(
        lambda z: np.sum(np.linalg.norm(x - z, axis=1)),
        np.median(x, axis=0),
        method="BFGS",
        options={"gtol": 1e-10},
    ).x
    result = geometric_median(jnp.asarray(x), 4, tolerance=1e-12, max_iterations=5000).update
    np.testing.assert_allclose(result, found, atol=1e-6)


def test_geometric_median_at_a_client_that_holds_the_majority():
    x = np.concatenate([np.full((6, 3), 100.0), 100 + vectors(4, 5, 3)]).astype(np.float32)
    np.testing.assert_allclose(geometric_median(jnp.asarray(x), 4).update, 100.0, atol=1e-4)


@pytest.mark.thorough
@pytest.mark.parametrize("name", list(RULES))
def test_pytrees_jit_vmap_and_dtypes(name):
    rule, f = RULES[name]
    key = jax.random.key(0)
    tree = {
        "w": jax.random.normal(key, (11, 2, 3), jnp.float32),
        "b": (jax.random.normal(jax.random.fold_in(key, 1), (11,), jnp.float32),),
    }
    result = rule(tree, f).update
    assert result["w"].shape == (2, 3)
    assert result["b"][0].shape == ()
    assert result["w"].dtype == jnp.float32
    flat = jnp.concatenate([tree["b"][0][:, None], tree["w"].reshape(11, 6)], axis=1)
    mapped = jax.jit(jax.vmap(lambda x: rule(x, f).update))(jnp.stack([flat, 2 * flat]))
    np.testing.assert_allclose(result["w"].ravel(), mapped[0, 1:], rtol=1e-6)
    np.testing.assert_allclose(result["b"][0], mapped[0, 0], rtol=1e-6)
    np.testing.assert_allclose(mapped[1], 2 * mapped[0], rtol=1e-5)


def test_half_precision_in_half_precision_out():
    x = jnp.asarray(vectors(1), jnp.float16)
    result = coordinate_median(x, 4).update
    assert result.dtype == jnp.float16
    np.testing.assert_array_equal(result, np.median(np.asarray(x), axis=0))


@pytest.mark.parametrize("name", list(RULES))
def test_clients_may_come_in_any_order(name):
    rule, f = RULES[name]
    x = vectors(11)
    order = np.random.default_rng(0).permutation(11)
    np.testing.assert_allclose(
        rule(jnp.asarray(x), f).update, rule(jnp.asarray(x[order]), f).update, rtol=1e-9
    )


@pytest.mark.parametrize("name", list(RULES))
def test_non_finite_updates_are_quarantined_and_reported(name):
    rule, f = RULES[name]
    x = vectors(12)
    x[1] = np.nan
    x[4, 2] = np.inf
    result = rule(jnp.asarray(x), f)
    assert np.flatnonzero(result.quarantined).tolist() == [1, 4]
    assert int(result.num_quarantined) == 2
    assert not np.any(np.asarray(result.selected)[[1, 4]])
    assert np.all(np.isfinite(result.update))
    if result.scores is not None:
        assert np.all(np.isinf(np.asarray(result.scores)[[1, 4]]))


def test_quarantined_clients_count_among_the_f():
    x = vectors(13)
    broken = x.copy()
    broken[[0, 1]] = np.nan
    # Krum: infinitely far away. Trimmed mean: the other two of f = 4 are still cut on each side.
    far = x.copy()
    far[[0, 1]] = [[1e150], [-1e150]]
    assert int(krum(jnp.asarray(broken), 2).index) == int(krum(jnp.asarray(far), 2).index)
    np.testing.assert_allclose(
        trimmed_mean(jnp.asarray(broken), 4).update, reference.trimmed_mean(x[2:], 2), rtol=1e-12
    )


@pytest.mark.parametrize("name", list(RULES))
def test_more_non_finite_updates_than_f(name):
    rule, f = RULES[name]
    x = vectors(14)
    x[: f + 1] = np.nan
    with pytest.raises(DataError, match=f"{f + 1} of 11 updates hold a NaN"):
        rule(jnp.asarray(x), f)
    with pytest.warns(ContractWarning, match="num_byzantine f"):
        assert np.all(np.isfinite(rule(jnp.asarray(x), f, strict=False).update))
    with pytest.raises(DataError, match="none of the 11 updates is finite"):
        rule(jnp.full((11, 6), jnp.nan), f, strict=False)


def test_nothing_can_be_raised_under_jit_so_no_answer_is_nan():
    result = jax.jit(lambda x: coordinate_median(x, 4))(jnp.full((11, 6), jnp.nan))
    assert np.all(np.asarray(result.quarantined))
    assert np.all(np.isnan(result.update))


@pytest.mark.parametrize(
    ("rule", "n", "f", "condition"),
    [
        (krum, 7, 3, r"2f \+ 2 < n"),
        (krum, 6, 2, r"2f \+ 2 < n"),
        (multi_krum, 6, 2, r"2f \+ 2 < n"),
        (bulyan, 10, 2, r"n ≥ 4f \+ 3"),
        (coordinate_median, 6, 3, "2f < n"),
        (trimmed_mean, 6, 3, "2f < n"),
        (geometric_median, 6, 3, "2f < n"),
    ],
)
def test_outside_its_contract_a_rule_refuses(rule, n, f, condition):
    x = jnp.asarray(vectors(15, n))
    with pytest.raises(ParameterError, match=f"{condition}; got n = {n} clients"):
        rule(x, f)


@pytest.mark.parametrize(("rule", "f"), [(krum, 3), (bulyan, 2), (coordinate_median, 4)])
def test_outside_its_contract_a_rule_can_be_told_to_go_on(rule, f):
    x = jnp.asarray(vectors(15, 8))
    with pytest.warns(ContractWarning, match="n = 8 clients"):
        assert np.all(np.isfinite(rule(x, f, strict=False).update))


@pytest.mark.parametrize("rule", [krum, multi_krum, bulyan])
def test_a_single_client_with_a_warning(rule):
    x = jnp.asarray(vectors(16, 1))
    with pytest.warns(ContractWarning):
        assert np.all(np.isfinite(rule(x, 0, strict=False).update))


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        ({}, "empty pytree"),
        ({"a": jnp.zeros((0, 3))}, "no client"),
        ({"a": jnp.zeros((3, 0))}, "no numbers"),
        ({"a": jnp.zeros((3, 1)), "b": jnp.zeros((4, 1))}, r"lengths \[3, 4\]"),
        ({"a": jnp.zeros((5, 1), int)}, "dtype int"),
        (jnp.float32(3), "scalar"),
        ([[1.0, 2.0]], "leaf is 1.0"),
    ],
)
def test_what_is_no_set_of_updates_is_refused(updates, message):
    with pytest.raises(DataError, match=message):
        krum(updates, 0)


def test_bad_numbers_are_refused():
    x = jnp.asarray(vectors(17))
    with pytest.raises(ParameterError, match="num_byzantine"):
        krum(x, -1)
    with pytest.raises(ParameterError, match="num_selected"):
        multi_krum(x, 2, num_selected=10)
    with pytest.raises(ParameterError, match="tolerance"):
        geometric_median(x, tolerance=float("nan"))


def test_stack_updates():
    trees = [{"w": np.full(2, float(i), np.float32)} for i in range(5)]
    np.testing.assert_array_equal(coordinate_median(stack_updates(trees), 2).update["w"], [2, 2])
    with pytest.raises(DataError, match="no client"):
        stack_updates([])
    with pytest.raises(DataError, match="client 1 has another structure"):
        stack_updates([{"w": np.ones(2)}, {"v": np.ones(2)}])
    with pytest.raises(DataError, match="client 1 has leaves"):
        stack_updates([{"w": np.ones(2)}, {"w": np.ones(3)}])


@pytest.mark.thorough
def test_memory_of_a_large_krum_is_bounded():
    """1000 × 10⁵: temporaries stay under the size of the input (400 MB), and far below n²·d."""
    shape = jax.ShapeDtypeStruct((1000, 100_000), jnp.float32)
    compiled = jax.jit(lambda x: krum(x, 200).update).lower(shape).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 200e6
