"""Datasets: from a sweep to a Parquet file, one row a simulation."""

from mfnjax.dataset.fields import load_fields
from mfnjax.dataset.generate import DatasetSummary, generate_dataset
from mfnjax.dataset.inspection import DatasetInfo, inspect_dataset
from mfnjax.dataset.pictures import contact_sheet, plot_distributions
from mfnjax.dataset.reading import Split, TrainingArrays, load_dataset
from mfnjax.dataset.sampling import SWEEPS, sweep_config

__all__ = [
    "SWEEPS",
    "DatasetInfo",
    "DatasetSummary",
    "Split",
    "TrainingArrays",
    "contact_sheet",
    "generate_dataset",
    "inspect_dataset",
    "load_dataset",
    "load_fields",
    "plot_distributions",
    "sweep_config",
]
