"""Aggregation of clients' updates that hostile clients cannot break."""

from mfnjax.federated.aggregation import Aggregation, ContractWarning, stack_updates
from mfnjax.federated.attacks import ATTACKS
from mfnjax.federated.hierarchical import hierarchical_krum, hierarchical_krum_streaming
from mfnjax.federated.rules import (
    bulyan,
    coordinate_median,
    geometric_median,
    krum,
    multi_krum,
    trimmed_mean,
)

__all__ = [
    "ATTACKS",
    "Aggregation",
    "ContractWarning",
    "bulyan",
    "coordinate_median",
    "geometric_median",
    "hierarchical_krum",
    "hierarchical_krum_streaming",
    "krum",
    "multi_krum",
    "stack_updates",
    "trimmed_mean",
]
