"""One picture of a pattern, and the parameters that made it."""

from mfnjax.fitting.objectives.field_statistics import (
    autocovariance,
    correlation_length,
    radial_power_spectrum,
    soft_histogram,
    structure_function,
)
from mfnjax.fitting.objectives.snapshot_statistic import (
    STATISTICS,
    SnapshotStatistic,
    snapshot_statistic,
)
from mfnjax.fitting.snapshot.classes import (
    PATTERN_CLASSES,
    classify_pattern,
    dominant_wavelength,
)
from mfnjax.fitting.snapshot.fit import fit_snapshot
from mfnjax.fitting.snapshot.result import SnapshotFit
from mfnjax.fitting.snapshot.smoothing import estimate_noise, wiener_filter
from mfnjax.fitting.snapshot.stationary import imbalance, rates_of_fields, substrate_at_rest

__all__ = [
    "PATTERN_CLASSES",
    "STATISTICS",
    "SnapshotFit",
    "SnapshotStatistic",
    "autocovariance",
    "classify_pattern",
    "correlation_length",
    "dominant_wavelength",
    "estimate_noise",
    "fit_snapshot",
    "imbalance",
    "radial_power_spectrum",
    "rates_of_fields",
    "snapshot_statistic",
    "soft_histogram",
    "structure_function",
    "substrate_at_rest",
    "wiener_filter",
]
