"""F and k of Gray–Scott from a pattern's outlines: a guess, and a reading from that guess.

A few thousand patterns were grown with random (F, k) from random starts, and cut at random levels
(``python -m experiments.outlines.learn``). Small networks learned to guess F and k, and whether the
pattern is at rest, from `outline_statistics`. From that guess the model is held to the outlines
(`experiments.outlines.hold`). That finds F and k better, but with a bias, because patterns of that
age still move a little; a Gaussian process learned it (Rasmussen and Williams 2006, ISBN
026218253X), and how large errors are. How far an interval must reach to hold the truth in nine of
ten cases was measured on patterns that were not learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np

from experiments.outlines.hold import Held
from experiments.outlines.statistics import BANDS
from mfnjax._files import replacing

LEARNED = Path(__file__).with_name("reader.npz")

D_U, RATIO = 0.16, 0.5
"""What was learned from: D_u in cells²/time, and D_v/D_u. Another D_u is another unit of length."""

SIDE = 128
"""Cells a side of the pictures that were learned from."""

LARGEST = 4.0
"""Standardised statistics are held within this."""

LENGTH = 9.0
"""Distance of standardised evidence over which corrections stay alike."""


@final
@dataclass(frozen=True)
class Guess:
    """What the statistics of one picture's outlines say.

    Attributes:
        place: (ln F, ln k).
        deviations: How unsure the networks are of both (2,).
        at_rest: Probability that the pattern is at rest.
        distance: How far its statistics lie from those that were learned from: the mean square of
            their principal components in units of their spread, about 1 for one of them.
    """

    place: np.ndarray
    deviations: np.ndarray
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
    """

    center: np.ndarray
    spread: np.ndarray
    axes: np.ndarray
    layers: tuple[np.ndarray, ...]
    target_center: np.ndarray
    target_spread: np.ndarray


@final
@dataclass(frozen=True)
class Correction:
    """What is added to the place that holding found, as arrays.

    Attributes:
        center: Of the evidence (m,).
        spread: Of the same (m,).
        examples: Standardised evidence of pictures that were learned from (N, m).
        weights: Of the examples' kernels, for the corrections of (ln F, ln k) and for the
            logarithms of typical errors of both (N, 4).
        offset: Means of these (4,).
        reach: How many typical errors a 90 % interval of each reaches (2,).
    """

    center: np.ndarray
    spread: np.ndarray
    examples: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    reach: np.ndarray


def guess_place(statistics: np.ndarray) -> Guess:
    """Guess F and k.

    Args:
        statistics: `outline_statistics` of a picture (n,).

    Returns:
        The `Guess`.
    """
    learned, _ = load()
    place, deviation, logit = evaluate(learned, statistics[None])
    return Guess(
        place[0],
        deviation[0],
        float(1 / (1 + np.exp(-logit[0]))),
        float(distance(learned, statistics[None])[0]),
    )


def read_place(
    statistics: np.ndarray, guess: Guess, held: Held
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Read F and k.

    Args:
        statistics: `outline_statistics` of a picture (n,).
        guess: What they say.
        held: What holding the model to the outlines told, from that guess.

    Returns:
        ``feed`` and ``kill``, and their 90 % intervals (low, high).
    """
    _, correction = load()
    x = evidence(statistics, guess.place, guess.deviations, held.features())
    place, reach = corrected(correction, x[None])
    low, high = (np.exp(place[0] + sign * reach[0]) for sign in (-1, 1))
    names = ("feed", "kill")
    return (
        dict(zip(names, np.exp(place[0]).tolist(), strict=True)),
        dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True)),
    )


def evidence(
    statistics: np.ndarray, guess: np.ndarray, deviations: np.ndarray, held: np.ndarray
) -> np.ndarray:
    """The inputs (…, m) of a `Correction`: `Held.features`, logarithms of how unsure the guess was,
    the guess, how far the held place lies from it, and all statistics but the bands' shares."""
    shapes = statistics[..., len(BANDS) - 1 :]
    parts = [held, np.log(deviations), guess, held[..., :2] - guess, shapes]
    return np.concatenate(parts, axis=-1)


def corrected(correction: Correction, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((ln F, ln k), how far their 90 % intervals reach), both (N, 2), of evidence (N, m)."""
    scaled = np.clip((x - correction.center) / correction.spread, -LARGEST, LARGEST)
    told = correction.offset + kernel(scaled, correction.examples) @ correction.weights
    return x[:, :2] + told[:, :2], correction.reach * np.exp(told[:, 2:])


def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Covariances (N, M) of the corrections at standardised evidence (N, m) and (M, m): smooth on
    the scale of LENGTH, and linear at large."""
    apart = np.sum(one**2, 1)[:, None] + np.sum(other**2, 1) - 2 * one @ other.T
    return 10 * np.exp(-apart / (2 * LENGTH**2)) + one @ other.T / 30


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
ARRAYS = ("center", "spread", "axes", "target_center", "target_spread")
CORRECTION = ("center", "spread", "examples", "weights", "offset", "reach")


@cache
def load(path: Path = LEARNED) -> tuple[Learned, Correction]:
    """The networks and the correction in a file."""
    with np.load(path) as file:
        layers = tuple(file[name].astype(float) for name in LAYERS)
        learned = Learned(layers=layers, **{name: file[name].astype(float) for name in ARRAYS})
        correction = {name: file["correction_" + name].astype(float) for name in CORRECTION}
    return learned, Correction(**correction)


def save(learned: Learned, correction: Correction, path: Path) -> None:
    """Write the networks, weights and examples in half precision."""
    arrays: dict[str, Any] = {name: getattr(learned, name).astype(np.float32) for name in ARRAYS}
    arrays |= zip(LAYERS, (array.astype(np.float16) for array in learned.layers), strict=True)
    for name in CORRECTION:
        kind = np.float16 if name == "examples" else np.float32
        arrays["correction_" + name] = getattr(correction, name).astype(kind)
    with replacing(path) as beside:
        np.savez_compressed(beside, **arrays)
