"""Iterated function systems: closed forms, invariance, gradients."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jax.test_util import check_grads
from scipy.optimize import brentq

from mfnjax.errors import ParameterError
from mfnjax.fractal.ifs import (
    EXACT_DIMENSIONS,
    NAMED_SYSTEMS,
    AffineSystem,
    chaos_game,
    named_system,
    random_similarity_system,
    similarity_dimension,
)
from mfnjax.fractal.render import koch_mask, pattern_mask, render_points

pytestmark = pytest.mark.compile_bound

KEY = jax.random.key(3)
MORAN = jax.jit(similarity_dimension)
UNIT = jnp.asarray([0.0, 1.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("name", "level"), [("sierpinski_carpet", 3), ("vicsek", 3), ("cantor_dust", 4)]
)
@pytest.mark.thorough
def test_chaos_game_fills_exactly_the_cells_of_the_recursion(name: str, level: int) -> None:
    mask = pattern_mask(name, level)
    points = chaos_game(named_system(name), 100_000, key=KEY).points
    # A corner of the set lies on the wall of a cell, where rounding decides: leave those out.
    from_wall = np.abs(points * len(mask) - np.rint(points * len(mask))).min(axis=1)
    inside = render_points(points[from_wall > 1e-6], mask.shape, UNIT)
    assert np.array_equal(inside, mask)


@pytest.mark.parametrize("name", NAMED_SYSTEMS)
def test_attractor_is_mapped_into_itself(name: str) -> None:
    """Every point, sent through every map, must land beside another point of the attractor."""
    system = named_system(name).to_affine()
    points = np.asarray(chaos_game(system, 40_000, key=KEY).points)
    from scipy.spatial import cKDTree

    tree, size = cKDTree(points), np.ptp(points, axis=0).max()
    for a, t in zip(np.asarray(system.matrices), np.asarray(system.translations), strict=True):
        distance, _ = tree.query(points[:300] @ a.T + t)
        assert distance.max() < 0.03 * size


@pytest.mark.parametrize("name", sorted(EXACT_DIMENSIONS))
def test_moran_and_contraction_exponent_agree_with_closed_forms(name: str) -> None:
    system = named_system(name)
    assert float(similarity_dimension(system.ratios)) == pytest.approx(
        EXACT_DIMENSIONS[name], abs=1e-12
    )
    run = chaos_game(system, 1000, key=KEY)
    # All ratios are equal: the mean of ln|det J| is one number, and twice ln s.
    assert float(run.contraction_exponent) == pytest.approx(2 * math.log(system.ratios[0]))


def test_chaos_game_visits_maps_by_their_weights() -> None:
    """The mean of the invariant measure solves m = Σ p_k (A_k m + t_k), and so does ln|det|."""
    system = named_system("barnsley_fern")
    run = chaos_game(system, 400_000, key=KEY)
    p = np.asarray(system.weights) / np.sum(system.weights)
    a, t = np.asarray(system.matrices), np.asarray(system.translations)
    mean = np.linalg.solve(np.eye(2) - np.einsum("k,kij->ij", p, a), p @ t)
    assert np.asarray(run.points).mean(0) == pytest.approx(mean, abs=0.05)
    weighted = chaos_game(
        AffineSystem(system.matrices[1:], system.translations[1:], jnp.asarray([2.0, 1.0, 1.0])),
        400_000,
        key=KEY,
    )
    expected = np.array([0.5, 0.25, 0.25]) @ np.log(np.abs(np.linalg.det(a[1:])))
    assert float(weighted.contraction_exponent) == pytest.approx(expected, abs=0.01)


def test_random_systems_keep_to_the_documented_ranges() -> None:
    systems = [random_similarity_system(8, key=jax.random.key(n)) for n in range(50)]
    ratios = np.concatenate([system.ratios for system in systems])
    angles = np.concatenate([system.angles for system in systems])
    shifts = np.concatenate([system.translations for system in systems])
    for values, low, high in ((ratios, 0.2, 0.5), (angles, 0, 2 * np.pi), (shifts, -1, 1)):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    matrices = systems[0].to_affine().matrices
    squared = np.einsum("kij,klj->kil", matrices, matrices)
    assert squared == pytest.approx(ratios[:8, None, None] ** 2 * np.eye(2), abs=1e-12)


@pytest.mark.thorough
def test_batch_of_systems_equals_a_loop() -> None:
    keys = jax.random.split(KEY, 3)
    systems = [random_similarity_system(4, key=key) for key in keys]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *systems)
    batched = jax.vmap(lambda s, k: chaos_game(s, 500, key=k))(stacked, keys)
    for n, (system, key) in enumerate(zip(systems, keys, strict=True)):
        single = chaos_game(system, 500, key=key).points
        np.testing.assert_allclose(batched.points[n], single, atol=1e-12)


@pytest.mark.thorough
def test_gradients_of_points_and_of_the_dimension() -> None:
    @jax.jit
    def spread(ratios: jax.Array, angles: jax.Array) -> jax.Array:
        system = named_system("koch_curve")
        moved = type(system)(ratios, angles, system.translations, system.weights)
        run = chaos_game(moved, 300, key=KEY)
        return jnp.mean(run.points**2) + 0.1 * run.contraction_exponent

    start = named_system("koch_curve")
    check_grads(spread, (start.ratios, start.angles), order=1, modes=("fwd", "rev"), rtol=1e-5)
    ratios = jnp.asarray([0.5, 0.3, 0.2, 0.45])
    check_grads(jax.jit(similarity_dimension), (ratios,), order=1, modes=("fwd", "rev"), rtol=1e-6)
    gradient = jax.jit(jax.grad(similarity_dimension))
    check_grads(gradient, (ratios,), order=1, modes=("fwd",), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.01, 0.95), min_size=3, max_size=3))
def test_moran_equals_a_bracketing_root_finder(ratios: list[float]) -> None:
    found = float(MORAN(jnp.asarray(ratios)))
    exact = brentq(lambda d: np.sum(np.power(ratios, d)) - 1, 0.0, 200.0, xtol=1e-13)
    assert found == pytest.approx(exact, rel=1e-9)


def test_precision_follows_the_system() -> None:
    system = jax.tree.map(lambda x: x.astype(jnp.float32), named_system("vicsek"))
    run = chaos_game(system, 100, key=KEY)
    assert run.points.dtype == run.contraction_exponent.dtype == jnp.float32
    assert similarity_dimension(system.ratios).dtype == jnp.float32


@pytest.mark.thorough
def test_points_outside_or_broken_are_left_out_and_bounds_fit_the_points() -> None:
    points = jnp.asarray([[0.5, 0.5], [2.0, 0.5], [jnp.nan, 0.1], [1.0, 1.0]])
    assert int(render_points(points, (4, 4), UNIT).sum()) == 2
    free = render_points(jnp.asarray([[3.0, 5.0], [7.0, 6.0]]), (4, 4))
    assert np.argwhere(free).tolist() == [[0, 0], [1, 3]]
    assert int(render_points(jnp.ones((5, 2)), (4, 4)).sum()) == 1


def test_bad_input_is_refused() -> None:
    with pytest.raises(ParameterError, match="num_maps"):
        random_similarity_system(1, key=KEY)
    with pytest.raises(ParameterError, match="name"):
        named_system("dragon")
    with pytest.raises(ParameterError, match="num_points"):
        chaos_game(named_system("vicsek"), 0, key=KEY)
    with pytest.raises(ParameterError, match="matrices"):
        chaos_game(AffineSystem(jnp.ones((2, 2)), jnp.ones((2, 2)), jnp.ones(2)), key=KEY)
    with pytest.raises(ParameterError, match="ratios"):
        similarity_dimension(jnp.asarray([0.5, 1.0]))
    with pytest.raises(ParameterError, match="ratios"):
        similarity_dimension(jnp.asarray([]))
    with pytest.raises(ParameterError, match="pattern"):
        pattern_mask([[1, 0, 1]], 2)
    with pytest.raises(ParameterError, match="level"):
        pattern_mask("vicsek", 9)
    with pytest.raises(ParameterError, match="points"):
        render_points(jnp.ones(4), (4, 4))
    with pytest.raises(ParameterError, match="side"):
        koch_mask(4)
