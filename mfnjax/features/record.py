"""The names, units and order of the 18 features, and the record that carries them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from mfnjax.core.pytree import register_pytree
from mfnjax.errors import ParameterError

FEATURE_UNITS: dict[str, str] = {
    "D_box": "",
    "D_r2": "",
    "V_min": "mV",
    "V_max": "mV",
    "V_mean": "mV",
    "V_std": "mV",
    "V_skew": "",
    "V_kurt": "",
    "dV_mean": "mV/step",
    "dV_max": "mV/step",
    "T_stable": "steps",
    "E_trend": "mV²/step",
    "f_active": "",
    "N_clusters_low": "count",
    "N_clusters_med": "count",
    "N_clusters_high": "count",
    "max_cluster_size": "cells",
    "cluster_size_std": "cells",
}
"""Name → unit, in the order of the feature array; the empty string is dimensionless."""

FEATURE_NAMES: tuple[str, ...] = tuple(FEATURE_UNITS)
"""The 18 names in their fixed order: array, dict, table columns and JSON all keep it."""

COUNT_FEATURES: frozenset[str] = frozenset(
    ("T_stable", "N_clusters_low", "N_clusters_med", "N_clusters_high", "max_cluster_size")
)
"""Features that are whole numbers: exact from `compute_features`, and in a float32 array up to 2²⁴
cells."""

MASK_FEATURES: tuple[str, ...] = (
    "D_box",
    "D_r2",
    "f_active",
    "N_clusters_low",
    "max_cluster_size",
    "cluster_size_std",
)
"""Features that a boolean image has; the others are NaN there."""

TEMPORAL_FEATURES: tuple[str, ...] = ("dV_mean", "dV_max", "T_stable", "E_trend")
"""Features of a history; of one frame they are not known: NaN, and null in JSON and tables."""

_INDEX = {name: index for index, name in enumerate(FEATURE_NAMES)}


@register_pytree
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FeatureVector:
    """The 18 features of one field, history or mask: a read-only mapping from name to number.

    Read one as ``features["V_mean"]`` or ``features.V_mean``. Outside a transformation that is
    a plain number (an int for counts); under jit, grad or vmap it is the traced element.
    Iteration, ``len``, ``in``, ``keys``, ``items`` and ``dict(features)`` work as on a dict;
    `values` is the array itself.

    Attributes:
        values: The features in the order of `FEATURE_NAMES`, shape (18,).

    Examples:
        >>> import jax.numpy as jnp
        >>> from mfnjax.features import compute_features
        >>> features = compute_features(jnp.full((8, 8), -0.05))
        >>> features["max_cluster_size"], features.f_active, len(features)
        (64, 1.0, 18)
    """

    values: Any

    def __getitem__(self, name: str) -> Any:
        if name not in _INDEX:
            raise ParameterError(
                f"there is no feature {name!r}; the features are {', '.join(FEATURE_NAMES)}"
            )
        element = self.values[..., _INDEX[name]]
        if isinstance(element, jax.core.Tracer) or element.ndim:
            return element
        number = float(element)
        if number != number:
            return math.nan  # one object: dicts that lack the same are equal
        return int(number) if name in COUNT_FEATURES and math.isfinite(number) else number

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that are no field or method. Asking for the array here would
        # recurse while a copy is being built, so its absence is an ordinary AttributeError.
        if name not in _INDEX:
            raise AttributeError(f"FeatureVector has no attribute {name!r}")
        return self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *FEATURE_NAMES]

    def __iter__(self) -> Iterator[str]:
        return iter(FEATURE_NAMES)

    def __len__(self) -> int:
        return len(FEATURE_NAMES)

    def __contains__(self, name: object) -> bool:
        return name in _INDEX

    def keys(self) -> tuple[str, ...]:
        """The 18 names in order."""
        return FEATURE_NAMES

    def items(self) -> list[tuple[str, Any]]:
        """The 18 (name, number) pairs in order."""
        return [(name, self[name]) for name in FEATURE_NAMES]

    def to_dict(self) -> dict[str, Any]:
        """A dict of plain floats and ints in order; what is not known is NaN."""
        return dict(self.items())

    def to_json_dict(self) -> dict[str, float | int | None]:
        """The dict for JSON: as `to_dict`, with None for every value that is not finite."""
        return {name: value if math.isfinite(value) else None for name, value in self.items()}

    def to_array(self) -> np.ndarray:
        """A NumPy array of the 18 values in order."""
        return np.asarray(self.values)

    def __repr__(self) -> str:
        values = self.values
        if not isinstance(values, (np.ndarray, jax.Array)) or isinstance(values, jax.core.Tracer):
            return f"FeatureVector({values!r})"
        if values.ndim != 1:
            return f"FeatureVector(array of shape {values.shape}, {values.dtype})"
        width = max(map(len, FEATURE_NAMES))
        lines = (
            f"  {name:<{width}} = {_shown(value, FEATURE_UNITS[name])}"
            for name, value in self.items()
        )
        return "FeatureVector(\n" + "\n".join(lines) + "\n)"


def _shown(value: Any, unit: str) -> str:
    if value != value:
        return "–"
    return f"{value if isinstance(value, int) else format(value, '.6g')} {unit}".rstrip()
