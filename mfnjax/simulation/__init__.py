"""Running models: `Simulation` and what it gives, the loop, ensembles, result files."""

from mfnjax.simulation.record import read_record
from mfnjax.simulation.simulation import Simulation, simulate, simulate_ensemble
from mfnjax.simulation.trajectory import Status, Trajectory
from mfnjax.steppers import STEPPERS, Stepper

__all__ = [
    "STEPPERS",
    "Simulation",
    "Status",
    "Stepper",
    "Trajectory",
    "read_record",
    "simulate",
    "simulate_ensemble",
]
