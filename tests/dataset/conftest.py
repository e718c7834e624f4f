"""Small datasets that all tests share, so that few programs are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_sweeps import small_config

from mfnjax.dataset import DatasetSummary, generate_dataset


@pytest.fixture(scope="session")
def small() -> DatasetSummary:
    """The small sweep in memory, made once."""
    return generate_dataset(small_config(), workers=1)


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small sweep as a file, made once; tests that change it copy it first."""
    path = tmp_path_factory.mktemp("dataset") / "small.parquet"
    generate_dataset(small_config(output_path=str(path)))
    return path
