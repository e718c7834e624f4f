"""A run: a model from a state through a number of steps.

Three ways through one body of code:

* called with plain arrays, it runs a compiled loop whose number of steps is traced, in chunks of
  bounded work, so that a new number of steps or frames compiles nothing and Ctrl-C is heeded;
* inside ``jit``, ``vmap`` or ``jvp`` it is one traced loop (forward mode only);
* with ``adjoint=`` it is a static scan with a memory policy, for reverse mode.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mfnjax.models.base import Values
from mfnjax.simulation.adjoint import choose_policy, static_loop
from mfnjax.simulation.chunks import Progress, run_in_chunks
from mfnjax.simulation.loop import (
    Run,
    drawn_step,
    dynamic_loop,
    enter,
    leave,
    prepare_step,
    saved_now,
    start_run,
)
from mfnjax.simulation.problem import Inputs, Problem
from mfnjax.simulation.trajectory import Trajectory, make_trajectory
from mfnjax.simulation.until import run_until


def run_inputs(inputs: Inputs, adjoint: Any = None, progress: Progress | None = None) -> Trajectory:
    """Run what `prepare_inputs` has checked, the way that fits its arguments."""
    if inputs.span is not None:
        return run_until(inputs, adjoint, progress)
    if adjoint is not None:
        return _run_static(inputs, adjoint)
    if inputs.is_traced:
        return _run_traced(inputs)
    return run_in_chunks(inputs, progress)


_compiled_loop = partial(jax.jit, static_argnames=("capacity",))(dynamic_loop)


def _run_traced(inputs: Inputs) -> Trajectory:
    """Inside a transformation: one loop, one buffer, forward mode only."""
    # Imported here: it needs jax.extend, a tenth of a second that a plain run does without.
    from mfnjax.simulation.reverse_guard import forward_only

    every = inputs.save_every
    capacity = 0 if every is None else inputs.steps // every
    steps = jnp.asarray(inputs.steps, jnp.int32)
    interval = jnp.maximum(steps, 1) if every is None else jnp.int32(every)
    run, buffers = _compiled_loop(
        inputs.problem, start_run(inputs), steps, interval, capacity=_room(inputs, capacity)
    )
    run = replace(run, values=forward_only(run.values))
    return make_trajectory(inputs, run, tuple(b[:capacity] for b in forward_only(buffers)))


def _room(inputs: Inputs, capacity: int) -> int:
    """Frames to make room for: a tail shorter than ``save_every`` writes one more."""
    every = inputs.save_every
    return capacity + bool(every is not None and inputs.steps % every)


@partial(jax.jit, static_argnames=("steps", "every", "policy"))
def _compiled_scan(
    problem: Problem, run: Run, *, steps: int, every: int | None, policy: str
) -> tuple[Run, Values]:
    prepared = prepare_step(problem, run)
    run = enter(problem, run)
    body = partial(drawn_step, problem, prepared)
    if every is None:
        return leave(problem, static_loop(body, run, steps, policy)), ()

    def frame(run: Run, _: None) -> tuple[Run, Values]:
        run = static_loop(body, run, every, policy)
        return run, saved_now(problem, run)

    run, frames = lax.scan(frame, run, None, length=steps // every)
    return leave(problem, static_loop(body, run, steps % every, policy)), frames


def _run_static(inputs: Inputs, adjoint: Any) -> Trajectory:
    """A static scan with a memory policy: reverse mode works."""
    state_bytes = sum(u.size * u.dtype.itemsize for u in inputs.values)
    policy = choose_policy(adjoint, inputs.steps, state_bytes)
    run, frames = _compiled_scan(
        inputs.problem,
        start_run(inputs),
        steps=inputs.steps,
        every=inputs.save_every,
        policy=policy,
    )
    return make_trajectory(inputs, run, frames)
