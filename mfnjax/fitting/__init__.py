"""Fitting a model to data, with honest uncertainty (the ``fit`` extra: optax, optimistix)."""

from mfnjax.fitting.fit import fit
from mfnjax.fitting.objectives import CallableObjective, Objective, WeightedSum
from mfnjax.fitting.pointwise import Pointwise, pointwise
from mfnjax.fitting.result import FitResult, StartReport
from mfnjax.fitting.transforms import Identity, Interval, Positive, Transform

__all__ = [
    "CallableObjective",
    "FitResult",
    "Identity",
    "Interval",
    "Objective",
    "Pointwise",
    "Positive",
    "StartReport",
    "Transform",
    "WeightedSum",
    "fit",
    "pointwise",
]
