"""Patterns at rest, one of each class, grown once."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from mfnjax import GrayScottModel, Grid, simulate

GRID = Grid((64, 64))
RATES = {"spots": (0.030, 0.062), "labyrinth": (0.038, 0.061), "holes": (0.039, 0.058)}


@dataclass(frozen=True)
class Target:
    """A pattern and what made it."""

    name: str
    model: GrayScottModel
    u: np.ndarray
    v: np.ndarray


def grown(feed: float, kill: float, steps: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(u, v) in float32 after a run from a dozen seeds at random places."""
    rng = np.random.default_rng(seed)
    inside = np.zeros(GRID.shape, bool)
    for row, column in rng.integers(0, 64, (12, 2)):
        inside[np.ix_((row + np.arange(8)) % 64, (column + np.arange(8)) % 64)] = True
    u = jnp.asarray(np.where(inside, 0.5, 1.0), jnp.float32)
    v = jnp.asarray(
        np.where(inside, 0.25, 0.0) * (1 + 0.05 * rng.standard_normal(GRID.shape)), jnp.float32
    )
    run = simulate(GrayScottModel(feed, kill), (u, v), grid=GRID, steps=steps, stepper="euler")
    return np.asarray(run.state["u"]), np.asarray(run.state["v"])


@pytest.fixture(scope="session")
def targets() -> dict[str, Target]:
    """Class → pattern."""
    return {
        name: Target(name, GrayScottModel(feed, kill), *grown(feed, kill, 25_000))
        for name, (feed, kill) in RATES.items()
    }


def noisy(v: np.ndarray, share: float = 0.05, seed: int = 3) -> np.ndarray:
    """v with white noise of ``share`` of its range."""
    rng = np.random.default_rng(seed)
    return v + share * np.ptp(v) * rng.standard_normal(v.shape)
