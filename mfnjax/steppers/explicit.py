"""Explicit steppers: the model's own map, Euler, and the classical Runge–Kutta method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax

from mfnjax.core.grid import Grid
from mfnjax.models.base import Advanced, Equation, IteratedMap, Model, Values
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

SSPRK3_EXTENT = 2.5127453266183286
"""Where |1 + z + z²/2 + z³/6| = 1 on the negative real axis, z = −this."""


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
        time: Any,
        draw: Any,
    ) -> Advanced:
        after = model.advance(values, grid, draw=draw)
        return after if isinstance(after, Advanced) else advanced(tuple(after))

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
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        values, rates = centres_and_rates(model, grid, values, time)
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
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        middle = time + 0.5 * dt
        values, k1 = centres_and_rates(model, grid, values, time)
        k2 = right_hand_side(model, grid, _moved(values, 0.5 * dt, k1), middle)
        k3 = right_hand_side(model, grid, _moved(values, 0.5 * dt, k2), middle)
        k4 = right_hand_side(model, grid, _moved(values, dt, k3), time + dt)
        slopes = tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
        return advanced(_moved(values, dt / 6, slopes))

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        return explicit_stable_step(model, grid, extent=RK4_EXTENT)


@final
@dataclass(frozen=True)
class StrongStability3(Stepper):
    """Three stages of Euler's method, averaged; third order.

    a = E u;  b = ¾u + ¼E a;  u ← ⅓u + ⅔E b, with E one step of explicit Euler. What Euler keeps at
    a step dt (positivity, no new extrema) it keeps at the same dt.

    Source: C.-W. Shu, S. Osher (1988), doi:10.1016/0021-9991(88)90177-5.
    """

    name = "ssprk3"
    order = 3

    def step(
        self,
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: Any,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        values, k1 = centres_and_rates(model, grid, values, time)
        first = _moved(values, dt, k1)
        k2 = right_hand_side(model, grid, first, time + dt)
        second = tuple(
            0.75 * u + 0.25 * a for u, a in zip(values, _moved(first, dt, k2), strict=True)
        )
        k3 = right_hand_side(model, grid, second, time + 0.5 * dt)
        after = _moved(second, dt, k3)
        return advanced(tuple(u / 3 + 2 * a / 3 for u, a in zip(values, after, strict=True)))

    def largest_stable_step(self, model: Model, grid: Grid) -> float | None:
        return explicit_stable_step(model, grid, extent=SSPRK3_EXTENT)


def _moved(values: Values, by: Any, rates: Values) -> Values:
    return tuple(u + by * r for u, r in zip(values, rates, strict=True))
