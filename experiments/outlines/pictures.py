"""Pictures that `experiments.outlines.learn` learns from: patterns of all kinds, cut to outlines.

Patterns of Gray–Scott are grown with random parameters from random starts, kept in files, and cut
at random levels.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy import ndimage

from experiments.grown_patterns import AT_REST, squares, start_inside
from experiments.outlines.reader import D_U, RATIO
from experiments.outlines.statistics import outline_statistics
from mfnjax import GrayScottModel, Grid, simulate

GRID = Grid((128, 128))
THRESHOLDS = (0.3, 0.7)  # of the range of v: where a picture may have been cut
CUTS = 3  # pictures of one pattern that are learned from
FEEDS = (0.019, 0.045, 0.056, 0.072)
HIGHEST = (0.009, 0.0095, 0.0065, 0.001)  # k above that of the saddle-node, at these F
EMPTY = 14  # cells: farther than that from the inside, hardly any place of a full picture is


def random_squares(rng: np.random.Generator) -> np.ndarray:
    """One to a hundred squares at random places."""
    number, size = int(np.exp(rng.uniform(0, np.log(100)))), int(rng.integers(5, 15))
    return squares(GRID.shape, number, size, rng)


def blobs(rng: np.random.Generator) -> np.ndarray:
    """The upper part of a smooth random field."""
    width = np.exp(rng.uniform(np.log(2), np.log(10)))
    field = ndimage.gaussian_filter(rng.standard_normal(GRID.shape), width, mode="wrap")
    return field > np.quantile(field, rng.uniform(0.4, 0.97))


def seeded(rng: np.random.Generator) -> tuple[jax.Array, jax.Array]:
    """(u, v): (1, 0) with seeds."""
    return start_inside((blobs if rng.random() < 0.35 else random_squares)(rng), rng)


def run(model: GrayScottModel, state: Any, steps: int) -> Any:
    """The state after so many steps of 1."""
    return simulate(model, state, grid=GRID, steps=steps, stepper="euler").state


def drawn(rng: np.random.Generator) -> GrayScottModel:
    """A model: mostly where patterns stay, more often where they are holes, at times anywhere."""
    kind = rng.random()
    if kind < 0.1:
        feed, above = np.exp(rng.uniform(np.log(0.012), np.log(0.08))), rng.uniform(-0.006, 0.010)
    elif kind < 0.25:
        feed, above = np.exp(rng.uniform(np.log(0.03), np.log(0.06))), rng.uniform(-0.0025, -0.0004)
    else:
        feed = np.exp(rng.uniform(np.log(FEEDS[0]), np.log(FEEDS[-1])))
        above = rng.uniform(-0.003, np.interp(np.log(feed), np.log(FEEDS), HIGHEST))
    return GrayScottModel(feed, np.sqrt(feed) / 2 - feed + above, D_U, RATIO * D_U)


def patterns(rng: np.random.Generator) -> Iterator[tuple[list[float], np.ndarray]]:
    """(F, k, age, change of v, run) and v of patterns that live, without end: most are old, some
    are seen while they grow, and some move for ever."""
    for number in count():
        model, state = drawn(rng), seeded(rng)
        age, early = (
            int(np.exp(rng.uniform(*np.log(ages)))) for ages in ((12e3, 60e3), (1_500, 8_000))
        )
        state, before, growing = run(model, state, early), early, rng.random() < 0.2
        for now, wanted in ((early, growing), (10_000, False), (age, True)):
            state = run(model, state, now - before) if now > before else state
            before, v = now, np.asarray(state["v"])
            if v.std() < 0.01 or not np.isfinite(v).all():
                break
            later = np.asarray(run(model, state, 100)["v"])
            change = float(np.sqrt(np.mean((later - v) ** 2)) / v.std())
            moves = now == 10_000 and change > 0.3
            if (wanted and (now == age or change >= AT_REST)) or (moves and rng.random() < 0.5):
                yield [float(model.feed), float(model.kill), now, change, number], v
            if moves:
                break


def grow(seed: int, seconds: float, folder: Path) -> None:
    """Grow patterns for so long, and keep them."""
    began, told, fields = time.monotonic(), [], []
    for what, v in patterns(np.random.default_rng([2, seed])):
        told.append(what)
        fields.append(v.astype(np.float16))
        if time.monotonic() - began > seconds:
            break
    np.savez(folder / f"patterns_{seed}.npz", told=np.asarray(told), v=np.stack(fields))
    at_rest = np.mean(np.asarray(told)[:, 3] < AT_REST)
    print(f"{len(told)} patterns, {100 * at_rest:.0f} % at rest")


@dataclass(frozen=True)
class Pictures:
    """What is learned from: N patterns, each cut at CUTS levels.

    Attributes:
        told: F, k, age, change of v in 100 steps, and the run, (N, 5).
        masks: (N, CUTS, H, W).
        statistics: Of the outlines (N, CUTS, n).
    """

    told: np.ndarray
    masks: np.ndarray
    statistics: np.ndarray

    @property
    def rest(self) -> np.ndarray:
        """Which are at rest (N,)."""
        return self.told[:, 3] < AT_REST

    @property
    def truth(self) -> np.ndarray:
        """(ln F, ln k) (N, 2)."""
        return np.log(self.told[:, :2])


def pictures(folder: Path) -> Pictures:
    """All patterns that were grown, cut."""
    rng, told, masks = np.random.default_rng(5), [], []
    for number, path in enumerate(sorted(folder.glob("patterns_*.npz"))):
        with np.load(path) as file:
            told.append(file["told"] + [0, 0, 0, 0, 1e6 * number])
            masks += [cut(v.astype(float), rng) for v in file["v"]]
    full = np.array([is_full(one[0]) for one in masks])
    kept = np.stack(masks)[full]
    statistics = np.array([[outline_statistics(mask) for mask in one] for one in kept])
    return Pictures(np.concatenate(told)[full], kept, statistics)


def cut(v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Masks of v at random levels (CUTS, H, W)."""
    levels = v.min() + np.ptp(v) * rng.uniform(*THRESHOLDS, (CUTS, 1, 1))
    return v > levels


def is_full(mask: np.ndarray) -> bool:
    """Whether the pattern fills the picture; a few lone spots tell nothing."""
    return bool(np.quantile(ndimage.distance_transform_edt(~mask), 0.97) <= EMPTY)
