"""What every test shares: precision, strict promotion, and the one door to the real data."""

from __future__ import annotations

import os
from pathlib import Path

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")

SHARED_DATA = Path(
    os.environ.get("MFN_SHARED_DATA", Path(__file__).parents[1] / ".." / "shared" / "data")
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data (colony images, scratch assays); skips loudly without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(
            f"REAL DATA NOT FOUND at {SHARED_DATA}: set MFN_SHARED_DATA to the folder that holds "
            "yeast_colonies/ and scratch_assay/"
        )
    return SHARED_DATA.resolve()
