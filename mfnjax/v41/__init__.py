"""The documented layer of MyceliumFractalNet v4.1: a configuration in, a result out.

These names are a contract with the users of v4.1. Nothing is computed here: a configuration
becomes a `mfnjax.Simulation` and a seed.
"""

from mfnjax.v41.config import (
    SimulationConfig,
    ValidationConfig,
    make_simulation_config_default,
    make_simulation_config_demo,
)
from mfnjax.v41.result import SimulationResult
from mfnjax.v41.run import (
    compute_fractal_features,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
)

__all__ = [
    "SimulationConfig",
    "SimulationResult",
    "ValidationConfig",
    "compute_fractal_features",
    "make_simulation_config_default",
    "make_simulation_config_demo",
    "run_mycelium_simulation",
    "run_mycelium_simulation_with_history",
]
