"""Runs of the documented v4.1 system."""

from __future__ import annotations

from typing import Any

from mfnjax import Grid, MyceliumModel, Simulation
from serve.engine.simulations import Run


def documented_run(grid_size: int, steps: int, *, seed: int = 0, **parameters: Any) -> Run:
    """A run of the v4.1 model on a square grid with periodic sides."""
    return Run(Simulation(MyceliumModel(**parameters), Grid((grid_size, grid_size)), steps), seed)
