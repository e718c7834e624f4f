"""The compiled loop: a state through a traced number of steps.

A step is compiled once, whatever the number of steps and frames; `mfnjax.simulation.simulation`
calls the loop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax.core.pytree import register_pytree
from mfnjax.core.threefry import fold_in
from mfnjax.models.base import Values, all_cells
from mfnjax.simulation.problem import Inputs, Problem
from mfnjax.steppers.stepper import filled, inside


@final
@register_pytree
@dataclass(frozen=True)
class Run:
    """What the loop carries: the fields, the step, and what has been seen so far.

    ``first_bad`` is −1 or, in one number so that the loop carries one, step·fields + field.
    """

    values: Values
    step: Any
    counts: Any
    first_bad: Any


def start_run(inputs: Inputs) -> Run:
    """The carry before the first step."""
    counts = np.zeros(len(inputs.problem.model.counters), jnp.result_type(int))
    return Run(inputs.values, inputs.step, counts, np.int64(-1).astype(counts.dtype))


def _draw(problem: Problem, run: Run, step: Any) -> Any:
    """The random numbers of the step that starts at ``step``."""
    if problem.key is None:
        return None
    key = fold_in(problem.key, step)
    return problem.stepper.draw(problem.model, run.values[0].dtype, key=key)


def _one_step(problem: Problem, prepared: Any, run: Run, draw: Any) -> Run:
    """One step: advance, and note counts and the first bad field."""
    time = jnp.asarray(run.step, run.values[0].dtype) * problem.dt
    after = problem.stepper.step(
        problem.model, problem.grid, problem.dt, prepared, run.values, time=time, draw=draw
    )
    counts = run.counts
    if after.counts is not None:
        counts = counts + after.counts.astype(counts.dtype)
    run = replace(run, values=after.values, step=run.step + 1, counts=counts)
    return _note_bad(run, after.finite)


def drawn_step(problem: Problem, prepared: Any, run: Run) -> Run:
    """One step that draws its own numbers."""
    return _one_step(problem, prepared, run, _draw(problem, run, run.step))


def _steps(problem: Problem, prepared: Any, run: Run, count: Any, *, many: bool) -> Run:
    """``count`` (traced) steps; ``many``: in the model's own way, where it has one."""
    take_steps = getattr(problem.model, "take_steps", None)
    if many and take_steps is not None:
        step = partial(_one_step, problem, prepared)
        return take_steps(run, count, grid=problem.grid, key=problem.key, step=step)
    return lax.fori_loop(0, count, lambda _, r: drawn_step(problem, prepared, r), run)


def _note_bad(run: Run, finite: tuple[jax.Array, ...]) -> Run:
    """Remember the step and the first field that is not finite, if none is remembered yet."""
    field = jnp.int32(-1)
    for index in reversed(range(len(finite))):
        field = jnp.where(finite[index], field, jnp.int32(index))
    dtype = run.first_bad.dtype
    seen = run.step.astype(dtype) * len(finite) + field.astype(dtype)
    is_news = (field >= 0) & (run.first_bad < 0)
    return replace(run, first_bad=jnp.where(is_news, seen, run.first_bad))


def enter(problem: Problem, run: Run) -> Run:
    """Before the first step: fill the cells that take no part, note a field that is not finite."""
    run = replace(run, values=filled(problem.grid, run.values))
    good = all_cells(reduce(jnp.logical_and, map(jnp.isfinite, run.values)))

    def look(run: Run) -> Run:
        return _note_bad(run, tuple(all_cells(jnp.isfinite(u)) for u in run.values))

    return lax.cond(good, lambda run: run, look, run)


def leave(problem: Problem, run: Run) -> Run:
    """After the last step: 0 in the cells that take no part."""
    return replace(run, values=inside(problem.grid, run.values))


def saved_now(problem: Problem, run: Run) -> Values:
    """The fields that are saved, as they are now."""
    return inside(problem.grid, tuple(run.values[i] for i in problem.saved))


def prepare_step(problem: Problem, run: Run) -> Any:
    dtype = run.values[0].dtype
    return problem.stepper.prepare(problem.model, problem.grid, problem.dt, dtype)


def dynamic_loop(
    problem: Problem, run: Run, steps: Any, every: Any, capacity: int
) -> tuple[Run, Values]:
    """Run ``steps`` (traced), storing the saved fields after each ``every`` of them.

    Returns the carry and one buffer (capacity, H, W) a saved field. The body of a step is
    compiled once, whatever the number of steps and frames.
    """
    prepared = prepare_step(problem, run)
    run = enter(problem, run)
    buffers = tuple(
        jnp.zeros((capacity, *run.values[i].shape), run.values[i].dtype) for i in problem.saved
    )

    if not capacity:
        return leave(problem, _steps(problem, prepared, run, steps, many=True)), ()

    def frame(index: jax.Array, carry: tuple[Run, Values]) -> tuple[Run, Values]:
        run, buffers = carry
        count = jnp.minimum(every, steps - index * every)
        run = _steps(problem, prepared, run, count, many=False)
        buffers = tuple(
            lax.dynamic_update_index_in_dim(buffer, frame, index, 0)
            for buffer, frame in zip(buffers, saved_now(problem, run), strict=True)
        )
        return run, buffers

    run, buffers = lax.fori_loop(0, -(-steps // every), frame, (run, buffers))
    return leave(problem, run), buffers
