"""The documented layer: a configuration in, a result out, features of it.

These names are a contract with the users of MyceliumFractalNet v4.1. Nothing is computed here:
a configuration becomes a `mfnjax.Simulation`, which runs from a seed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mfnjax.errors import ParameterError
from mfnjax.features.config import FeatureConfig
from mfnjax.simulation import Simulation
from mfnjax.simulation.chunks import Progress
from mfnjax.v41.config import SimulationConfig
from mfnjax.v41.result import SimulationResult

if TYPE_CHECKING:
    from mfnjax.features import FeatureVector


def run_mycelium_simulation(
    config: SimulationConfig, *, progress: Progress | None = None
) -> SimulationResult:
    """Run the v4.1 model as ``config`` says; without the history.

    The same seed and configuration give the same bits, in a fresh process too.

    Args:
        config: The run.
        progress: Called with (steps done, steps in all) now and then.

    Returns:
        The result; its ``history`` is None.

    Raises:
        NumericalInstabilityError: A field held a NaN or an infinity; it names field and step.

    Examples:
        >>> from mfnjax import make_simulation_config_demo, run_mycelium_simulation
        >>> result = run_mycelium_simulation(make_simulation_config_demo())
        >>> result.field.shape, result.growth_events
        ((32, 32), 7)
    """
    return _run(config, with_history=False, progress=progress)


def run_mycelium_simulation_with_history(
    config: SimulationConfig, *, progress: Progress | None = None
) -> SimulationResult:
    """Run the v4.1 model as ``config`` says, and keep the potential after each step.

    As `run_mycelium_simulation`, with ``history`` of shape (T, H, W) in volts.
    """
    return _run(config, with_history=True, progress=progress)


@lru_cache(maxsize=32)
def _simulation(config: SimulationConfig, with_history: bool) -> Simulation:
    return config.simulation(with_history=with_history)


def _run(
    config: SimulationConfig, *, with_history: bool, progress: Progress | None
) -> SimulationResult:
    if not isinstance(config, SimulationConfig):
        raise ParameterError(f"config must be a SimulationConfig, got {type(config).__name__}")
    run = _simulation(config, with_history).run(
        seed=config.seed, dtype=config.dtype, progress=progress
    )
    run.status.raise_if_bad()
    return SimulationResult(
        field=np.asarray(run.state["potential"]),
        history=np.asarray(run.history) if with_history else None,
        seed=int(run.seed or 0),
        config=config,
        **run.counts,
    )


def compute_fractal_features(
    source: SimulationResult | Any, config: FeatureConfig | None = None
) -> FeatureVector:
    """Measure the 18 features of a result, a field, a history or a mask.

    Args:
        source: A `SimulationResult` (its history if it has one, else its field), or an array: a
            field (H, W) or a history (T, H, W) in volts, or a boolean mask (H, W).
        config: How to measure; None is the default configuration.

    Returns:
        The features, in their documented order and units.

    Raises:
        ParameterError: The array has the wrong shape or kind.
        DataError: A cell is not finite.

    Examples:
        >>> from mfnjax import compute_fractal_features, run_mycelium_simulation
        >>> from mfnjax import make_simulation_config_demo
        >>> result = run_mycelium_simulation(make_simulation_config_demo())
        >>> features = compute_fractal_features(result)
        >>> -75 < features["V_mean"] < -65
        True
    """
    from mfnjax.features import compute_features  # a run alone starts faster without

    if config is not None and not isinstance(config, FeatureConfig):
        raise ParameterError(f"config must be a FeatureConfig, got {type(config).__name__}")
    if isinstance(source, SimulationResult):
        source = source.field if source.history is None else source.history
    return compute_features(source, FeatureConfig() if config is None else config)
