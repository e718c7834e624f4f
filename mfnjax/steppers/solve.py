"""A stretch of time by diffrax: what every way of running an `Adaptive` stepper is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp

from mfnjax.errors import ParameterError
from mfnjax.models.base import Values
from mfnjax.steppers.methods import Staged, physics_of, solver_of, term
from mfnjax.steppers.pace import Pace, largest
from mfnjax.steppers.stage import Physics
from mfnjax.steppers.stepper import filled, inside

REACHED, STOPPED, PAUSED, VANISHED = range(4)
"""How a stretch ended: at its end; at rest; out of steps; at a step of no length."""


class Stretch(NamedTuple):
    """What is known after a stretch.

    Attributes:
        values: The fields.
        time: Where they stand.
        pace: The step that would come next.
        slope: What an implicit method keeps of its last stage, or None.
        taken: Steps taken.
        refused: Steps refused.
        end: `REACHED` and so on.
        frames: The saved fields at ``save_at``; infinite after the end.
    """

    values: Values
    time: Any
    pace: Any
    slope: Any
    taken: Any
    refused: Any
    end: Any
    frames: Values = ()


def solve(
    physics: Physics,
    values: Values,
    start: Any,
    end: Any,
    *,
    pace: Any,
    rest: Any,
    slope: Any = None,
    solver: str,
    max_steps: int,
    save_at: Any = None,
    saved: tuple[int, ...] = (),
    adjoint: Any = None,
) -> Stretch:
    """Solve from ``start`` to ``end``.

    Args:
        physics: The rates.
        values: The fields at ``start``.
        start: A time.
        end: A time after it.
        pace: The first step to try; 0: one is chosen.
        rest: End where max |u_t| is below it; None: never.
        slope: As a stretch before gave it.
        solver: Name of the method (static).
        max_steps: Steps at most, refused ones included (static).
        save_at: Times (n,) between, in order, where steps end and fields are saved; or None.
        saved: Indices of those fields.
        adjoint: diffrax's; None is forward mode only.
    """
    leaves, structure = jax.tree.flatten(physics)
    values = filled(physics.grid, values)
    method, controller = solver_of(solver, structure), Pace(physics.rtol, physics.atol, end)
    subs = [diffrax.SubSaveAt(t1=True)]
    if save_at is not None:
        controller = diffrax.ClipStepSizeController(controller, step_ts=save_at)
        subs.append(diffrax.SubSaveAt(ts=save_at, fn=lambda t, y, args: tuple(y[i] for i in saved)))
    keeps = isinstance(method, Staged) and slope is not None
    solution = diffrax.diffeqsolve(
        term(structure),
        method,
        start,
        end,
        pace,
        values,
        leaves,
        saveat=diffrax.SaveAt(subs=subs, controller_state=True, solver_state=keeps),
        stepsize_controller=controller,
        adjoint=diffrax.ForwardMode() if adjoint is None else adjoint,
        event=None if rest is None else diffrax.Event(_is_at_rest(rest, structure)),
        max_steps=max_steps,
        throw=False,
        solver_state=slope if keeps else None,
    )
    times, fields = solution.ts[0], solution.ys[0]
    state, results = solution.controller_state, diffrax.RESULTS
    if save_at is not None:
        state = state.inner_state
    ended = [
        (results.event_occurred, STOPPED),
        (results.max_steps_reached, PAUSED),
        (results.successful, REACHED),
    ]
    code = jnp.int32(VANISHED)
    for result, meaning in ended:
        code = jnp.where(solution.result == result, jnp.int32(meaning), code)
    frames = solution.ys[1] if save_at is not None else ()
    return Stretch(
        inside(physics.grid, tuple(one[-1] for one in fields)),
        times[-1],
        state[1],
        solution.solver_state if keeps else slope,
        solution.stats["num_accepted_steps"],
        solution.stats["num_rejected_steps"],
        code,
        inside(physics.grid, frames),
    )


def first_slope(physics: Physics, values: Values, time: Any, solver: str) -> Any:
    """What a method that is implicit in all of u_t keeps of its last stage, before the first."""
    leaves, structure = jax.tree.flatten(physics)
    if not is_staged(solver):
        return None
    values = filled(physics.grid, values)
    return solver_of(solver, structure).init(None, time, time, values, leaves)


def is_staged(solver: str) -> bool:
    """Whether a method has implicit stages."""
    return isinstance(solver_of(solver, None), Staged)


def adjoint_of(adjoint: Any, state_bytes: int, max_steps: int) -> Any:
    """diffrax's adjoint for a policy of `mfnjax.simulation.adjoint`, or for MiB."""
    if adjoint is None:
        return None
    if adjoint == "direct":
        return diffrax.DirectAdjoint()
    if adjoint == "nested":
        return diffrax.RecursiveCheckpointAdjoint()
    if adjoint == "per_step":
        return diffrax.RecursiveCheckpointAdjoint(checkpoints=max_steps)
    checkpoints = int(adjoint * 2**20 // (2 * state_bytes))
    if checkpoints < 1:
        raise ParameterError(f"adjoint = {adjoint!r} MiB is too small for two states")
    return diffrax.RecursiveCheckpointAdjoint(checkpoints=min(checkpoints, max_steps))


def _is_at_rest(rate: Any, structure: Any) -> Any:
    def condition(t: Any, y: Values, args: list[Any], **_: Any) -> jax.Array:
        return largest(physics_of(structure, args).rates(t, y)) < rate

    return condition
