"""Fitting a model to data, with honest uncertainty (the ``fit`` extra: optax, optimistix)."""

from mfnjax.fitting.bootstrap import Bootstrap, bootstrap
from mfnjax.fitting.dimension import DimensionFit, fit_dimension
from mfnjax.fitting.fit import fit
from mfnjax.fitting.gradient_check import GradientReport, check_gradient
from mfnjax.fitting.horizon import GradientHorizon, GradientNoiseWarning, gradient_horizon
from mfnjax.fitting.identifiability import Direction, Identifiability, identifiability
from mfnjax.fitting.objectives import CallableObjective, Objective, WeightedSum
from mfnjax.fitting.plots import plot_history, plot_profiles
from mfnjax.fitting.pointwise import Pointwise, pointwise
from mfnjax.fitting.profiles import LowerMinimumWarning, Profile, profile
from mfnjax.fitting.result import FitResult, StartReport
from mfnjax.fitting.snapshot import (
    SnapshotFit,
    SnapshotStatistic,
    fit_snapshot,
    snapshot_statistic,
)
from mfnjax.fitting.soft import SoftFeatures, soft_feature_targets
from mfnjax.fitting.transforms import Identity, Interval, Positive, Transform
from mfnjax.fitting.uncertainty import Covariance, covariance

__all__ = [
    "Bootstrap",
    "CallableObjective",
    "Covariance",
    "DimensionFit",
    "Direction",
    "FitResult",
    "GradientHorizon",
    "GradientNoiseWarning",
    "GradientReport",
    "Identifiability",
    "Identity",
    "Interval",
    "LowerMinimumWarning",
    "Objective",
    "Pointwise",
    "Positive",
    "Profile",
    "SnapshotFit",
    "SnapshotStatistic",
    "SoftFeatures",
    "StartReport",
    "Transform",
    "WeightedSum",
    "bootstrap",
    "check_gradient",
    "covariance",
    "fit",
    "fit_dimension",
    "fit_snapshot",
    "gradient_horizon",
    "identifiability",
    "plot_history",
    "plot_profiles",
    "pointwise",
    "profile",
    "snapshot_statistic",
    "soft_feature_targets",
]
