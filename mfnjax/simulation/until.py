"""A run until a time, by steps that choose themselves (`mfnjax.Adaptive`).

As with a number of steps there are three ways: a plain call goes in pieces of bounded work, so that
Ctrl-C is heeded and progress is shown; inside ``jit``, ``vmap`` or ``jvp`` it is one solve in
forward mode; and with ``adjoint=`` it is one under the adjoint of diffrax. In all of them steps end
at the times to save at: nothing is interpolated.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._extras import extra
from mfnjax.core.state import State
from mfnjax.models.base import Values
from mfnjax.simulation.adjoint import choose_policy
from mfnjax.simulation.checks import is_traced
from mfnjax.simulation.chunks import CHUNK_CELL_STEPS, Progress
from mfnjax.simulation.problem import Inputs, Problem
from mfnjax.simulation.trajectory import Cause, Status, Trajectory
from mfnjax.steppers import Adaptive

STAGED_COST = 256
"""Explicit steps in the work of one with implicit stages, about; for the size of a piece."""


def run_until(inputs: Inputs, adjoint: Any, progress: Progress | None) -> Trajectory:
    """Run what `prepare_inputs` has checked, the way that fits its arguments."""
    if adjoint is None and not inputs.is_traced:
        return _run_in_pieces(inputs, progress)
    return _run_whole(inputs, adjoint)


def _solving() -> Any:
    return extra("mfnjax.steppers.solve", "time", "a stepper that chooses its steps")


def _tolerances(
    problem: Problem, dtype: Any, max_steps: int | None = None
) -> tuple[Problem, np.ndarray]:
    """The tolerances traced, so that another one compiles nothing."""
    stepper: Any = problem.stepper
    bare = Adaptive(stepper.solver, max_steps=max_steps or stepper.max_steps)
    return replace(problem, stepper=bare), np.array([stepper.rtol, stepper.atol], dtype)


def _physics(problem: Problem, tolerances: Any) -> Any:
    stage = extra("mfnjax.steppers.stage", "time", "a stepper that chooses its steps")
    rtol, atol = tolerances
    return stage.Physics.of(problem.model, problem.grid, rtol, atol, tolerances.dtype)


@partial(jax.jit, static_argnames=("most", "is_first"))
def _compiled_piece(
    problem: Problem,
    tolerances: Any,
    values: Values,
    times: Any,
    rest: Any,
    slope: Any,
    *,
    most: int,
    is_first: bool,
) -> Any:
    """Some steps, from a time to another at most; ``times`` are both and the pace."""
    physics, (start, end, pace) = _physics(problem, tolerances), times
    solver = problem.stepper.solver  # type: ignore[attr-defined]
    if is_first:
        return _solving().first_slope(physics, values, start, solver)
    return _solving().solve(
        physics,
        values,
        start,
        end,
        pace=pace,
        rest=rest,
        slope=slope,
        solver=solver,
        max_steps=most,
    )


def _run_in_pieces(inputs: Inputs, progress: Progress | None) -> Trajectory:
    solving, span, grid = _solving(), inputs.span, inputs.problem.grid
    assert span is not None
    stepper: Any = inputs.problem.stepper
    dtype, limit = inputs.values[0].dtype, stepper.max_steps
    problem, tolerances = _tolerances(inputs.problem, dtype, max_steps=1)
    cost = STAGED_COST if solving.is_staged(stepper.solver) else 8
    most = int(np.clip(CHUNK_CELL_STEPS // (cost * grid.num_cells), 4, 4096))
    most = min(most, limit)
    values, start, until = inputs.values, float(span.start), float(span.until)
    goals = [] if span.save_at is None else np.asarray(span.save_at).tolist()
    times = np.array([start, until, float(span.pace)], dtype)
    piece = partial(_compiled_piece, problem, tolerances, rest=span.rest, most=most)
    slope = piece(values, times, slope=None, is_first=True)
    taken, refused, end = 0, 0, solving.PAUSED
    frames: list[list[np.ndarray]] = []
    for goal in [*goals, until]:
        times[1] = goal
        end = solving.REACHED if times[0] >= times[1] else solving.PAUSED
        while end == solving.PAUSED and taken + refused < limit:
            found = piece(values, times, slope=slope, is_first=False)
            values, slope, end = found.values, found.slope, int(found.end)
            times[0], times[2] = found.time, found.pace
            taken, refused = taken + int(found.taken), refused + int(found.refused)
            if progress is not None:
                done = (float(times[0]) - start) / (until - start)
                progress(round(1000 * done), 1000)
        if end != solving.REACHED:
            break
        if len(frames) < len(goals):
            frames.append([np.asarray(values[i]) for i in problem.saved])
    shape = (len(frames), *grid.shape)
    saved = [np.reshape([frame[k] for frame in frames], shape) for k in range(len(problem.saved))]
    histories: Any = tuple(np.asarray(one, dtype) for one in saved)
    return _trajectory(
        inputs,
        values,
        (np.asarray(times[0]), np.asarray(times[2])),
        (taken, refused),
        np.int32(end),
        histories,
        np.asarray(goals[: len(frames)], dtype),
    )


@partial(jax.jit, static_argnames=("adjoint",))
def _compiled_solve(
    problem: Problem, tolerances: Any, values: Values, span: Any, *, adjoint: Any
) -> Any:
    solving, physics = _solving(), _physics(problem, tolerances)
    stepper: Any = problem.stepper
    size = sum(u.size * u.dtype.itemsize for u in values)
    start, until, save_at, rest, pace = span
    return solving.solve(
        physics,
        values,
        start,
        until,
        pace=pace,
        rest=rest,
        slope=None,
        solver=stepper.solver,
        max_steps=stepper.max_steps,
        save_at=save_at,
        saved=problem.saved,
        adjoint=solving.adjoint_of(adjoint, size, stepper.max_steps),
    )


def _run_whole(inputs: Inputs, adjoint: Any) -> Trajectory:
    span = inputs.span
    assert span is not None
    if adjoint is not None:
        choose_policy(adjoint, steps=1, state_bytes=1)  # refuses what is none
    problem, tolerances = _tolerances(inputs.problem, inputs.values[0].dtype)
    times = (span.start, span.until, span.save_at, span.rest, span.pace)
    found = _compiled_solve(problem, tolerances, inputs.values, times, adjoint=adjoint)
    values, frames = found.values, found.frames
    # What lies behind the end of a run that stopped is nothing.
    frames = tuple(jnp.where(jnp.isinf(one), jnp.nan, one) for one in frames)
    if adjoint is None:
        from mfnjax.simulation.reverse_guard import forward_only

        values, frames = forward_only(values), forward_only(frames)
    return _trajectory(
        inputs,
        values,
        (found.time, found.pace),
        (found.taken, found.refused),
        found.end,
        frames,
        span.save_at,
    )


def _trajectory(
    inputs: Inputs,
    values: Values,
    clock: tuple[Any, Any],
    steps: tuple[Any, Any],
    end: Any,
    frames: Values,
    saved_at: Any,
) -> Trajectory:
    """What a run left; ``end`` as `mfnjax.steppers.solve` has it."""
    solving, names = _solving(), inputs.problem.model.fields
    history: Any = None
    if inputs.span is not None and inputs.span.save_at is not None:
        if inputs.save is None:
            count = len(frames[0])
            at = np.arange(1, count + 1, dtype=np.int32)
            history = State(names, frames, at, saved_at)
        else:
            (history,) = frames
    (time, pace), (taken, refused) = clock, steps
    # On the host where that is possible: each of these would be a program of its own.
    xp: Any = jnp if is_traced((end, taken, values)) else np
    sizes = xp.stack([xp.max(xp.abs(xp.asarray(u))) for u in values])  # a NaN is the largest
    is_bad = (end == solving.PAUSED) | (end == solving.VANISHED)
    cause = xp.where(end == solving.PAUSED, int(Cause.STEPS_RAN_OUT), int(Cause.STEP_VANISHED))
    cause = xp.where(is_bad, cause, int(Cause.NONE))
    first_bad = xp.where(is_bad, taken, -1)
    bad_field = xp.where(is_bad, xp.argmax(sizes), -1)
    stopped = xp.where(end == solving.STOPPED, time, xp.nan)
    step = inputs.step + taken
    if xp is np:
        first_bad, bad_field, cause = int(first_bad), int(bad_field), int(cause)
        stopped = None if np.isnan(stopped) else float(stopped)
        taken, refused, step = int(taken), int(refused), np.int32(step)
    return Trajectory(
        state=State(names, values, step, time, pace),
        history=history,
        counts={},
        status=Status(names, first_bad, bad_field, cause),
        steps_taken=taken,
        steps_refused=refused,
        stopped_at=stopped,
    )
