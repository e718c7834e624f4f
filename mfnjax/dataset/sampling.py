"""Which simulation is row k: its parameters, drawn from (base_seed, k) alone.

Each row has a counter-based generator of its own (Philox 4×64, keyed by base_seed and k), and each
quantity a fixed place in that row's stream, so a row does not know how many rows there are, in
which order they are made, or who makes them. The raw 64-bit words are mapped to numbers here,
because NumPy promises the words for ever but not the methods of `numpy.random.Generator`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from mfnjax.dataset.config import SWEPT, DatasetConfig
from mfnjax.errors import ParameterError

Columns = dict[str, np.ndarray]

SWEEPS: dict[str, dict[str, Any]] = {
    "minimal": {
        "grid_sizes": (32,),
        "steps_range": (50, 50),
        "alpha_range": (0.15, 0.15),
        "turing_values": (True,),
    },
    "default": {},
    "extended": {
        "grid_sizes": (32, 64, 128),
        "steps_range": (50, 300),
        "alpha_range": (0.08, 0.22),
    },
}
"""Documented sweeps by name: what each changes in `DatasetConfig`."""


def sweep_config(sweep: str = "default", **changes: Any) -> DatasetConfig:
    """Return the configuration of a documented sweep, with some fields changed.

    Args:
        sweep: ``minimal``, ``default`` or ``extended``.
        **changes: Fields of `DatasetConfig`.

    Raises:
        ParameterError: There is no such sweep or field, or a value is not accepted.

    Examples:
        >>> from mfnjax.dataset import sweep_config
        >>> sweep_config("extended", num_samples=1000).grid_sizes
        (32, 64, 128)
    """
    if sweep not in SWEEPS:
        raise ParameterError(f"sweep must be one of {', '.join(SWEEPS)}; got {sweep!r}")
    return DatasetConfig.from_dict({**SWEEPS[sweep], **changes})


def uniforms(base_seed: int, sim_id: int, count: int) -> np.ndarray:
    """The first ``count`` numbers of row ``sim_id``'s stream, uniform on [0, 1), float64."""
    key = np.array([base_seed, sim_id], np.uint64)
    words = np.random.Philox(key=key).random_raw(count)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def sample_rows(
    config: DatasetConfig,
    first: int,
    stop: int,
    parameters: Mapping[str, tuple[float, float]] | None = None,
) -> Columns:
    """Draw the parameters of rows first … stop − 1.

    Args:
        config: The sweep.
        first: First row.
        stop: One past the last row.
        parameters: For a sweep of another model: each parameter's bounds, in the model's
            order; None draws the documented columns of the v4.1 model.

    Returns:
        Column name → array of stop − first values: int64, float64 or bool.
    """
    ranges = dict(mycelium_ranges(config) if parameters is None else parameters)
    draws = 3 + len(ranges)
    words = np.array([uniforms(config.base_seed, k, draws) for k in range(first, stop)])
    words = words.reshape(stop - first, draws)
    ids = np.arange(first, stop, dtype=np.int64)
    low, high = config.steps_range
    columns: Columns = {
        "sim_id": ids,
        "random_seed": config.base_seed + ids,
        "grid_size": np.array(config.grid_sizes, np.int64)[_index(words[:, 0], config.grid_sizes)],
        "steps": low + _index(words[:, 1], range(low, high + 1)),
    }
    if parameters is None:
        columns["turing_enabled"] = np.array(config.turing_values, bool)[
            _index(words[:, 2], config.turing_values)
        ]
    for place, (name, (start, end)) in enumerate(ranges.items(), 3):
        # Rounding may carry the product to the bound itself, never past it.
        columns[name] = np.minimum(start + words[:, place] * (end - start), end)
    return columns


def mycelium_ranges(config: DatasetConfig) -> dict[str, tuple[float, float]]:
    """Bounds of the swept parameters of the v4.1 model, in the order in which they are drawn."""
    return {name: getattr(config, field) for name, field in SWEPT.items()}


def _index(words: np.ndarray, choices: Any) -> np.ndarray:
    """Uniform index into ``choices``."""
    count = len(choices)
    return np.minimum((words * count).astype(np.int64), count - 1)


def config_without_path(config: DatasetConfig) -> dict[str, Any]:
    """The fields of ``config`` that decide what is in the rows."""
    values = dataclasses.replace(config, output_path=None).to_dict()
    del values["output_path"]
    return values
