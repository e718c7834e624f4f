"""What the tests of fitting share: a front of Fisher–KPP, seen at a few times."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import FisherKPPModel, Grid, simulate

STEPS, DT = (20, 40, 60), 0.5


class Front(NamedTuple):
    """A run whose parameters are known."""

    truth: FisherKPPModel
    grid: Grid
    start: np.ndarray
    seen: np.ndarray


@pytest.fixture(scope="session")
def front() -> Front:
    """Fisher–KPP on (1, 24) with walls; u at three times."""
    grid = Grid((1, 24), boundary="neumann")
    truth = FisherKPPModel(diffusivity=0.5, growth_rate=0.1, capacity=1.0)
    start = np.where(np.arange(24) < 8, 0.6, 0.0)[None]
    run = simulate(truth, {"u": jnp.asarray(start)}, grid=grid, steps=60, dt=DT, save_every=20)
    return Front(truth, grid, start, np.asarray(run.history["u"]))
