from .clusters import (
    ClusterStatistics as ClusterStatistics,
    cluster_counts as cluster_counts,
    cluster_statistics as cluster_statistics,
    cluster_statistics_host as cluster_statistics_host,
    label_components as label_components,
)
from .record import (
    COUNT_FEATURES as COUNT_FEATURES,
    FEATURE_NAMES as FEATURE_NAMES,
    FEATURE_UNITS as FEATURE_UNITS,
    MASK_FEATURES as MASK_FEATURES,
    TEMPORAL_FEATURES as TEMPORAL_FEATURES,
    FeatureVector as FeatureVector,
)
from .soft import (
    SOFT_FEATURES as SOFT_FEATURES,
    soft_box_counting_dimension as soft_box_counting_dimension,
    soft_box_counts as soft_box_counts,
    soft_euler_characteristic as soft_euler_characteristic,
    soft_features as soft_features,
)
from .statistics import FieldStatistics as FieldStatistics, field_statistics as field_statistics
from .temporal import TemporalFeatures as TemporalFeatures, temporal_features as temporal_features
from .vector import compute_features as compute_features, feature_vector as feature_vector
