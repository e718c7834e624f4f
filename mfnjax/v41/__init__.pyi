from .config import (
    SimulationConfig as SimulationConfig,
    ValidationConfig as ValidationConfig,
    make_simulation_config_default as make_simulation_config_default,
    make_simulation_config_demo as make_simulation_config_demo,
)
from .result import SimulationResult as SimulationResult
from .run import (
    compute_fractal_features as compute_fractal_features,
    run_mycelium_simulation as run_mycelium_simulation,
    run_mycelium_simulation_with_history as run_mycelium_simulation_with_history,
)
