"""The v4.1 table: the documented model with the documented 18 features, as one kind of table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import jax
import numpy as np
import pyarrow as pa

from mfnjax.core.grid import Grid
from mfnjax.dataset.config import DatasetConfig
from mfnjax.dataset.sampling import mycelium_ranges
from mfnjax.dataset.table import (
    ROUNDING,
    Bounds,
    Column,
    Columns,
    Table,
    geometry_bounds,
    parameter_columns,
)
from mfnjax.features import compute_features, feature_vector
from mfnjax.features.config import FeatureConfig
from mfnjax.features.measurement import active_mask
from mfnjax.features.record import COUNT_FEATURES, FEATURE_UNITS, TEMPORAL_FEATURES
from mfnjax.models.base import Values
from mfnjax.models.mycelium.model import CLAMP_HIGH_V, CLAMP_LOW_V, MyceliumModel
from mfnjax.simulation import Simulation, Trajectory

EQUATIONS = (
    "at most one growth event a step: V += Normal(20 mV, 5 mV) with probability p; "
    "V <- V + alpha lap(V); a' = a + D_a lap(a) + r_a (a (1 - a) - i); "
    "i' = i + D_i lap(i) + r_i (a - i); V += 5 mV where a' > theta; a', i' clipped to [0, 1]; "
    "V clamped to [-95 mV, +40 mV]; dt = dx = 1, periodic"
)


def _measure(
    history: jax.Array, frames: jax.Array, every: jax.Array, values: Values, mask: Any
) -> jax.Array:
    return feature_vector(history, frames)


@final
class DocumentedTable(Table):
    """The v4.1 table of a `DatasetConfig`; ``turing_enabled`` is a static column."""

    model = MyceliumModel
    parameters = parameter_columns(
        MyceliumModel, ("alpha", "turing_enabled", "spike_probability", "turing_threshold")
    )
    features = tuple(
        Column(name, pa.int64() if name in COUNT_FEATURES else pa.float64(), unit)
        for name, unit in FEATURE_UNITS.items()
    )
    over_time = TEMPORAL_FEATURES
    every, main, fields = 1, "potential", ("potential",)
    equations = EQUATIONS
    measure = staticmethod(_measure)

    def __init__(self, config: DatasetConfig) -> None:
        self.ranges = mycelium_ranges(config)
        self._switches = tuple(sorted(set(config.turing_values)))

    def simulations(self, rows: Columns, size: int) -> tuple[Simulation, ...]:
        """One for each value of ``turing_enabled`` that occurs."""
        numbers = {name: rows[name] for name in self.ranges}
        grid = Grid((size, size))
        return tuple(
            Simulation(MyceliumModel(**numbers, turing_enabled=switch), grid, steps=0)
            for switch in self._switches
        )

    def choice(self, rows: Columns) -> Any:
        """The place of the row's ``turing_enabled`` among the values that occur."""
        return np.asarray(rows["turing_enabled"], int) * (len(self._switches) - 1)

    def check(self, row: Mapping[str, Any]) -> None:
        """Nothing to check: `DatasetConfig` has looked at the ranges."""

    def _measured(self, run: Trajectory) -> np.ndarray:
        return compute_features(np.asarray(run.history)).to_array()

    def mask(self, fields: np.ndarray) -> np.ndarray:
        """The cells above −60 mV."""
        return active_mask(fields[0], FeatureConfig())

    def feature_bounds(self, rows: Columns) -> dict[str, Bounds]:
        """Potentials within the clamp, counts no larger than the grid."""
        cells, steps = rows["grid_size"] ** 2, rows["steps"]
        low, high = 1e3 * CLAMP_LOW_V - ROUNDING, 1e3 * CLAMP_HIGH_V + ROUNDING
        clusters = ("N_clusters_low", "N_clusters_med", "N_clusters_high")
        return geometry_bounds(cells, clusters) | {
            "V_min": (low, rows["V_mean"] + ROUNDING),
            "V_mean": (low, high),
            "V_max": (rows["V_mean"] - ROUNDING, high),
            "V_std": (0.0, (high - low) / 2),
            "dV_mean": (0.0, rows["dV_max"] + ROUNDING),
            "dV_max": (0.0, high - low),
            "T_stable": (0, steps),
            "growth_events": (0, steps),
            "turing_activations": (0, cells * steps),
            "clamping_events": (0, cells * steps),
        }
