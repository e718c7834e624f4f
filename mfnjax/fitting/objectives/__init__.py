"""What a model is judged by."""

from mfnjax.fitting.objectives.objective import (
    CallableObjective,
    Objective,
    Unknowns,
    WeightedSum,
)

__all__ = ["CallableObjective", "Objective", "Unknowns", "WeightedSum"]
