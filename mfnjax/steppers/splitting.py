"""Strang splitting: reaction and transport in turn, the transport exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from mfnjax.core.grid import Grid
from mfnjax.core.spectral import from_modes, scale_modes, to_modes
from mfnjax.models.base import Advanced, Model, ReactionDiffusion, Values
from mfnjax.steppers.exponential import transport_exponents
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
        """It needs a transport with a symbol, and sides with a transform."""
        return super().obstacle(model, grid) or obstacle_of_modes(model, grid)

    def prepare(self, model: Model, grid: Grid, dt: Any, dtype: Any) -> jax.Array:
        return jnp.exp(transport_exponents(model, grid, dt, dtype))

    def step(
        self,
        model: ReactionDiffusion,
        grid: Grid,
        dt: Any,
        prepared: jax.Array,
        values: Values,
        *,
        draw: Any,
    ) -> Advanced:
        values = _react(model, 0.5 * dt, values)
        modes = scale_modes(prepared, to_modes(jnp.stack(values), grid))
        values = tuple(from_modes(modes, grid))
        return advanced(_react(model, 0.5 * dt, values))


def _react(model: ReactionDiffusion, dt: Any, values: Values) -> Values:
    """One classical Runge–Kutta step of the reaction alone, cell by cell."""

    def moved(by: Any, rates: Values) -> Values:
        return tuple(u + by * r for u, r in zip(values, rates, strict=True))

    k1 = model.reaction(values)
    k2 = model.reaction(moved(0.5 * dt, k1))
    k3 = model.reaction(moved(0.5 * dt, k2))
    k4 = model.reaction(moved(dt, k3))
    return moved(
        dt / 6, tuple(a + 2 * (b + c) + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
    )
