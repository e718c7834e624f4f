"""What the tests of fitting share: a front of Fisher–KPP, seen at a few times, and its fit."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import FisherKPPModel, Grid, fit, simulate
from mfnjax.fitting import FitResult, Pointwise, pointwise

STEPS, DT = (20, 40, 60), 0.5
START = FisherKPPModel(diffusivity=0.25, growth_rate=0.2)
RATES = ["diffusivity", "growth_rate"]


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


def observed(front: Front, noise: float = 0.0, seed: int = 0, **settings) -> Pointwise:
    """The objective of what was seen, with noise; ``settings`` of `pointwise` in place of its."""
    seen = front.seen + noise * np.random.default_rng(seed).normal(size=front.seen.shape)
    given = {"start": {"u": front.start}, "grid": front.grid, "steps": STEPS, "dt": DT}
    return pointwise({"u": seen}, **{**given, **settings})


@pytest.fixture(scope="session")
def noisy(front: Front) -> Pointwise:
    """The front with noise of 5 %."""
    return observed(front, 0.05, sigma=0.05)


@pytest.fixture(scope="session")
def fitted(noisy: Pointwise) -> FitResult:
    """Both rates of the noisy front."""
    return fit(START, noisy, free=RATES)
