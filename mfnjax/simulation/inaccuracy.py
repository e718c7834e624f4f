"""Whether the dt of a run of fixed steps was too long for its rates, and which would do.

A step that is stable for the transport may still be far too long for the reaction: Fisher's
equation with λ·dt = 2.7 goes up and down around 1 for ever, and every field is finite. Seen from
the state at the end, which moves by m = dt·|u_t| in a step while the rates f change by z·|u_t|/dt,

    m = dt·|u_t|,  z = dt·|f(u + dt·u_t) − f(u)| / m,  error of a step ≈ m·z^p/(p + 1)!

with p the order of the stepper. It is set against the largest value of the field. What has come to
rest is right, however long the steps are.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.nabla import Nabla
from mfnjax.core.state import State
from mfnjax.models.base import Equation, Values
from mfnjax.simulation.packing import cast
from mfnjax.steppers import choose_stepper, right_hand_side, works_cell_by_cell

LARGEST_ERROR = 0.1
"""Error of one step that makes a run inaccurate, as a part of the field's largest value."""

GOOD_ERROR = 0.01


def sufficient_step(simulation: Any, state: State) -> float | None:
    """The dt that would do for a run that ended in a state; None where its own does.

    None, too, where that cannot be told: of maps, of equations with noise, of rates that look at a
    neighbour (their short waves are stiff in another way), and of steps that choose themselves.
    """
    model, grid = simulation.model, simulation.grid
    if simulation.until is not None or not isinstance(model, Equation) or model.is_stochastic():
        return None
    order = choose_stepper(model, simulation.stepper).order
    if order is None:
        return None
    dtype = state.values[0].dtype
    dt, time = cast((simulation.dt, float(state.step) * float(simulation.dt)), dtype)
    moved, changed = _motion(cast(model, dtype), cast(grid, dtype), state.values, dt, time)
    # In float64: a large z to a power may leave float32.
    moved, changed = np.asarray(moved, np.float64), np.asarray(changed, np.float64)
    error = float(np.max(moved * changed**order)) / math.factorial(order + 1)
    if not error > LARGEST_ERROR:
        return None
    return float(simulation.dt) * (GOOD_ERROR / error) ** (1 / (order + 1))


@jax.jit
def _motion(model: Any, grid: Grid, values: Values, dt: Any, time: Any) -> tuple[Any, Any]:
    """m over the field's largest value, and z, where their product is largest, one a field."""

    def rates(values: Values) -> Values:
        nabla = Nabla(grid, model.fields, values, time)
        found = model.rates(nabla.fields, nabla)
        return tuple(jnp.broadcast_to(r, u.shape) for r, u in zip(found, values, strict=True))

    before, derivative = jax.linearize(rates, values)
    is_local = works_cell_by_cell(derivative, values)
    slopes = right_hand_side(model, grid, values, time)
    after = tuple(u + dt * slope for u, slope in zip(values, slopes, strict=True))
    moved, changed = [], []
    for u, slope, one, other in zip(values, slopes, before, rates(after), strict=True):
        change = jnp.abs(other - one)
        if grid.mask is not None:
            change = jnp.where(grid.mask > 0, change, 0)
        at = jnp.argmax(change)
        move = dt * jnp.abs(jnp.broadcast_to(slope, u.shape).ravel()[at])
        tiny = jnp.finfo(u.dtype).tiny
        moved.append(move / (jnp.max(jnp.abs(u)) + tiny))
        changed.append(dt * change.ravel()[at] / (move + tiny))
    return jnp.where(is_local, jnp.stack(moved), 0), jnp.stack(changed)
