"""Running models: the loop, the steppers, ensembles."""

from mfnjax.simulation.ensemble import simulate_ensemble
from mfnjax.simulation.rollout import simulate
from mfnjax.simulation.steppers import STEPPERS, Stepper
from mfnjax.simulation.trajectory import Status, Trajectory

__all__ = ["STEPPERS", "Status", "Stepper", "Trajectory", "simulate", "simulate_ensemble"]
