"""The documented validation cycle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mfnjax.errors import ParameterError
from mfnjax.v41.config import VALIDATION_RUNS as RUNS
from mfnjax.v41.run import SimulationConfig, run_mycelium_simulation
from mfnjax.v41.validation import (
    ValidationConfig,
    network_inputs,
    run_validation,
    validation_target,
)

pytestmark = pytest.mark.thorough

SMALL = {"grid_size": 16, "steps": 8}


def test_loss_falls_in_five_epochs_for_twenty_seeds():
    for seed in range(20):
        report = run_validation(ValidationConfig(seed=seed, epochs=5, **SMALL))
        assert report.loss_final < report.loss_start, seed
        assert report.loss_drop == report.loss_start - report.loss_final


def test_the_report_is_what_the_runs_say():
    report = run_validation(ValidationConfig(seed=7, **SMALL))
    runs = [run_mycelium_simulation(SimulationConfig(seed=7 + k, **SMALL)) for k in range(RUNS)]
    assert report.pot_min_mV == pytest.approx(1e3 * min(run.field.min() for run in runs))
    assert report.pot_max_mV == pytest.approx(1e3 * max(run.field.max() for run in runs))
    assert report.growth_events == runs[0].growth_events
    assert report.lyapunov_exponent < 0
    closed_form = 1e3 * 8.314462618 * 310.15 / 96485.33212 * math.log(5 / 140)
    assert report.nernst_symbolic_mV == pytest.approx(closed_form, rel=1e-9)
    assert report.nernst_numeric_mV == pytest.approx(closed_form, rel=1e-5)
    assert run_validation(ValidationConfig(seed=7, **SMALL)) == report
    assert list(report.to_dict()) == [
        "loss_start",
        "loss_final",
        "loss_drop",
        "pot_min_mV",
        "pot_max_mV",
        "example_fractal_dim",
        "lyapunov_exponent",
        "growth_events",
        "nernst_symbolic_mV",
        "nernst_numeric_mV",
    ]


def test_the_four_inputs_and_the_target():
    run = run_mycelium_simulation(SimulationConfig(seed=3, **SMALL))
    field = run.field.astype(np.float64)
    inputs = network_inputs(run)
    np.testing.assert_allclose(
        inputs[1:], 100 * np.array([field.mean(), field.std(), field.max()]), rtol=1e-5
    )
    np.testing.assert_allclose(validation_target(np.array([1.5, -7.0, 0.5, -5.0])), -0.7)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 2**32 - 15},
        {"epochs": 0},
        {"epochs": 101},
        {"batch_size": 65},
        {"grid_size": 4},
        {"steps": 1001},
        {"turing_enabled": 2},
        {"quantum_jitter": "yes"},
    ],
)
def test_out_of_range(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        ValidationConfig(**options)


def test_config_round_trip():
    config = ValidationConfig(seed=1, epochs=3)
    assert ValidationConfig.from_dict(config.to_dict()) == config
