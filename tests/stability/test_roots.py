"""Homogeneous states and critical parameters against closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinetics import brusselator, diffusion, schnakenberg, v41_pair

from mfnjax import GrayScottModel, stability
from mfnjax.errors import ParameterError


def test_single_states_to_the_last_digits() -> None:
    states = stability.homogeneous_states(schnakenberg(0.1, 0.9), bounds=[(0, 5), (0, 5)])
    np.testing.assert_allclose(states, [[1.0, 0.9]], rtol=1e-13)
    states = stability.homogeneous_states(brusselator(4.5, 7.0), guesses=[[1.0, 1.0], [5.0, 2.0]])
    np.testing.assert_allclose(states, [[4.5, 7 / 4.5]], rtol=1e-13)


def test_gray_scott_has_its_three_states() -> None:
    f, k = 0.03, 0.05
    states = stability.homogeneous_states(
        lambda u: (-u[0] * u[1] ** 2 + f * (1 - u[0]), u[0] * u[1] ** 2 - (f + k) * u[1]),
        bounds=[(0, 1), (0, 1)],
    )
    # v = f(1 − u)/(f + k) and uv = f + k.
    root = np.sqrt(1 - 4 * (f + k) ** 2 / f)
    u = np.array([(1 - root) / 2, (1 + root) / 2, 1.0])
    np.testing.assert_allclose(states, np.c_[u, f * (1 - u) / (f + k)], rtol=1e-12, atol=1e-15)


def test_double_root_is_found_once_and_exactly_at_zero() -> None:
    states = stability.homogeneous_states(v41_pair(), bounds=[(-1, 1), (-1, 1)])
    assert states.tolist() == [[0.0, 0.0]]


def test_no_state_and_states_outside_the_bounds() -> None:
    empty = stability.homogeneous_states(lambda u: (u[0] ** 2 + 1,), bounds=[(-2, 2)], starts=8)
    assert empty.shape == (0, 1)
    cubic = lambda u: (u[0] - u[0] ** 3,)  # noqa: E731
    states = stability.homogeneous_states(cubic, bounds=[(0.5, 3)], guesses=[-1.0], starts=8)
    np.testing.assert_allclose(states, [[1.0]], rtol=1e-14)


def test_three_fields() -> None:
    """Lorenz with ρ = 28, σ = 10, β = 8/3: the origin and ±(√(β(ρ − 1)), …, ρ − 1)."""
    states = stability.homogeneous_states(
        lambda u: (
            10 * (u[1] - u[0]),
            u[0] * (28 - u[2]) - u[1],
            u[0] * u[1] - 8 / 3 * u[2],
        ),
        bounds=[(-20, 20), (-20, 20), (-5, 40)],
    )
    c = np.sqrt(72)
    np.testing.assert_allclose(states, [[-c, -c, 27], [0, 0, 0], [c, c, 27]], atol=1e-11)


@pytest.mark.thorough
def test_steady_state_is_differentiable_through_the_implicit_function() -> None:
    def state(a: jax.Array, b: jax.Array) -> jax.Array:
        return stability.steady_state(schnakenberg(a, b), [0.8, 1.0])

    a, b = jnp.array(0.1), jnp.array(0.9)
    np.testing.assert_allclose(state(a, b), [1.0, 0.9], rtol=1e-14)
    expected = [1.0, 1.0 - 2 * 0.9]  # d/db of (a + b, b/(a + b)²)
    np.testing.assert_allclose(jax.jacfwd(state, argnums=1)(a, b), expected, rtol=1e-12)
    np.testing.assert_allclose(jax.jacrev(state, argnums=1)(a, b), expected, rtol=1e-12)
    batched = jax.vmap(lambda x: state(a, x))(jnp.array([0.9, 1.2]))
    np.testing.assert_allclose(batched[1], [1.3, 1.2 / 1.69], rtol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "expected"), [(0.1, 0.9, 8.567627), (0.2, 1.3, 22.452630), (0.05, 1.4, 13.850356)]
)
@pytest.mark.thorough
def test_schnakenberg_critical_ratio(a: float, b: float, expected: float) -> None:
    reaction = schnakenberg(a, b)
    state = stability.homogeneous_states(reaction, bounds=[(0, 4), (0, 4)], starts=16)[0]
    searched = stability.critical_parameter(
        lambda d: stability.fastest_mode(reaction, diffusion(1.0, d), state).growth, (2.0, 60.0)
    )
    assert searched == pytest.approx(expected, abs=1e-6)
    closed = stability.turing_critical_ratio(stability.jacobian(reaction, state))
    assert float(closed) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("a", "d_x", "d_y", "expected"), [(3.0, 1.0, 10.0, 3.797367), (4.5, 7.0, 56.0, 6.713231)]
)
@pytest.mark.thorough
def test_brusselator_critical_b(a: float, d_x: float, d_y: float, expected: float) -> None:
    def growth(b: float) -> float:
        return stability.fastest_mode(
            brusselator(a, b), diffusion(d_x, d_y), np.array([a, b / a])
        ).growth

    computed = stability.critical_parameter(growth, (1.0, 9.0))
    assert computed == pytest.approx(expected, abs=1e-6)
    assert computed == pytest.approx((1 + a * np.sqrt(d_x / d_y)) ** 2, rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stability.homogeneous_states(v41_pair()), "needs bounds or guesses"),
        (lambda: stability.homogeneous_states(v41_pair(), bounds=[(0, 1, 2)]), "one finite"),
        (lambda: stability.homogeneous_states(v41_pair(), bounds="no"), "one finite"),
        (lambda: stability.homogeneous_states(v41_pair(), bounds=[(1, 0)] * 2), "low < high"),
        (lambda: stability.homogeneous_states(v41_pair(), guesses=[[np.nan, 0]]), "finite"),
        (
            lambda: stability.homogeneous_states(v41_pair(), guesses=[[0.0]], bounds=[(0, 1)] * 2),
            "guesses have 1 fields, bounds 2",
        ),
        (lambda: stability.homogeneous_states(v41_pair(), bounds=[(0, 1)] * 2, starts=0), "starts"),
        (lambda: stability.critical_parameter(lambda p: p + 1, (0, 1)), "change its sign"),
        (lambda: stability.critical_parameter(lambda p: np.nan, (0, 1)), "must be finite"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: stability.homogeneous_states(3, bounds=[(0, 1)]), "reaction"),
        (lambda: stability.homogeneous_states(lambda u: u, guesses="a"), "guesses"),
        (lambda: stability.critical_parameter(lambda p: p, (1,)), "bracket"),
        (lambda: stability.analyse(GrayScottModel(), bounds=[(0, 1)]), "bounds"),
        (lambda: stability.analyse(GrayScottModel(), guesses=[[1.0]]), "guesses"),
    ],
)
def test_wrong_arguments_are_named(call, name: str) -> None:
    with pytest.raises(ParameterError, match=rf"^{name} "):
        call()
