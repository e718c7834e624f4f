"""Fitting a model to data, with honest uncertainty (the ``fit`` extra: optax, optimistix)."""

from mfnjax.fitting.dimension import DimensionFit, fit_dimension
from mfnjax.fitting.fit import fit
from mfnjax.fitting.gradients.gradient_check import GradientReport, check_gradient
from mfnjax.fitting.gradients.horizon import GradientHorizon, GradientNoiseWarning, gradient_horizon
from mfnjax.fitting.inference.bootstrap import Bootstrap, bootstrap
from mfnjax.fitting.inference.identifiability import Direction, Identifiability, identifiability
from mfnjax.fitting.inference.profiles import LowerMinimumWarning, Profile, profile
from mfnjax.fitting.inference.uncertainty import Covariance, covariance
from mfnjax.fitting.objectives import CallableObjective, Objective, WeightedSum
from mfnjax.fitting.objectives.pointwise import Pointwise, pointwise
from mfnjax.fitting.objectives.soft import SoftFeatures, soft_feature_targets
from mfnjax.fitting.plots import plot_profiles
from mfnjax.fitting.report import FitReport, report_fit
from mfnjax.fitting.result import FitResult, StartReport, plot_history
from mfnjax.fitting.snapshot import (
    SnapshotFit,
    SnapshotStatistic,
    fit_snapshot,
    snapshot_statistic,
)
from mfnjax.fitting.transforms import Identity, Interval, Positive, Transform

__all__ = [
    "Bootstrap",
    "CallableObjective",
    "Covariance",
    "DimensionFit",
    "Direction",
    "FitReport",
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
    "report_fit",
    "snapshot_statistic",
    "soft_feature_targets",
]
