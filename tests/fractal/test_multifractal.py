"""Lacunarity, D_q, correlation dimension and percolation against closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax.errors import DataError, ParameterError
from mfnjax.fractal.attractors import henon
from mfnjax.fractal.correlation import correlation_dimension, pair_counts
from mfnjax.fractal.multifractal import generalised_dimensions, lacunarity
from mfnjax.fractal.percolation import (
    CLUSTER_DIMENSION,
    cluster_mass_scaling,
    largest_cluster,
    percolation_cluster,
)
from mfnjax.fractal.render import pattern_mask

pytestmark = pytest.mark.compile_bound

WEIGHTS = np.array([[0.4, 0.3], [0.2, 0.1]])


def cascade(level: int, weights: np.ndarray = WEIGHTS) -> np.ndarray:
    measure = np.ones((1, 1))
    for _ in range(level):
        measure = np.kron(measure, weights)
    return measure


def test_generalised_dimensions_of_a_cascade_are_its_closed_form() -> None:
    found = generalised_dimensions(jnp.asarray(cascade(7)), (1, 2, 4, 8, 16), (0.0, 0.5, 1.0, 2.0))
    ln = np.log
    expected = [
        2.0,
        ln(np.sum(WEIGHTS**0.5)) / (0.5 * ln(2)),
        -np.sum(WEIGHTS * ln(WEIGHTS)) / ln(2),
        -ln(np.sum(WEIGHTS**2)) / ln(2),
    ]
    assert found.dimensions == pytest.approx(expected, abs=1e-10)
    assert found.r_squared == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "exact"), [("sierpinski_carpet", 8), ("cantor_dust", 4)])
def test_a_plain_set_has_one_dimension(name: str, exact: int) -> None:
    found = generalised_dimensions(jnp.asarray(pattern_mask(name, 5)), (1, 3, 9, 27))
    assert found.dimensions == pytest.approx([np.log(exact) / np.log(3)] * 3, abs=1e-10)


@pytest.mark.thorough
def test_gradients_of_dimensions_and_lacunarity_also_at_empty_cells() -> None:
    density = jnp.asarray(cascade(3)).at[2, 3].set(0.0)

    @jax.jit
    def summary(x: jax.Array) -> jax.Array:
        # The empty cell stays empty: D_q is not differentiable in filling it.
        x = jnp.asarray(x).at[2, 3].set(0.0)
        dimensions = generalised_dimensions(x, (1, 2, 4), (0.5, 1.0, 2.0)).dimensions
        return jnp.sum(dimensions) + jnp.sum(lacunarity(x, (1, 3)))

    check_grads(summary, (density,), order=1, modes=("fwd", "rev"), rtol=1e-5, eps=1e-7)
    at_zero = jax.grad(lambda x: jnp.sum(generalised_dimensions(x, (1, 2)).dimensions))(density)
    assert np.all(np.isfinite(at_zero))


def brute_lacunarity(image: np.ndarray, size: int) -> float:
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(float), (size, size))
    mass = windows.sum((2, 3))
    return float(np.mean(mass**2) / np.mean(mass) ** 2)


@pytest.mark.thorough
def test_lacunarity_equals_brute_force_and_the_law_of_a_random_set() -> None:
    image = np.random.default_rng(0).random((40, 31)) < 0.3
    sizes = (1, 2, 3, 5, 8, 13, 31)
    found = lacunarity(jnp.asarray(image), sizes)
    assert found == pytest.approx([brute_lacunarity(image, r) for r in sizes], rel=1e-12)
    large = jnp.asarray(np.random.default_rng(1).random((400, 400)) < 0.3)
    law = [1 + 0.7 / 0.3 / r**2 for r in (1, 2, 4)]
    assert lacunarity(large, (1, 2, 4)) == pytest.approx(law, rel=0.02)
    assert lacunarity(jnp.ones((9, 9), jnp.float32), (1, 4)) == pytest.approx([1.0, 1.0])
    assert lacunarity(jnp.zeros((9, 9)), (2,)).tolist() == [0.0]


def test_batches_equal_loops() -> None:
    images = jnp.asarray(np.random.default_rng(2).random((3, 16, 16)))
    lac = jax.jit(jax.vmap(lambda m: lacunarity(m, (1, 3))))(images)
    dim = jax.jit(jax.vmap(lambda m: generalised_dimensions(m, (1, 2, 4)).dimensions))(images)
    for n, image in enumerate(images):
        np.testing.assert_allclose(lac[n], lacunarity(image, (1, 3)), rtol=1e-12)
        single = generalised_dimensions(image, (1, 2, 4)).dimensions
        np.testing.assert_allclose(dim[n], single, rtol=1e-12)


def test_bad_measures_are_refused() -> None:
    good = jnp.ones((8, 8))
    for call in (
        lambda: lacunarity(good[0], (1,)),
        lambda: lacunarity(good, (9,)),
        lambda: generalised_dimensions(good[0], (1, 2)),
        lambda: generalised_dimensions(good, (2, 2)),
        lambda: generalised_dimensions(good, (1, 2), (-1.0,)),
    ):
        with pytest.raises(ParameterError):
            call()
    with pytest.raises(DataError, match="nan"):
        lacunarity(good.at[1, 1].set(jnp.nan), (1,))
    with pytest.raises(DataError, match=r"-2\.0"):
        generalised_dimensions(good.at[1, 1].set(-2.0), (1, 2))


def test_pair_counts_equal_brute_force_with_and_without_a_window() -> None:
    points = np.random.default_rng(3).normal(size=(300, 3))
    distance = np.linalg.norm(points[:, None] - points, axis=-1)
    lag = np.abs(np.subtract.outer(np.arange(300), np.arange(300)))
    radii = np.array([0.3, 0.9, 2.0])
    for theiler in (0, 7):
        found = pair_counts(jnp.asarray(points), jnp.asarray(radii), theiler=theiler)
        expected = [int(np.sum((distance < r) & (lag > theiler))) for r in radii]
        assert found.shape == (3, 3)
        assert found.sum(0).tolist() == expected


def henon_orbit(number: int) -> np.ndarray:
    def step(state: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        state = henon(state)
        return state, state

    _, orbit = jax.lax.scan(step, jnp.asarray([0.1, 0.1]), None, length=number + 100)
    return np.asarray(orbit)[100:]


@pytest.mark.parametrize(
    # Sampling error is 0.01–0.02 at 6000 points; the square loses another 2 % to its edges, and
    # Hénon's C(r) waves by as much. Literature: 1.21–1.22 (Grassberger & Procaccia 1.21 ± 0.01).
    ("name", "exact", "tolerance"),
    [("henon", 1.215, 0.04), ("square", 2.0, 0.05), ("circle", 1.0, 0.03)],
)
@pytest.mark.thorough
def test_correlation_dimension(name: str, exact: float, tolerance: float) -> None:
    rng, number = np.random.default_rng(4), 6000
    angle = rng.uniform(0, 2 * np.pi, number)
    cloud = {
        "henon": lambda: henon_orbit(number),
        "square": lambda: rng.random((number, 2)) + 1e3,
        "circle": lambda: np.stack([np.cos(angle), np.sin(angle)], axis=1),
    }[name]()
    found = correlation_dimension(cloud)
    assert found.dimension == pytest.approx(exact, abs=tolerance)
    assert 0 < found.standard_error < tolerance
    assert np.all(np.diff(found.correlation_sums) >= 0)


@pytest.mark.thorough
def test_theiler_window_removes_what_is_close_in_time_only() -> None:
    """A slow walk round a noisy blob: neighbours in time make it look like a line."""
    rng = np.random.default_rng(5)
    steps = rng.normal(size=(3000, 2))
    walk = np.zeros((3000, 2))
    for n in range(1, 3000):
        walk[n] = 0.995 * walk[n - 1] + 0.02 * steps[n]
    radii = np.geomspace(0.01, 0.05, 8)
    plain = correlation_dimension(walk, radii=radii)
    windowed = correlation_dimension(walk, radii=radii, theiler=300)
    assert plain.dimension < windowed.dimension
    assert windowed.dimension == pytest.approx(2.0, abs=0.15)


def test_bad_clouds_are_refused() -> None:
    good = np.random.default_rng(6).random((60, 2))
    for call in (
        lambda: correlation_dimension(good[:40]),
        lambda: correlation_dimension(good[:, 0]),
        lambda: correlation_dimension(good, theiler=-1),
        lambda: correlation_dimension(good, radii=[0.1, -1.0, 0.2]),
    ):
        with pytest.raises(ParameterError):
            call()
    with pytest.raises(DataError, match="NaN"):
        correlation_dimension(np.where(good > 0.9, np.nan, good))
    with pytest.raises(DataError, match="coincide"):
        correlation_dimension(np.ones((60, 2)))
    with pytest.raises(DataError, match="too few"):
        correlation_dimension(good, radii=[1e-9, 2e-9, 3e-9])


@pytest.mark.thorough
def test_largest_percolation_cluster_scales_with_91_48() -> None:
    slope, error, masses = cluster_mass_scaling(seed=1)
    assert slope == pytest.approx(CLUSTER_DIMENSION, abs=0.03)
    assert error < 0.025
    assert np.all(np.diff(masses) > 0)


def test_largest_cluster_is_one_piece_and_an_empty_lattice_has_none() -> None:
    from scipy import ndimage

    cluster = percolation_cluster(64, seed=2)
    assert ndimage.label(cluster)[1] == 1
    assert percolation_cluster(16, probability=1.0).all()
    with pytest.raises(DataError, match="empty"):
        largest_cluster(np.zeros((4, 4), bool))


def test_integer_densities_are_checked_and_lists_are_images() -> None:
    with pytest.raises(DataError, match=r"mask must hold finite numbers ≥ 0, got -1.0 in it"):
        lacunarity(np.array([[-1, 2], [3, 4]]), (1,))
    plain = [[1.0, 2.0], [3.0, 4.0]]
    np.testing.assert_array_equal(lacunarity(plain, [1, 2]), lacunarity(np.array(plain), (1, 2)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orders_next_to_one_go_over_into_the_information_dimension(dtype: str) -> None:
    """A product of binomial cascades: D_q = 2 log₂(Σp^q)/(1 − q)."""
    line = np.ones(1)
    for _ in range(6):
        line = np.kron(line, [0.3, 0.7])
    measure = np.outer(line, line).astype(dtype)
    orders = (0.0, 0.5, 0.51, 0.999, 0.999999, 1.0, 1.000001, 1.001, 1.49, 1.5, 2.0)
    expected = [
        2 * np.log2(0.3**q + 0.7**q) / (1 - q)
        if q != 1
        else -2 * (0.3 * np.log2(0.3) + 0.7 * np.log2(0.7))
        for q in orders
    ]
    found = generalised_dimensions(measure, (1, 2, 4, 8), orders).dimensions
    np.testing.assert_allclose(found, expected, rtol=2e-5 if dtype == "float32" else 1e-9)
