"""Patterns of Gray–Scott grown from random starts: those at rest, and those that move.

What `fit_snapshot` is tried on. With MFNJAX_FAST=1 they are smaller and fewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from experiments.notebook import FAST
from mfnjax import GrayScottModel, Grid, simulate
from mfnjax.fitting.snapshot import classify_pattern

GRID = Grid((64, 64) if FAST else (128, 128))
STEPS = 25_000 if FAST else 40_000
AT_REST = 0.02  # largest change of v in 100 steps, of its standard deviation
REPEATS = 1 if FAST else 2

# (F, k) about which patterns at rest are drawn, by what grows there
PLACES = {
    "spots": [(0.030, 0.062), (0.034, 0.065), (0.034, 0.063), (0.028, 0.0615), (0.036, 0.0645)],
    "labyrinth": [(0.029, 0.057), (0.038, 0.061), (0.0545, 0.062), (0.058, 0.063), (0.034, 0.0595)],
    "holes": [(0.039, 0.058), (0.042, 0.059), (0.046, 0.0594), (0.050, 0.0605), (0.044, 0.0593)],
}

# (F, k) and steps of patterns that move
MOVING = {
    "α: fragments of waves": (0.010, 0.047, 6_000),
    "β: chaos": (0.026, 0.051, 6_000),
    "ε: rings": (0.018, 0.055, 6_000),
    "ζ: splitting spots": (0.026, 0.059, 6_000),
    "spots, growing": (0.030, 0.062, 1_500),
    "labyrinth, growing": (0.029, 0.057, 1_500),
    "holes, growing": (0.039, 0.058, 1_500),
}


@dataclass(frozen=True)
class Pattern:
    """A grown pattern: its class (or what it does), the model, both fields (H, W).

    ``change`` is that of v in 100 further steps, in standard deviations of v.
    """

    kind: str
    model: GrayScottModel
    u: np.ndarray
    v: np.ndarray
    change: float


def squares(shape: tuple[int, int], number: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A mask of so many squares of so many cells a side, at random places of a periodic grid."""
    inside = np.zeros(shape, bool)
    for corner in rng.integers(0, shape[0], (number, 2)):
        rows, columns = (
            (at + np.arange(size)) % side for at, side in zip(corner, shape, strict=True)
        )
        inside[np.ix_(rows, columns)] = True
    return inside


def start_inside(inside: np.ndarray, rng: np.random.Generator) -> tuple[jax.Array, jax.Array]:
    """(u, v): (1, 0), and (0.5, 0.25) with 5 % of noise inside."""
    v = np.where(inside, 0.25, 0.0) * (1 + 0.05 * rng.standard_normal(inside.shape))
    return jnp.asarray(np.where(inside, 0.5, 1.0), jnp.float32), jnp.asarray(v, jnp.float32)


def random_start(rng: np.random.Generator) -> tuple[jax.Array, jax.Array]:
    """(u, v) with seeds of 8 × 8 cells at random places, one on every 550 cells."""
    return start_inside(squares(GRID.shape, GRID.num_cells // 550, 8, rng), rng)


def grow(model: GrayScottModel, steps: int, rng: np.random.Generator, kind: str = "") -> Pattern:
    """The end of a run from a random start."""
    end = simulate(model, random_start(rng), grid=GRID, steps=steps, stepper="euler").state
    later = simulate(model, end, grid=GRID, steps=100, stepper="euler").state
    u, v = np.asarray(end["u"]), np.asarray(end["v"])
    change = float(np.sqrt(np.mean((np.asarray(later["v"]) - v) ** 2)) / max(v.std(), 1e-12))
    return Pattern(kind, model, u, v, change)


def at_rest(seed: int = 20) -> list[Pattern]:
    """Patterns drawn about `PLACES`, those that are at rest and of the class that was meant."""
    rng = np.random.default_rng(seed)
    found = []
    for kind, places in PLACES.items():
        for place in (places[:1] if FAST else places) * REPEATS:
            feed = place[0] * (1 + 0.01 * rng.standard_normal())
            kill = place[1] * (1 + 0.002 * rng.standard_normal())
            pattern = grow(GrayScottModel(feed, kill), STEPS, rng, kind)
            if pattern.change < AT_REST and classify_pattern(pattern.v) == kind:
                found.append(pattern)
    return found


def on_the_move() -> list[Pattern]:
    """The patterns of `MOVING` that have not died."""
    found = [
        grow(GrayScottModel(feed, kill), steps, np.random.default_rng(index), name)
        for index, (name, (feed, kill, steps)) in enumerate(MOVING.items())
    ]
    return [pattern for pattern in found if pattern.v.std() > 0.01]
