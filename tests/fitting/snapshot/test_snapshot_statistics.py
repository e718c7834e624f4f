"""Statistics of one field: closed forms and gradients; the objectives made of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mfnjax import DataError, GrayScottModel, Grid, ParameterError, fit, simulate
from mfnjax.fitting import snapshot_statistic
from mfnjax.fitting.objectives.snapshot_statistic import STATISTICS
from mfnjax.fitting.snapshot import (
    autocovariance,
    correlation_length,
    radial_power_spectrum,
    soft_histogram,
    structure_function,
)
from tests.tolerances import RELATIVE

RTOL = RELATIVE["same_formula", "float64"]
RANDOM = jnp.asarray(np.random.default_rng(0).standard_normal((12, 16)))


@pytest.mark.parametrize("waves", [1, 3, 7])
def test_power_of_a_single_mode(waves):
    wave = 2.0 * jnp.cos(2 * jnp.pi * waves * jnp.arange(32.0) / 32)[None] + jnp.ones((32, 1))
    expected = np.zeros(17)
    expected[0], expected[waves] = 1.0, 2.0  # mean², amplitude²/2
    np.testing.assert_allclose(radial_power_spectrum(wave), expected, atol=1e-12)


def test_parseval():
    total = radial_power_spectrum(RANDOM, bins=40).sum()
    np.testing.assert_allclose(total, jnp.mean(RANDOM**2), rtol=RTOL)


def test_structure_function_is_the_mean_square_of_differences():
    shift = lambda r: jnp.mean((jnp.roll(RANDOM, r, (0, 1)) - RANDOM) ** 2)  # noqa: E731
    # The shifts with round(|r|) = 1 are the eight neighbours.
    near = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    expected = np.mean([shift(r) for r in near])
    found = structure_function(RANDOM, lags=3)
    np.testing.assert_allclose(found[:2], [0, expected], rtol=1e-12, atol=1e-12)
    covariance = autocovariance(RANDOM)
    np.testing.assert_allclose(2 * (covariance[0, 0] - covariance[2, 5]), shift((2, 5)), rtol=1e-12)


def test_correlation_length_of_a_gaussian_field():
    """C(r) = exp(−r²/2ξ²) has ⟨|∇u|²⟩ = 2/ξ²: ℓ = ξ/√2."""
    xi, side = 6.0, 96
    q = 2 * np.pi * np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    spectrum = np.exp(-(xi**2) * q**2 / 2)
    field = jnp.asarray(np.fft.ifft2(np.sqrt(spectrum)).real)
    # On a torus the mean is taken out, and with it its share of the power.
    share = spectrum[0, 0] / spectrum.sum()
    expected = xi / np.sqrt(2) * np.sqrt(1 - share)
    np.testing.assert_allclose(correlation_length(field), expected, rtol=1e-6)


def test_soft_histogram_tends_to_the_hard_one():
    edges = np.linspace(-2, 2, 9)
    hard = np.histogram(RANDOM, edges)[0] / RANDOM.size
    np.testing.assert_allclose(soft_histogram(RANDOM, edges, 1e-6), hard, atol=1e-12)
    np.testing.assert_allclose(soft_histogram(RANDOM, [-50.0, 50.0], 0.3), 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    "statistic",
    [
        radial_power_spectrum,
        lambda u: soft_histogram(u, [-1.0, 0.0, 1.0], 0.3),
        structure_function,
        correlation_length,
    ],
)
@pytest.mark.thorough
def test_gradients(statistic):
    check_grads(statistic, (RANDOM,), order=2, modes=("fwd", "rev"))
    with pytest.raises(ParameterError, match="a field must"):
        statistic(jnp.ones(4))


@pytest.fixture(scope="module")
def run():
    grid, truth = Grid((16, 16)), GrayScottModel(0.04, 0.06)
    start = truth.initial_state(grid, key=jax.random.key(0))
    image = simulate(truth, start, grid=grid, steps=40).state["v"]
    return truth, image, {"observed": "v", "start": start, "grid": grid, "steps": 40}


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.thorough
def test_objective_is_zero_at_the_truth_and_its_gradient_is_right(run, statistic):
    truth, image, settings = run
    objective = snapshot_statistic(statistic, image, **settings)
    assert float(objective(truth)) == pytest.approx(0, abs=1e-20)

    def loss(kill):
        return objective(GrayScottModel(0.04, kill))

    at, step = 0.066, 1e-6
    slope = jax.grad(loss)(at)
    difference = (loss(at + step) - loss(at - step)) / (2 * step)
    assert slope == pytest.approx(float(difference), rel=1e-5)
    assert float(loss(at)) > 0


@pytest.mark.thorough
def test_statistics_are_added_and_fitted(run):
    truth, image, settings = run
    terms = [snapshot_statistic(name, image, **settings) for name in ("spectrum", "histogram")]
    result = fit(GrayScottModel(0.04, 0.064), terms[0] + 0.5 * terms[1], free=["kill"])
    assert result.parameters["kill"] == pytest.approx(float(truth.kill), rel=1e-4)


def test_bad_input_is_named(run):
    _, image, settings = run
    with pytest.raises(ParameterError, match="statistic must be one of"):
        snapshot_statistic("colour", image, **settings)
    with pytest.raises(ParameterError, match="observed must be one of u, v"):
        snapshot_statistic("length", image, **(settings | {"observed": "w"}))
    with pytest.raises(ParameterError, match="grid's shape"):
        snapshot_statistic("length", image[:4], **settings)
    with pytest.raises(DataError, match="NaN"):
        snapshot_statistic("length", image.at[0, 0].set(jnp.nan), **settings)
    with pytest.raises(DataError, match=r"every cell is 0\.3"):
        snapshot_statistic("length", jnp.full((16, 16), 0.3), **settings)
    with pytest.raises(ParameterError, match="scale must"):
        snapshot_statistic("length", image, scale=0.0, **settings)
