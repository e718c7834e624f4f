"""Jacobians, symbols and growth rates against NumPy and closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from kinetics import brusselator, diffusion, schnakenberg

from mfnjax import stability
from mfnjax.errors import ParameterError

RNG = np.random.default_rng(5)


def test_jacobian_of_schnakenberg_by_hand() -> None:
    a, b = 0.2, 1.3
    u, v = a + b, b / (a + b) ** 2
    expected = [[-1 + 2 * u * v, u**2], [-2 * u * v, -(u**2)]]
    computed = stability.jacobian(schnakenberg(a, b), [u, v])
    np.testing.assert_allclose(computed, expected, rtol=1e-14)


def test_symbol_of_cross_diffusion_and_of_swift_hohenberg() -> None:
    def crossed(u, laplacian):
        return laplacian(u[0]) + 3 * laplacian(u[1]), 0.5 * laplacian(u[1])

    symbol = stability.transport_symbol(crossed, [1.0, 1.0], 2.0)
    np.testing.assert_allclose(symbol, [[-4.0, -12.0], [0.0, -2.0]], rtol=1e-15)

    def swift_hohenberg(u, laplacian):
        once = u[0] + laplacian(u[0])
        return (-(once + laplacian(once)),)

    for q in (0.0, 1.0, 1.7):
        symbol = stability.transport_symbol(swift_hohenberg, [0.3], q)
        np.testing.assert_allclose(symbol, [[-((1 - q**2) ** 2)]], atol=1e-15)


def test_five_point_symbol_is_the_eigenvalue_of_the_stencil() -> None:
    n, h, mode = 32, 0.5, 5
    q = 2 * np.pi * mode / (n * h)
    wave = np.cos(q * h * np.arange(n))
    lap = (np.roll(wave, 1) + np.roll(wave, -1) - 2 * wave) / h**2
    np.testing.assert_allclose(lap, stability.five_point_laplacian(q, h) * wave, atol=1e-13)
    assert float(stability.five_point_laplacian(1e-4)) == pytest.approx(-1e-8, rel=1e-8)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_leading_eigenvalue_equals_numpy(size: int) -> None:
    matrices = RNG.normal(size=(200, size, size))
    matrices[:100, 0, 0] -= 30.0  # well separated: where trace/2 + root would cancel
    real, imaginary = stability.leading_eigenvalue(jnp.asarray(matrices))
    values = np.linalg.eigvals(matrices)
    leaders = np.take_along_axis(values, values.real.argmax(-1)[:, None], -1)[:, 0]
    np.testing.assert_allclose(real, leaders.real, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(imaginary, np.abs(leaders.imag), rtol=1e-10, atol=1e-12)


def test_a_small_leading_eigenvalue_keeps_its_digits() -> None:
    """λ = −1e-12 beside −1: trace/2 + √… would leave four digits of it."""
    matrix = jnp.array([[-1.0, 0.0], [0.0, -1e-12]])
    assert float(stability.leading_eigenvalue(matrix)[0]) == pytest.approx(-1e-12, rel=1e-14)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "matrix",
    [
        [[0.8, 1.0], [-1.8, -6.0]],  # real, negative trace
        [[2.0, 1.0], [0.5, 0.1]],  # real, positive trace
        [[0.1, 1.0], [-1.8, -0.3]],  # complex
        [[-1.0, 0.3, 0.0], [0.2, -2.0, 0.4], [0.0, 0.5, -3.0]],
    ],
)
def test_growth_rate_gradients(matrix: list) -> None:
    j = jnp.array(matrix)
    check_grads(
        lambda m: stability.growth_rate(m, jnp.zeros_like(m)), (j,), order=1, modes=["fwd", "rev"]
    )


def test_gradient_is_finite_where_eigenvalues_meet() -> None:
    slope = jax.grad(lambda m: stability.leading_eigenvalue(m)[0])
    for matrix in (jnp.zeros((2, 2)), -jnp.eye(2), jnp.array([[1.0, 1.0], [0.0, 1.0]])):
        np.testing.assert_allclose(slope(matrix), 0.5 * np.eye(2), atol=1e-15)


def test_dispersion_equals_numpy_and_a_loop() -> None:
    q = np.linspace(0.0, 2.0, 7)
    reaction, transport = brusselator(3.0, 4.0), diffusion(1.0, 10.0)
    sigma, omega = stability.dispersion(reaction, transport, [3.0, 4 / 3], q)
    j = np.array([[3.0, 9.0], [-4.0, -9.0]])
    for k, wavenumber in enumerate(q):
        values = np.linalg.eigvals(j - wavenumber**2 * np.diag([1.0, 10.0]))
        leader = values[values.real.argmax()]
        assert float(sigma[k]) == pytest.approx(leader.real, rel=1e-12)
        assert float(omega[k]) == pytest.approx(abs(leader.imag), rel=1e-10, abs=1e-12)
    jitted = jax.jit(
        lambda w: stability.dispersion(reaction, transport, jnp.array([3.0, 4 / 3]), w)[0]
    )
    np.testing.assert_allclose(jitted(q), sigma, rtol=1e-12)


def test_float32_stays_float32() -> None:
    state = jnp.array([3.0, 4 / 3], jnp.float32)
    sigma, _ = stability.dispersion(brusselator(3.0, 4.0), diffusion(1.0, 10.0), state, [0.5])
    assert sigma.dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stability.jacobian(schnakenberg(0.1, 0.9), [[1.0, 2.0]]), "must be a vector"),
        (lambda: stability.jacobian(schnakenberg(0.1, 0.9), []), "must be a vector"),
        (lambda: stability.jacobian(lambda u: (u[0],), [1.0, 2.0]), "the reaction gives 1 rates"),
        (
            lambda: stability.transport_symbol(lambda u, lap: (lap(u[0]),), [1.0, 2.0], 1.0),
            "the transport gives 1 rates",
        ),
        (
            lambda: stability.dispersion(
                schnakenberg(0.1, 0.9), diffusion(1.0, 2.0), [1.0, 0.9], 1.0
            ),
            "wavenumbers must be a vector",
        ),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


def test_integers_are_taken_as_numbers() -> None:
    assert stability.jacobian(lambda u: (u[0] ** 2,), [3]).tolist() == [[6.0]]


@pytest.mark.parametrize(
    ("transport", "symbol"),
    [
        (lambda u, lap: (3.0 * lap(u[0] * u[0]),), lambda u, q: -6.0 * u * q**2),
        (lambda u, lap: (3.0 * u[0] * lap(u[0]),), lambda u, q: -3.0 * u * q**2),
        (lambda u, lap: (lap(u[0]) ** 2 - lap(lap(u[0])),), lambda u, q: -(q**4)),
    ],
)
def test_a_transport_that_is_not_linear_is_linearised(transport, symbol):
    state, q = 0.7, 1.3
    found = stability.transport_symbol(transport, [state], q)
    np.testing.assert_allclose(found, [[symbol(state, q)]], rtol=1e-12)
    by_state = jax.grad(lambda u: stability.transport_symbol(transport, jnp.array([u]), q)[0, 0])(
        state
    )
    slope = (symbol(state + 1e-6, q) - symbol(state - 1e-6, q)) / 2e-6
    np.testing.assert_allclose(by_state, slope, rtol=1e-7)
