"""Explicit steppers: the model's own map, Euler, and the classical Runge–Kutta method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax

from mfnjax.core.grid import Grid
from mfnjax.models.base import Advanced, IteratedMap, Model, ReactionDiffusion, Values
from mfnjax.steppers.stepper import (
    Stepper,
    advanced,
    centres_and_rates,
    explicit_stable_step,
    right_hand_side,
)

EULER_EXTENT = 2.0
RK4_EXTENT = 2.785293563405282
"""Where |1 + z + z²/2 + z³/6 + z⁴/24| = 1 on the negative real axis, z = −this."""


@final
@dataclass(frozen=True)
class Map(Stepper):
    """The model's own step: for an `IteratedMap`."""

    name = "map"
    order = None

    def obstacle_of_model(self, model: Model) -> str | None:
        """It needs a step of the model's own."""
        return None if hasattr(model, "advance") else "it has no step of its own"

    def step(
        self,
        model: IteratedMap,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        draw: Any,
    ) -> Advanced:
        return model.advance(values, grid, draw=draw)

    def draw(self, model: IteratedMap, dtype: Any, *, key: jax.Array) -> Any:
        return model.draw(dtype, key=key)


@final
@dataclass(frozen=True)
class Euler(Stepper):
    """Explicit Euler: u ← u + dt·(L u + f(u)); first order.

    Stable for pure transport up to dt = 2/|L|: with diffusion in two dimensions, dt·D·4/dx² ≤ 1.
    """

    name = "euler"
    order = 1

    def step(
        self,
        model: ReactionDiffusion,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        draw: Any,
    ) -> Advanced:
        values, rates = centres_and_rates(model, grid, values)
        return advanced(_moved(values, dt, rates))

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        return explicit_stable_step(model, grid, extent=EULER_EXTENT)


@final
@dataclass(frozen=True)
class RungeKutta4(Stepper):
    """The classical four-stage Runge–Kutta method; fourth order.

    Stable for pure transport up to dt = 2.785/|L|.

    Source: W. Kutta (1901), Z. Math. Phys. 46, 435–453.
    """

    name = "rk4"
    order = 4

    def step(
        self,
        model: ReactionDiffusion,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        draw: Any,
    ) -> Advanced:
        values, k1 = centres_and_rates(model, grid, values)
        k2 = right_hand_side(model, grid, _moved(values, 0.5 * dt, k1))
        k3 = right_hand_side(model, grid, _moved(values, 0.5 * dt, k2))
        k4 = right_hand_side(model, grid, _moved(values, dt, k3))
        slopes = tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
        return advanced(_moved(values, dt / 6, slopes))

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        return explicit_stable_step(model, grid, extent=RK4_EXTENT)


def _moved(values: Values, by: Any, rates: Values) -> Values:
    return tuple(u + by * r for u, r in zip(values, rates, strict=True))
