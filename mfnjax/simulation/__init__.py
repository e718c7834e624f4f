"""Running models: the loop, the steppers, ensembles."""

from mfnjax.simulation.ensemble import simulate_ensemble
from mfnjax.simulation.simulation import simulate
from mfnjax.simulation.trajectory import Status, Trajectory
from mfnjax.steppers import STEPPERS, Stepper

__all__ = ["STEPPERS", "Status", "Stepper", "Trajectory", "simulate", "simulate_ensemble"]
