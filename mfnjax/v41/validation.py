"""The documented validation cycle: simulate, measure, train a little, report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from mfnjax._checks import check_kind
from mfnjax.core.units import BODY_TEMPERATURE_K, FARADAY_CONSTANT, GAS_CONSTANT
from mfnjax.features.config import FeatureConfig
from mfnjax.fractal.ifs import chaos_game, random_similarity_system
from mfnjax.membrane import nernst_potential_mv
from mfnjax.network.model import NetworkConfig, init_network
from mfnjax.network.step import mean_loss
from mfnjax.network.training import TrainOptions, check_data, train
from mfnjax.v41.config import VALIDATION_RUNS, SimulationConfig, ValidationConfig
from mfnjax.v41.result import SimulationResult
from mfnjax.v41.run import compute_fractal_features, run_mycelium_simulation

POTENTIAL_SCALE = 100.0
"""The network's potentials are volts times this, so that they are of order 1."""

K_OUT_MOLAR, K_IN_MOLAR = 0.005, 0.140


@dataclasses.dataclass(frozen=True)
class ValidationReport:
    """What a validation cycle found.

    Attributes:
        loss_start: Mean squared error over all 16 before the first update.
        loss_final: The same after the last.
        loss_drop: loss_start − loss_final.
        pot_min_mV: Lowest potential of the 16 final fields.
        pot_max_mV: Highest.
        example_fractal_dim: D_box of the first run's field.
        lyapunov_exponent: Mean ln|det J| of a random IFS run, < 0 (the sum of both exponents).
        growth_events: Of the first run.
        nernst_symbolic_mV: K⁺ 140/5 mM at 37 °C by the closed form.
        nernst_numeric_mV: The same by `mfnjax.membrane`.
    """

    loss_start: float
    loss_final: float
    loss_drop: float
    pot_min_mV: float
    pot_max_mV: float
    example_fractal_dim: float
    lyapunov_exponent: float
    growth_events: int
    nernst_symbolic_mV: float
    nernst_numeric_mV: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers by their documented names."""
        return dataclasses.asdict(self)


def network_inputs(result: SimulationResult) -> np.ndarray:
    """The four standard inputs of a run: D_box, and mean, std and max potential (V × 100)."""
    features = compute_fractal_features(result.field, FeatureConfig())
    scale = POTENTIAL_SCALE / 1e3
    potentials = [scale * features[name] for name in ("V_mean", "V_std", "V_max")]
    return np.array([features["D_box"], *potentials])


def validation_target(inputs: np.ndarray) -> np.ndarray:
    """0.5·D + 0.2·mean − 0.1·std of the scaled inputs (…, 4)."""
    return 0.5 * inputs[..., 0] + 0.2 * inputs[..., 1] - 0.1 * inputs[..., 2]


def run_validation(
    config: ValidationConfig | None = None, *, progress: Callable[[int, int], None] | None = None
) -> ValidationReport:
    """Run the documented validation cycle.

    16 simulations with the seeds seed … seed + 15 give the four inputs; the network is trained
    on the target 0.5·D + 0.2·mean − 0.1·std by Adam 1e-3.

    Args:
        config: `ValidationConfig`; None is the documented default.
        progress: Called with (runs done, runs in all) after each simulation.

    Returns:
        `ValidationReport`. The same configuration gives the same report.

    Raises:
        NumericalInstabilityError: A run or the training met a NaN or an infinity.

    Examples:
        >>> from mfnjax.v41.validation import ValidationConfig, run_validation
        >>> report = run_validation(ValidationConfig(grid_size=16, steps=8, epochs=5))
        >>> report.loss_final < report.loss_start, report.lyapunov_exponent < 0
        (True, True)
    """
    config = ValidationConfig() if config is None else config
    check_kind("config", config, ValidationConfig)
    runs = _simulate(config, progress)
    inputs = np.stack([network_inputs(run) for run in runs])
    loss_start, loss_final = _train(config, inputs)
    ifs_key, run_key = jax.random.split(jax.random.key(config.seed))
    ifs = chaos_game(random_similarity_system(key=ifs_key), key=run_key)
    thermal_v = GAS_CONSTANT * BODY_TEMPERATURE_K / FARADAY_CONSTANT
    numeric = nernst_potential_mv(K_OUT_MOLAR, K_IN_MOLAR, 1, BODY_TEMPERATURE_K)
    return ValidationReport(
        loss_start=loss_start,
        loss_final=loss_final,
        loss_drop=loss_start - loss_final,
        pot_min_mV=1e3 * min(float(run.field.min()) for run in runs),
        pot_max_mV=1e3 * max(float(run.field.max()) for run in runs),
        example_fractal_dim=float(inputs[0, 0]),
        lyapunov_exponent=float(ifs.contraction_exponent),
        growth_events=runs[0].growth_events,
        nernst_symbolic_mV=1e3 * thermal_v * math.log(K_OUT_MOLAR / K_IN_MOLAR),
        nernst_numeric_mV=float(numeric),
    )


def _simulate(
    config: ValidationConfig, progress: Callable[[int, int], None] | None
) -> list[SimulationResult]:
    runs = []
    for k in range(VALIDATION_RUNS):
        run = SimulationConfig(
            grid_size=config.grid_size,
            steps=config.steps,
            turing_enabled=config.turing_enabled,
            quantum_jitter=config.quantum_jitter,
            seed=config.seed + k,
        )
        runs.append(run_mycelium_simulation(run))
        if progress is not None:
            progress(k + 1, VALIDATION_RUNS)
    return runs


def _train(config: ValidationConfig, inputs: np.ndarray) -> tuple[float, float]:
    network = NetworkConfig()
    x, y = check_data(network, inputs, validation_target(inputs), "validation runs")
    options = TrainOptions(
        epochs=config.epochs, batch_size=config.batch_size, learning_rate=1e-3, seed=config.seed
    )
    params = init_network(network, key=jax.random.key(config.seed))
    trained = train(network, x, y, options=options, params=params).params
    return float(mean_loss(network, params, x, y)), float(mean_loss(network, trained, x, y))
