"""The algebra of rest, noise and classes: closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import DataError, GrayScottModel, Grid, ParameterError, laplacian
from mfnjax.fitting.snapshot import (
    classify_pattern,
    dominant_wavelength,
    estimate_noise,
    imbalance,
    rates_of_fields,
    substrate_at_rest,
    wiener_filter,
)
from mfnjax.fitting.snapshot.smoothing import filtered
from tests.tolerances import RELATIVE

MODEL = GrayScottModel(0.035, 0.061, 0.16, 0.08)


def _bumpy(shape: tuple[int, int], seed: int = 0) -> jax.Array:
    return jnp.asarray(0.2 + 0.05 * np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
@pytest.mark.parametrize("shape", [(16, 24), (15, 17)])
def test_the_two_equations_add_up_to_zero_with_the_substrate_at_rest(boundary, shape):
    grid, v = Grid(shape, boundary=boundary), _bumpy(shape)
    u = substrate_at_rest(MODEL, v, grid)
    total = (
        MODEL.d_u * laplacian(u, grid)
        + MODEL.feed * (1 - u)
        + MODEL.d_v * laplacian(v, grid)
        - (MODEL.feed + MODEL.kill) * v
    )
    np.testing.assert_allclose(total, 0, atol=1e-13)


def test_imbalance_is_minus_the_models_own_rate():
    grid, v = Grid((16, 16)), _bumpy((16, 16))
    u = substrate_at_rest(MODEL, v, grid)
    rate = MODEL.reaction((u, v))[1] + MODEL.d_v * laplacian(v, grid)
    np.testing.assert_allclose(imbalance(MODEL, v, grid), -rate, atol=1e-14)


@pytest.mark.parametrize("c", [0.5, 3.0])
def test_the_scale_of_v_is_degenerate(c):
    """(F, F + k, D_u, D_v, s) → (c²F, c(F + k), c²D_u, cD_v, cs): u stays, the rate scales."""
    grid, v = Grid((16, 16)), _bumpy((16, 16))
    feed, removal = c**2 * MODEL.feed, c * (MODEL.feed + MODEL.kill)
    other = GrayScottModel(feed, removal - feed, c**2 * MODEL.d_u, c * MODEL.d_v)
    rtol = RELATIVE["same_formula", "float64"]
    np.testing.assert_allclose(
        substrate_at_rest(other, c * v, grid), substrate_at_rest(MODEL, v, grid), rtol=rtol
    )
    np.testing.assert_allclose(
        imbalance(other, c * v, grid), c**2 * imbalance(MODEL, v, grid), atol=1e-14 * c**2
    )


def test_rates_of_fields_solve_the_linear_problem_exactly():
    """Fields that are at rest by construction: v free, u at rest, and a source-free check."""
    grid = Grid((16, 16))
    v = _bumpy((16, 16))
    with pytest.raises(DataError, match="do not vary"):
        rates_of_fields(jnp.full((16, 16), 0.5), jnp.full((16, 16), 0.2), grid=grid)
    with pytest.raises(ParameterError, match="u must be"):
        rates_of_fields(jnp.ones((4, 4)), v, grid=grid)
    with pytest.raises(DataError, match="v holds a NaN"):
        rates_of_fields(v, v.at[0, 0].set(jnp.nan), grid=grid)


@pytest.mark.parametrize("known", [{}, {"d_u": 0.16, "d_v": 0.08}])
def test_rates_of_grown_fields(targets, known):
    for target in targets.values():
        rates = rates_of_fields(target.u, target.v, grid=Grid(target.v.shape), **known)
        assert rates["feed"] == pytest.approx(target.model.feed, rel=2e-3)
        assert rates["kill"] == pytest.approx(target.model.kill, rel=1e-3)
        assert rates["d_u"] == pytest.approx(0.16, rel=5e-3)
        assert rates["d_v"] == pytest.approx(0.08, rel=5e-3)


@pytest.mark.parametrize("boundary", ["periodic", "neumann"])
@pytest.mark.parametrize("sigma", [0.02, 0.3])
def test_noise_is_measured_and_filtered(boundary, sigma):
    grid = Grid((96, 96), boundary=boundary)
    x = np.cos(2 * np.pi * (np.arange(96) + 0.5) / 12)
    clean = x[:, None] * x[None, :]
    noise = sigma * np.random.default_rng(1).standard_normal(clean.shape)
    # The short waves are some 1600 modes: a standard error of 2 %.
    assert estimate_noise(clean + noise, grid) == pytest.approx(sigma, rel=0.06)
    factors = wiener_filter(clean + noise, sigma, grid)
    smooth = filtered(clean + noise, factors, grid)
    assert np.std(smooth - clean) < 0.5 * sigma
    np.testing.assert_array_equal(wiener_filter(clean, 0.0, grid), 1)


def test_classes_of_grown_patterns(targets):
    for name, target in targets.items():
        assert classify_pattern(target.v) == name
        # A pattern on a torus is the same wherever its edge is cut.
        assert classify_pattern(np.roll(target.v, (13, 29), (0, 1))) == name
    assert classify_pattern(-targets["spots"].v) == "holes"
    assert classify_pattern(np.full((32, 32), 0.3)) == "uniform"
    with pytest.raises(ParameterError, match="finite field"):
        classify_pattern(np.zeros(4))


@pytest.mark.parametrize("length", [4, 8, 16])
def test_wavelength_of_a_wave(length):
    wave = np.sin(2 * np.pi * np.arange(64) / length)[:, None] * np.ones((1, 64))
    assert dominant_wavelength(wave) == pytest.approx(length, rel=1e-6)
    assert dominant_wavelength(np.ones((16, 16))) == np.inf


@pytest.mark.parametrize("length", [24, 64, 128])
def test_wavelength_of_a_wave_longer_than_the_shorter_side(length):
    wave = np.sin(2 * np.pi * np.arange(384) / length)[:, None] * np.ones((1, 20))
    assert dominant_wavelength(wave) == pytest.approx(length, rel=1e-6)
