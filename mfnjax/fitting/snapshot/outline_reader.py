"""F and k of Gray–Scott from the statistics of a pattern's outlines, by networks that learned it.

A few thousand patterns were grown with random (F, k) from random starts, cut at random levels, and
small networks learned to tell F and k, and how unsure they are, from `outline_statistics`
(``python -m experiments.read_outlines``): simulation-based inference, amortised (Cranmer, Brehmer
and Louppe 2020, doi:10.1073/pnas.1912789117). How far an interval must reach to hold the truth in
nine of ten cases was measured on patterns that were not learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np

from mfnjax._files import replacing
from mfnjax.fitting.snapshot.outline_statistics import outline_statistics

LEARNED = Path(__file__).with_name("outline_reader.npz")

D_U, RATIO = 0.16, 0.5
"""What was learned from: D_u in cells²/time, and D_v/D_u. Another D_u is another unit of length."""

SIDE = 128
"""Cells a side of the pictures that were learned from."""

LARGEST = 4.0
"""Standardised statistics are held within this."""


@final
@dataclass(frozen=True)
class Reading:
    """What the outlines of one picture say.

    Attributes:
        feed: F.
        kill: k.
        intervals: Parameter → 90 % interval (low, high).
        at_rest: Probability that the pattern is at rest.
        distance: How far its statistics lie from those that were learned from: the mean square of
            their principal components in units of their spread, about 1 for one of them.
    """

    feed: float
    kill: float
    intervals: dict[str, tuple[float, float]]
    at_rest: float
    distance: float


@final
@dataclass(frozen=True)
class Learned:
    """The networks, as arrays.

    Attributes:
        center: Of each statistic (n,).
        spread: Of each statistic (n,).
        axes: Principal components of the standardised statistics, each over its spread (n, m).
        layers: Weights and biases of an ensemble, each with a leading axis of the networks.
        target_center: Of (ln F, ln k) (2,).
        target_spread: Of the same (2,).
        reach: How many standard deviations a 90 % interval of each reaches (2,).
    """

    center: np.ndarray
    spread: np.ndarray
    axes: np.ndarray
    layers: tuple[np.ndarray, ...]
    target_center: np.ndarray
    target_spread: np.ndarray
    reach: np.ndarray


def read_outlines(mask: np.ndarray, *, d_u: float, learned: Learned | None = None) -> Reading:
    """Read F and k off a mask.

    Args:
        mask: Where v is above an unknown level (H, W), boolean, periodic.
        d_u: D_u, cells²/time; D_v is half of it.
        learned: The networks; None: those of the package.

    Returns:
        The `Reading`.
    """
    learned = load() if learned is None else learned
    statistics = outline_statistics(mask, unit=float(np.sqrt(d_u / D_U)))
    mean, deviation, logit = evaluate(learned, statistics[None])
    low, high = (np.exp(mean[0] + sign * learned.reach * deviation[0]) for sign in (-1, 1))
    feed, kill = (float(x) for x in np.exp(mean[0]))
    return Reading(
        feed,
        kill,
        {name: (float(low[i]), float(high[i])) for i, name in enumerate(("feed", "kill"))},
        float(1 / (1 + np.exp(-logit[0]))),
        float(distance(learned, statistics[None])[0]),
    )


def standardise(learned: Learned, statistics: np.ndarray) -> np.ndarray:
    """Statistics (…, n) in units of their spread."""
    return (statistics - learned.center) / learned.spread


def distance(learned: Learned, statistics: np.ndarray) -> np.ndarray:
    """Mean squares of the principal components of (N, n) statistics, (N,)."""
    return np.mean((standardise(learned, statistics) @ learned.axes) ** 2, axis=-1)


def evaluate(learned: Learned, statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(means (N, 2), standard deviations (N, 2) of ln F and ln k, logits (N,) of being at rest).

    Args:
        learned: The networks.
        statistics: (N, n).
    """
    x = np.clip(standardise(learned, statistics), -LARGEST, LARGEST)
    out = forward(learned.layers, x)
    means, variances = out[..., :2], np.exp(2 * out[..., 2:4])
    mean = means.mean(0)
    # Of a mixture of the networks' answers.
    deviation = np.sqrt(variances.mean(0) + means.var(0))
    center, spread = learned.target_center, learned.target_spread
    return center + spread * mean, spread * deviation, out[..., 4].mean(0)


def forward(layers: tuple[np.ndarray, ...], x: np.ndarray) -> np.ndarray:
    """The outputs (networks, N, 5) of three layers with SiLU between."""
    first, first_bias, second, second_bias, last, last_bias = layers
    hidden = _silu(x @ first + first_bias[:, None])
    hidden = _silu(hidden @ second + second_bias[:, None])
    return hidden @ last + last_bias[:, None]


def _silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


LAYERS = ("first", "first_bias", "second", "second_bias", "last", "last_bias")
ARRAYS = ("center", "spread", "axes", "target_center", "target_spread", "reach")


@cache
def load(path: Path = LEARNED) -> Learned:
    """The networks in a file."""
    with np.load(path) as file:
        layers = tuple(file[name].astype(float) for name in LAYERS)
        return Learned(layers=layers, **{name: file[name].astype(float) for name in ARRAYS})


def save(learned: Learned, path: Path) -> None:
    """Write the networks, weights in half precision."""
    arrays: dict[str, Any] = {name: getattr(learned, name).astype(np.float32) for name in ARRAYS}
    arrays |= zip(LAYERS, (array.astype(np.float16) for array in learned.layers), strict=True)
    with replacing(path) as beside:
        np.savez_compressed(beside, **arrays)
