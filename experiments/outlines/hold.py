"""A pattern held to given outlines: how hard one must push says whether F and k are right.

The model is run with F and k from a rough guess of its state. From time to time, v is pushed to
the right side of the level wherever it lies on the wrong side of it. Within a thousand units of
time u and v settle to the only pattern with these outlines that the model nearly keeps, and what
pushing is still needed is the measure: a pattern at rest needs none at its own F and k. That is
nudging, as in data assimilation (Hoke and Anthes 1976, Monthly Weather Review 104, 1551), with the
parameters found by Gauss and Newton's least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from mfnjax.core.grid import Grid
from mfnjax.fitting.snapshot.estimate import time_steps
from mfnjax.fitting.snapshot.stationary import substrate_at_rest
from mfnjax.models.gray_scott import GrayScottModel
from mfnjax.simulation import simulate

VALLEY = 0.13
"""Change of ln k for a change of ln F along which outlines change least."""

PRIOR = np.array([0.15, 0.006])
"""Standard deviations of a guess: of ln F along the valley, of ln k across it."""

INDEPENDENT = 60.0
"""How many pushes of one pattern are independent of each other, roughly."""

EVERY = 45.0
"""Time between pushes."""

SETTLING, ROUNDS, LOOKED_AT = 34, 20, 6
"""Pushes until a first state has settled; until that of other parameters has; those measured."""

ITERATIONS = 6
STEPS = np.array([0.03, 0.002])
"""Differences for the derivatives, along and across the valley."""

LARGEST = np.array([0.08, 0.005])
"""Largest change in one iteration."""

MARGIN = 20
"""Width of the rim, in units of length, that does not count where the picture has edges: a cut-out
of a larger pattern is not without flux there, and a wavelength or so further in that is forgotten.
"""

NEIGHBOURHOOD = 16
"""Side of the square, in units of length, in which the strength of pushes is compared."""

LEAST_RANGE = 0.05
"""Range of v below which it is no pattern: those of Gray–Scott have 0.2 and more."""

State = tuple[np.ndarray, np.ndarray]


@final
@dataclass(frozen=True)
class Outlines:
    """A mask (H, W) and its boundary; diffusivities in cells²/time; the unit of length in cells."""

    mask: np.ndarray
    boundary: str
    d_u: float
    d_v: float
    unit: float

    @property
    def counted(self) -> np.ndarray:
        """Whether the pushes of a cell count, 1 or 0 (H, W)."""
        if self.boundary == "periodic":
            return np.ones(self.mask.shape)
        rim = round(MARGIN * self.unit)
        return np.pad(np.ones([n - 2 * rim for n in self.mask.shape]), rim)

    @property
    def mode(self) -> str:
        """The boundary, as SciPy's filters call it."""
        return "wrap" if self.boundary == "periodic" else "reflect"

    @property
    def grid(self) -> Grid:
        """Its grid."""
        return Grid(self.mask.shape, boundary=self.boundary)

    def model(self, place: np.ndarray) -> GrayScottModel:
        """The model at (ln F, ln k)."""
        feed, kill = np.exp(place).tolist()
        return GrayScottModel(feed=feed, kill=kill, d_u=self.d_u, d_v=self.d_v)


@final
@dataclass(frozen=True)
class Held:
    """What holding tells.

    Attributes:
        place: (ln F, ln k) that need the least pushing, pulled weakly to the guess.
        deviations: How sharply ln F along the valley and ln k across it are told (2,).
        push: Root mean square of the pushes that count, in ranges of v.
    """

    place: np.ndarray
    deviations: np.ndarray
    push: float

    def features(self) -> np.ndarray:
        """As inputs of a network (5,)."""
        return np.concatenate([self.place, np.log(self.deviations), [np.log(self.push)]])


