"""Runs of the documented v4.1 system: thousands a second, so only what differs is made anew."""

from __future__ import annotations

from functools import lru_cache

from mfnjax import Grid, MyceliumModel, Simulation
from mfnjax.models import parameter_names
from serve.engine.simulations import Run

_PLACES = {name: place for place, name in enumerate(parameter_names(MyceliumModel))}
"""Parameter → its place among the numbers of a run, of which those of the model come first."""


def documented_run(
    grid_size: int, steps: int, *, seed: int = 0, turing_enabled: bool = True, **parameters: float
) -> Run:
    """A run of the v4.1 model on a square grid with periodic sides."""
    usual = _usual_run(grid_size, turing_enabled)
    numbers = list(usual.numbers)
    for name, value in parameters.items():
        numbers[_PLACES[name]] = value
    return Run(usual.program, tuple(numbers), usual.cells, steps, seed)


@lru_cache(maxsize=512)
def _usual_run(grid_size: int, turing_enabled: bool) -> Run:
    model, grid = MyceliumModel(turing_enabled=turing_enabled), Grid((grid_size, grid_size))
    return Run.of(Simulation(model, grid, 0), 0)
