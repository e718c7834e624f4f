"""The former place of the documented layer: import its names from `mfnjax`."""

from mfnjax._moved import moved

__getattr__ = moved(
    __name__,
    {
        "SimulationResult": "mfnjax",
        "compute_fractal_features": "mfnjax",
        "run_mycelium_simulation": "mfnjax",
        "run_mycelium_simulation_with_history": "mfnjax",
    },
)