def hold(outlines: Outlines, guess: np.ndarray) -> Held | None:
    """Find F and k for which the outlines need the least pushing.

    The pushes p (one a cell) are linearised about the last place, and

        Σ w p² / ⟨w p²⟩ · INDEPENDENT / cells + (distance from the guess / PRIOR)²

    is minimised, where the weights w level the neighbourhoods, so that a few places that still
    move do not rule, and leave out a rim along edges.

    Args:
        outlines: What is seen.
        guess: (ln F, ln k).

    Returns:
        What was `Held`; None where the pattern vanishes or the run blows up: a v without a pattern
        needs no pushing, and that says nothing of the outlines.
    """
    counted = outlines.counted
    along = np.array([[1.0, VALLEY], [0.0, 1.0]])
    at, state = np.zeros(2), _settled(outlines, guess)
    for iteration in range(ITERATIONS):
        here = guess + at @ along
        state_here, push = _pushed(outlines, here, state, ROUNDS)
        if not np.ptp(state_here[1]) >= LEAST_RANGE:
            return None
        near = [here + step @ along for step in np.diag(STEPS)]
        pushes = [_pushed(outlines, place, state, ROUNDS)[1] for place in near]
        slopes = (np.stack(pushes) - push).reshape(2, -1) / STEPS[:, None]
        if not np.isfinite(slopes).all():
            return None
        weight = _levelled(push, outlines) * counted.ravel()
        scaled = slopes * weight * INDEPENDENT / (push.ravel() @ (weight * push.ravel()) + 1e-8)
        told = scaled @ slopes.T
        change = -np.linalg.solve(told + np.diag(PRIOR**-2), scaled @ push.ravel() + at / PRIOR**2)
        damped = 1.0 if iteration < ITERATIONS // 2 else 0.6
        at, state = at + damped * np.clip(change, -LARGEST, LARGEST), state_here
    deviations = np.sqrt(np.diag(np.linalg.inv(told + np.diag((10 * PRIOR) ** -2))))
    return Held(
        guess + at @ along, deviations, float(np.sqrt(np.average(push**2, weights=counted) + 1e-12))
    )


def _settled(outlines: Outlines, guess: np.ndarray) -> State:
    """A state near the outlines, from v that is high inside and u that goes with v at rest."""
    feed, kill = np.exp(guess)
    v = ndimage.gaussian_filter(
        outlines.mask.astype(float), 1.5 * outlines.unit, mode=outlines.mode
    )
    v *= min(0.33, 0.45 * feed / (feed + kill) / v.mean())
    u = substrate_at_rest(outlines.model(guess), jnp.asarray(v), outlines.grid)
    return _pushed(outlines, guess, (np.clip(u, 0.05, 1), v), SETTLING)[0]


def _pushed(
    outlines: Outlines, place: np.ndarray, state: State, rounds: int
) -> tuple[State, np.ndarray]:
    """(the state after so many runs, each followed by a push; the mean of the last pushes)."""
    model, mask = outlines.model(place), outlines.mask
    steps, dt = time_steps({"d_u": outlines.d_u, "d_v": outlines.d_v}, EVERY, outlines.grid)
    total: Any = 0.0
    for index in range(rounds):
        start = tuple(jnp.asarray(part, jnp.float32) for part in state)
        end = simulate(model, start, grid=outlines.grid, steps=steps, dt=dt, stepper="euler").state
        v = np.asarray(end["v"])
        off = _level(v, mask) - v
        push = np.where(mask, np.maximum(off, 0), np.minimum(off, 0))
        state = np.asarray(end["u"]), v + push
        total = total + push if index >= rounds - LOOKED_AT else 0.0
    return state, total / LOOKED_AT / max(float(np.ptp(v)), 1e-3)


def _level(v: np.ndarray, mask: np.ndarray) -> float:
    """The level above which v has as many cells as the mask."""
    below = v.size - int(mask.sum())
    return float(np.partition(v.ravel(), (below - 1, below))[below - 1 : below + 1].mean())


def _levelled(push: np.ndarray, outlines: Outlines) -> np.ndarray:
    """Weights that are lower where pushes are strong all around (H·W,)."""
    side = round(NEIGHBOURHOOD * outlines.unit)
    strength = ndimage.uniform_filter(push**2, side, mode=outlines.mode)
    strength = np.maximum(strength, 0)
    weight = 1 / (strength + np.median(strength) + 1e-12)
    return (weight / weight.mean()).ravel()
