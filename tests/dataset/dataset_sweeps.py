"""Small sweeps that all tests of datasets share, so that few programs are compiled."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mfnjax import DatasetConfig


def small_config(**changes: Any) -> DatasetConfig:
    """A sweep over two tiny grids; the path is None unless it is given."""
    values = {
        "num_samples": 30,
        "grid_sizes": (12, 16),
        "steps_range": (1, 40),
        "base_seed": 7,
        "output_path": None,
    }
    return DatasetConfig.from_dict({**values, **changes})


def values_of(table: pa.Table) -> pa.Table:
    """The table without what may differ between two runs: time stamp and file metadata."""
    return table.drop_columns(["timestamp"]).replace_schema_metadata(None).combine_chunks()
