"""Strang splitting: reaction and transport in turn, the transport exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from mfnjax.core.grid import Grid
from mfnjax.core.spectral import from_modes, scale_modes, to_modes
from mfnjax.models.base import Advanced, Equation, Model, Values
from mfnjax.steppers.exponential import explicit_rates, transport_exponents
from mfnjax.steppers.stepper import Stepper, advanced, obstacle_of_modes


@final
@dataclass(frozen=True)
class Strang(Stepper):
    """u ← R(dt/2) e^{dt·L} R(dt/2) u, with R one Runge–Kutta step of u' = f(u); second order.

    Pure transport is exact, and so is its positivity. A steady state of the equations is one of
    the scheme only up to O(dt²).

    Source: G. Strang (1968), doi:10.1137/0705041.
    """

    name = "strang"
    order = 2

    def obstacle(self, model: Model, grid: Grid) -> str | None:
        """It needs a transport with a symbol, and sides with a transform and without values.

        A value at a side is a strong source in one layer of cells, far from the transport that
        balances it: the splitting would be inaccurate there.
        """
        if not all(grid.boundary.of(name).is_plain for name in model.fields):
            return "a splitting is inaccurate beside sides that hold a value"
        return super().obstacle(model, grid) or obstacle_of_modes(model, grid)

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> jax.Array:
        return jnp.exp(transport_exponents(model, grid, dt, dtype))

    def step(
        self,
        model: Equation,
        grid: Grid,
        dt: Any,
        prepared: jax.Array,
        values: Values,
        *,
        time: Any,
        draw: Any,
    ) -> Advanced:
        values = _react(model, grid, 0.5 * dt, values, time)
        modes = scale_modes(prepared, to_modes(jnp.stack(values), grid))
        values = tuple(from_modes(modes, grid))
        return advanced(_react(model, grid, 0.5 * dt, values, time + 0.5 * dt))


def _react(model: Equation, grid: Grid, dt: Any, values: Values, time: Any) -> Values:
    """One classical Runge–Kutta step of all but the transport."""

    def moved(by: Any, rates: Values) -> Values:
        return tuple(u + by * r for u, r in zip(values, rates, strict=True))

    def rates_of(values: Values, at: Any) -> Values:
        return explicit_rates(model, grid, values, at)

    k1 = rates_of(values, time)
    k2 = rates_of(moved(0.5 * dt, k1), time + 0.5 * dt)
    k3 = rates_of(moved(0.5 * dt, k2), time + 0.5 * dt)
    k4 = rates_of(moved(dt, k3), time + dt)
    return moved(
        dt / 6, tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
    )
