"""The 18 features of a field, a history or a mask, and their differentiable twins."""

from mfnjax.features.clusters import (
    ClusterStatistics,
    cluster_counts,
    cluster_statistics,
    cluster_statistics_host,
    label_components,
)
from mfnjax.features.record import (
    COUNT_FEATURES,
    FEATURE_NAMES,
    FEATURE_UNITS,
    MASK_FEATURES,
    FeatureVector,
)
from mfnjax.features.soft import (
    SOFT_FEATURES,
    soft_box_counting_dimension,
    soft_box_counts,
    soft_euler_characteristic,
    soft_features,
)
from mfnjax.features.statistics import FieldStatistics, field_statistics
from mfnjax.features.temporal import TemporalFeatures, temporal_features
from mfnjax.features.vector import compute_features, feature_vector

__all__ = [
    "COUNT_FEATURES",
    "FEATURE_NAMES",
    "FEATURE_UNITS",
    "MASK_FEATURES",
    "SOFT_FEATURES",
    "ClusterStatistics",
    "FeatureVector",
    "FieldStatistics",
    "TemporalFeatures",
    "cluster_counts",
    "cluster_statistics",
    "cluster_statistics_host",
    "compute_features",
    "feature_vector",
    "field_statistics",
    "label_components",
    "soft_box_counting_dimension",
    "soft_box_counts",
    "soft_euler_characteristic",
    "soft_features",
    "temporal_features",
]
