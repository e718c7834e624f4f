"""Moments and temporal features where float32 is apt to go wrong."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from feature_oracle import stable_steps
from jax.test_util import check_grads

from mfnjax.features import field_statistics, temporal_features
from mfnjax.features.config import FeatureConfig


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [-0.07, 0.0, 0.04, -0.0612345])
def test_a_constant_field_has_no_spread_at_all(dtype, value):
    result = field_statistics(np.full((37, 41), value, dtype))
    assert (result.std, result.skewness, result.kurtosis) == (0, 0, 0)
    assert result.mean == result.minimum == result.maximum == dtype(value) * dtype(1e3)


def exact_moments(field):
    offsets = (field.astype(np.float64) - np.float64(field[0, 0])) * 1e3
    deviation = offsets - offsets.mean()
    std = np.sqrt(np.mean(deviation**2))
    return (
        float(field[0, 0]) * 1e3 + offsets.mean(),
        std,
        np.mean(deviation**3) / std**3,
        np.mean(deviation**4) / std**4 - 3,
    )


@pytest.mark.parametrize("kind", ["outlier first", "two values", "noise", "faint at zero", "ramp"])
def test_float32_moments_of_a_large_field(kind):
    # 700 × 613 = 429 100 cells: a sum in one float32 chain is off by 1e-4 here.
    rng = np.random.default_rng(0)
    shape = (700, 613)
    field = {
        "outlier first": np.full(shape, -0.07) + rng.normal(0, 1e-6, shape),
        "two values": rng.choice([-0.07, 0.037], shape, p=[0.3, 0.7]),
        "noise": rng.normal(-0.07, 0.005, shape),
        "faint at zero": rng.normal(0, 1e-12, shape),
        "ramp": np.linspace(-0.095, 0.04, shape[0] * shape[1]).reshape(shape),
    }[kind].astype(np.float32)
    if kind == "outlier first":
        field[0, 0] = 0.04
    result = field_statistics(field)
    found = (result.mean, result.std, result.skewness, result.kurtosis)
    for value, reference, scale in zip(
        found, exact_moments(field), (1e-3, 1e-3, 1, 1), strict=True
    ):
        assert abs(float(value) - reference) <= 1e-5 * max(abs(reference), scale)


def test_skewness_and_kurtosis_stop_at_the_documented_sigma():
    pattern = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert field_statistics(pattern * 0.9e-13).kurtosis == 0
    np.testing.assert_allclose(field_statistics(pattern * 1.1e-13).kurtosis, -2)


def test_statistics_of_one_row_and_one_cell():
    assert field_statistics(np.array([[-0.05]])).std == 0
    row = np.linspace(-0.07, -0.05, 5000)[None]
    np.testing.assert_allclose(field_statistics(row).std, row.std() * 1e3, rtol=1e-12)


def test_moments_differentiate():
    field = np.random.default_rng(1).normal(-0.07, 0.005, (4, 5))
    check_grads(lambda x: field_statistics(x)[2:], (field * 1e3,), order=1, modes=("fwd", "rev"))


def slope(energy):
    return np.polyfit(np.arange(len(energy)), energy - energy[0], 1)[0]


@pytest.mark.parametrize("kind", ["drift", "noise", "still", "oscillation"])
def test_float32_energy_trend(kind):
    rng = np.random.default_rng(2)
    time = np.arange(100)[:, None, None]
    still = rng.normal(-0.07, 0.005, (64, 64))
    history = {
        "drift": still + 1e-8 * time,
        "noise": rng.normal(-0.07, 0.005, (100, 64, 64)),
        "still": still + 0 * time,
        "oscillation": still + 1e-3 * np.sin(0.7 * time),
    }[kind].astype(np.float32)
    energy = np.sum((history.astype(np.float64) * 1e3) ** 2, axis=(1, 2))
    found = float(temporal_features(history, 100).energy_trend)
    assert abs(found - slope(energy)) <= 1e-5 * energy.max() / 100
    if kind == "still":
        assert found == 0.0
    if kind == "drift":
        # Far inside the tolerance: the trend itself is right to 1 in 1000.
        np.testing.assert_allclose(found, slope(energy), rtol=1e-3)


def test_ten_thousand_float32_steps_keep_their_digits():
    rng = np.random.default_rng(3)
    history = np.float32(-0.07) + np.float32(0.1) * rng.random((10_000, 2, 3), np.float32)
    exact = history.astype(np.float64) * 1e3
    result = temporal_features(history, 10_000)
    np.testing.assert_allclose(result.change_mean, np.abs(np.diff(exact, axis=0)).mean(), rtol=1e-6)
    energy = np.sum(exact**2, axis=(1, 2))
    assert abs(float(result.energy_trend) - slope(energy)) <= 1e-5 * energy.max() / 10_000


def test_a_linear_ramp_in_closed_form():
    # V_t = −70 mV + t: |ΔV| = 1 mV everywhere, and E is a parabola with a known slope.
    time = np.arange(8.0)
    history = (-0.07 + 1e-3 * time)[:, None, None] * np.ones((1, 3, 4))
    result = temporal_features(history, 8)
    np.testing.assert_allclose([result.change_mean, result.change_max], 1.0, rtol=1e-12)
    np.testing.assert_allclose(result.energy_trend, 12 * (2 * -70 + 7), rtol=1e-11)


@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_time_of_rest_by_example(window):
    # 1: restless difference, 0: calm one. The first run of `window` calm ones decides.
    patterns = ["0000", "1000", "0100", "0010100", "1111", "01001000100001", "1" * 5 + "0" * 10]
    for pattern in patterns:
        steps = np.array([[0.0, 1e-3 * int(digit)] for digit in pattern])
        history = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]) - 0.07
        padded = np.zeros((20, 1, 2))
        total = len(history)
        padded[:total, 0] = history
        found = int(temporal_features(padded, total, 0.001, window).stable_step)
        run = pattern.find("0" * window)
        assert found == (total if run < 0 else run + 1)
        stds = np.array([0.5 * int(digit) for digit in pattern])
        assert {found} == stable_steps(stds, total, FeatureConfig(stability_window=window))


def test_one_frame_has_no_time():
    result = temporal_features(np.full((20, 1, 2), -0.07), 1)
    np.testing.assert_array_equal(result, [np.nan, np.nan, 0, np.nan])


def test_forward_mode_goes_through_the_loop():
    history = jnp.asarray(np.random.default_rng(4).normal(-0.07, 0.01, (5, 3, 3)))
    ones = jnp.ones_like(history)
    _, tangent = jax.jvp(lambda h: temporal_features(h, 5).energy_trend, (history,), (ones,))
    total = 2e6 * history.sum(axis=(1, 2))
    np.testing.assert_allclose(tangent, slope(np.asarray(total)), rtol=1e-9)
