"""Exponents of systems whose exponents are known, and the sum rule along each orbit."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax.errors import DataError, ParameterError
from mfnjax.fractal.attractors import henon, logistic, lorenz, rk4_step, roessler, standard_map
from mfnjax.fractal.divergence import divergence_rate
from mfnjax.fractal.lyapunov import kaplan_yorke_dimension, lyapunov_exponents

SIDE, ALPHA = 4, 0.11
WAVE = 2 * np.cos(2 * np.pi * np.arange(SIDE) / SIDE) - 2
FACTORS = np.abs(1 + ALPHA * (WAVE[:, None] + WAVE)).ravel()


def diffuse(state: dict) -> dict:
    """One explicit step of diffusion on a periodic grid; its modes shrink by FACTORS."""
    v = state["v"]
    neighbours = sum(jnp.roll(v, s, a) for s in (1, -1) for a in (0, 1))
    return {"v": v + ALPHA * (neighbours - 4 * v)}


def assert_sum_rule(found) -> None:
    """The exponents add up to the mean log-volume rate, found another way."""
    assert float(jnp.sum(found.exponents)) == pytest.approx(float(found.log_volume_rate), abs=1e-6)


def test_henon() -> None:
    found = lyapunov_exponents(henon, jnp.asarray([0.1, 0.1]), 2, steps=100_000)
    assert found.exponents == pytest.approx([0.41922, -1.62319], rel=0.01)
    assert float(found.log_volume_rate) == pytest.approx(math.log(0.3), abs=1e-9)
    assert_sum_rule(found)
    assert kaplan_yorke_dimension(found.exponents) == pytest.approx(1.2583, abs=0.005)


def test_logistic_is_ln_2() -> None:
    found = lyapunov_exponents(logistic, jnp.asarray([0.3]), 1, steps=50_000)
    assert float(found.exponents[0]) == pytest.approx(math.log(2), rel=0.01)
    assert_sum_rule(found)


def test_standard_map_is_ln_half_the_kick() -> None:
    found = lyapunov_exponents(standard_map, jnp.asarray([0.3, 0.2]), 2, steps=50_000)
    assert float(found.exponents[0]) == pytest.approx(math.log(5), rel=0.02)
    assert float(found.exponents[1]) == pytest.approx(-float(found.exponents[0]), abs=1e-9)
    assert_sum_rule(found)


@pytest.mark.thorough
def test_lorenz() -> None:
    found = lyapunov_exponents(
        rk4_step(lorenz, 0.01), jnp.asarray([1.0, 1.0, 20.0]), 3, steps=200_000, dt=0.01
    )
    assert float(found.exponents[0]) == pytest.approx(0.9056, rel=0.01)
    assert abs(float(found.exponents[1])) < 0.005
    assert float(found.exponents[2]) == pytest.approx(-14.5723, rel=0.01)
    assert float(jnp.sum(found.exponents)) == pytest.approx(-41 / 3, abs=1e-3)
    assert_sum_rule(found)


def test_roessler() -> None:
    found = lyapunov_exponents(
        rk4_step(roessler, 0.03), jnp.asarray([1.0, 1.0, 0.0]), 3, steps=150_000, dt=0.03
    )
    assert float(found.exponents[0]) == pytest.approx(0.0714, rel=0.03)
    assert abs(float(found.exponents[1])) < 0.005
    assert float(found.exponents[2]) == pytest.approx(-5.3943, rel=0.03)
    assert_sum_rule(found)


@pytest.mark.thorough
def test_field_on_a_grid_has_the_decay_rates_of_diffusion() -> None:
    """Every exponent in closed form: ln of the eigenvalues of one explicit step; a pytree state."""
    expected = np.sort(np.log(FACTORS))[::-1]
    start = {"v": jax.random.normal(jax.random.key(1), (SIDE, SIDE))}
    found = lyapunov_exponents(diffuse, start, 5, steps=400, transient=400)
    assert found.exponents == pytest.approx(expected[:5], abs=1e-6)
    assert found.state["v"].shape == (SIDE, SIDE)
    assert math.isnan(float(found.log_volume_rate))
    every = lyapunov_exponents(diffuse, start, SIDE * SIDE, steps=40, transient=400)
    assert_sum_rule(every)
    assert float(every.log_volume_rate) == pytest.approx(np.log(FACTORS).sum(), abs=1e-9)


def test_seldom_factorising_changes_nothing_while_directions_stay_apart() -> None:
    start = {"v": jax.random.normal(jax.random.key(1), (SIDE, SIDE))}
    one, two = (
        lyapunov_exponents(diffuse, start, 3, steps=80, transient=20, qr_every=n) for n in (1, 2)
    )
    np.testing.assert_allclose(two.exponents, one.exponents, atol=1e-9)


def test_kaplan_yorke_limits() -> None:
    assert kaplan_yorke_dimension([-1.0, -2.0]) == 0.0
    assert kaplan_yorke_dimension([0.3, 0.1]) == 2.0
    assert kaplan_yorke_dimension([-2.0, 1.0]) == pytest.approx(1.5)
    with pytest.raises(ParameterError, match="finite"):
        kaplan_yorke_dimension([0.1, math.nan])


def test_bad_input_is_refused() -> None:
    start = jnp.asarray([0.1, 0.1])
    for options in ({"steps": 0}, {"steps": 9, "dt": 0.0}, {"steps": 9, "transient": -1}):
        with pytest.raises(ParameterError):
            lyapunov_exponents(henon, start, 2, **options)
    with pytest.raises(ParameterError, match="k must"):
        lyapunov_exponents(henon, start, 3, steps=10)
    with pytest.raises(ParameterError, match="floating"):
        lyapunov_exponents(henon, jnp.asarray([1, 2]), 1, steps=10)
    with pytest.raises(DataError, match="NaN"):
        lyapunov_exponents(henon, jnp.asarray([50.0, 0.0]), 1, steps=100)


def oracle(history: np.ndarray, dt: float) -> float:
    norms = np.linalg.norm(np.diff(history.reshape(len(history), -1), axis=0), axis=1)
    norms = norms[norms > 1e-10]
    return float(np.mean(np.log(norms)) / dt) if len(norms) else 0.0


def test_divergence_rate_equals_the_documented_formula() -> None:
    history = np.random.default_rng(0).normal(size=(30, 5, 4))
    history[10] = history[9]  # a step below the cut is left out
    history[20] = history[19] + 1e-12
    rate = divergence_rate(jnp.asarray(history), 0.5)
    assert float(rate) == pytest.approx(oracle(history, 0.5), rel=1e-12)
    batch = jnp.asarray(np.stack([history, 2 * history]))
    looped = [float(divergence_rate(one)) for one in batch]
    assert jax.vmap(divergence_rate)(batch) == pytest.approx(looped, rel=1e-12)


def test_divergence_rate_of_an_exponential_and_of_a_rest() -> None:
    times = jnp.arange(100.0)
    grown = jnp.exp(0.05 * times)[:, None] * jnp.ones(4)
    # ln of a step is 0.05·t + const, so its mean is taken at the middle of the run.
    expected = 0.05 * 98 / 2 + math.log((math.exp(0.05) - 1) * 2)
    assert float(divergence_rate(grown)) == pytest.approx(expected)
    assert float(divergence_rate(jnp.ones((5, 3)))) == 0.0
    assert math.isnan(float(divergence_rate(jnp.ones((5, 3)).at[2].set(jnp.nan))))
    with pytest.raises(ParameterError, match="two states"):
        divergence_rate(jnp.ones((1, 3)))


@pytest.mark.thorough
def test_divergence_rate_gradients_also_at_a_rest() -> None:
    history = jnp.asarray(np.random.default_rng(1).normal(size=(6, 3, 3)))
    history = history.at[3].set(history[2])

    def rest(h: jax.Array) -> jax.Array:
        return divergence_rate(jnp.asarray(h).at[3].set(h[2]))

    check_grads(rest, (history,), order=1, modes=("fwd", "rev"), rtol=1e-6)
    assert np.all(np.isfinite(jax.grad(divergence_rate)(history)))
    assert divergence_rate(history.astype(jnp.float32)).dtype == jnp.float32
