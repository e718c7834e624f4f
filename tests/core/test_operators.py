"""The Laplacian: against closed forms, its own symmetry, and its measured order."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax.core import Grid, laplacian, largest_stable_step

BOUNDARIES = ("periodic", "neumann", "dirichlet")
SHAPES = ((5, 8), (7, 7), (1, 9), (9, 1), (2, 3))


def dense_laplacian(shape: tuple[int, int], boundary: str) -> np.ndarray:
    """The operator as a matrix, cell by cell from its definition."""
    height, width = shape
    matrix = np.zeros((height * width, height * width))
    axes = [(1, 0)] * (height > 1) + [(0, 1)] * (width > 1)
    for row in range(height):
        for column in range(width):
            here = row * width + column
            for dr, dc in axes:
                for sign in (1, -1):
                    r, c = row + sign * dr, column + sign * dc
                    inside = 0 <= r < height and 0 <= c < width
                    matrix[here, here] -= 1
                    if inside or boundary == "periodic":
                        matrix[here, (r % height) * width + c % width] += 1
                    elif boundary == "neumann":
                        matrix[here, here] += 1
    return matrix


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_dense_matrix(shape: tuple[int, int], boundary: str) -> None:
    field = np.random.default_rng(0).normal(size=shape)
    spacing = 0.7
    ours = laplacian(jnp.asarray(field), Grid(shape, spacing, boundary))
    expected = (dense_laplacian(shape, boundary) @ field.ravel()).reshape(shape) / spacing**2
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_is_its_own_transpose(boundary: str) -> None:
    """The declaration that reverse mode relies on: ⟨x, ∇²y⟩ = ⟨∇²x, y⟩."""
    grid = Grid((6, 9), 1.0, boundary)
    x, y = np.random.default_rng(1).normal(size=(2, 6, 9))
    left = np.vdot(x, laplacian(jnp.asarray(y), grid))
    right = np.vdot(laplacian(jnp.asarray(x), grid), y)
    assert left == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("shape", [(4, 5), (1, 6)])
@pytest.mark.thorough
def test_gradients_to_order_two(shape: tuple[int, int], boundary: str) -> None:
    grid = Grid(shape, 1.3, boundary)
    field = jnp.asarray(np.random.default_rng(2).normal(size=shape))
    check_grads(lambda u: laplacian(u**3, grid), (field,), order=2, modes=["fwd", "rev"])


def test_gradient_with_respect_to_the_spacing() -> None:
    field = jnp.asarray(np.random.default_rng(3).normal(size=(4, 5)))
    check_grads(lambda h: laplacian(field, Grid((4, 5), h)), (1.3,), order=1, eps=1e-5)


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
def test_conserves_the_sum(boundary: str) -> None:
    field = jnp.asarray(np.random.default_rng(4).normal(size=(11, 6)))
    total = laplacian(field, Grid((11, 6), 1.0, boundary)).sum()
    assert abs(float(total)) < 1e-12


def test_second_order_in_space_against_the_exact_heat_solution() -> None:
    """u = e^{−2Dt}·cos x·cos y on a torus: the error of a run falls like dx²."""
    errors, sizes = [], (16, 32, 64)
    for size in sizes:
        spacing = 2 * np.pi / size
        x = np.arange(size) * spacing
        start = np.cos(x)[:, None] * np.cos(x)[None, :]
        grid = Grid((size, size), spacing)
        steps = 40 * (size // 16) ** 2  # dt falls like dx², so its error does too
        dt = 0.5 / steps
        u = jax.lax.fori_loop(
            0, steps, lambda _, u, g=grid, h=dt: u + h * laplacian(u, g), jnp.asarray(start)
        )
        errors.append(float(jnp.max(jnp.abs(u - np.exp(-1.0) * start))))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert np.all(orders >= 1.9), (errors, orders)


@pytest.mark.parametrize(("shape", "axes"), [((8, 8), 2), ((1, 8), 1)])
def test_the_stable_step_is_the_largest(shape: tuple[int, int], axes: int) -> None:
    """At the bound the fastest mode alternates and stays; 1 % over it grows."""
    grid = Grid(shape, 0.5)
    bound = largest_stable_step(2.0, grid)
    assert bound == pytest.approx(0.5**2 / (2 * axes * 2.0))
    rows, columns = np.indices(shape)
    checkerboard = jnp.asarray((-1.0) ** (rows + columns))

    def after(dt: float) -> float:
        u = checkerboard
        for _ in range(10):
            u = u + dt * 2.0 * laplacian(u, grid)
        return float(jnp.max(jnp.abs(u)))

    assert after(bound) == pytest.approx(1.0, rel=1e-12)
    assert after(1.01 * bound) > 1.1


def test_vmap_equals_a_loop() -> None:
    grid = Grid((5, 6), 1.0, "neumann")
    fields = jnp.asarray(np.random.default_rng(5).normal(size=(3, 5, 6)))
    batched = jax.vmap(lambda u: laplacian(u, grid))(fields)
    looped = jnp.stack([laplacian(u, grid) for u in fields])
    np.testing.assert_array_equal(batched, looped)
