"""`simulate` takes a model from a state through a number of steps.

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

from mfnjax._checks import check_one_key
from mfnjax.core.grid import Grid
from mfnjax.core.state import StateLike
from mfnjax.models.base import Model, Values
from mfnjax.simulation.adjoint import choose_policy, static_loop
from mfnjax.simulation.checks import is_traced
from mfnjax.simulation.chunks import Progress, run_in_chunks
from mfnjax.simulation.loop import (
    Run,
    drawn_step,
    dynamic_loop,
    note_bad_start,
    prepare_step,
    start_run,
)
from mfnjax.simulation.problem import Inputs, Problem, prepare_inputs
from mfnjax.simulation.trajectory import Trajectory, make_trajectory
from mfnjax.steppers import Stepper


def simulate(
    model: Model,
    state: StateLike,
    *,
    grid: Grid,
    steps: Any,
    dt: Any = 1.0,
    stepper: str | Stepper | None = None,
    save_every: int | None = None,
    save: str | None = None,
    adjoint: str | float | None = None,
    progress: Progress | None = None,
    key: jax.Array | None = None,
) -> Trajectory:
    """Run a model from a state through ``steps`` steps.

    A run of a + b steps equals a run of a followed by one of b, bit for bit: the state carries its
    step, and step s draws from ``fold_in(key, s)``.

    Args:
        model: The model; its parameters are traced (changing one compiles nothing).
        state: Where to start: a `State`, fields by name, or fields in order; arrays (H, W) of one
            floating dtype, which the run keeps.
        grid: The grid, of the fields' shape.
        steps: Number of steps T ≥ 0. Traced unless ``adjoint`` is given.
        dt: Time step, in the model's unit of time (1 for a map).
        stepper: Name or object; None takes the model's own.
        save_every: Save a frame after every so many steps; None saves none.
        save: Save this field alone (an array (n, H, W)); None saves whole states.
        adjoint: Memory policy of reverse mode: ``"direct"``, ``"per_step"``, ``"nested"`` or a
            number of MiB (see `mfnjax.simulation.adjoint`). None: forward mode only.
        progress: Called with (steps done, steps in all) between chunks of a plain call.
        key: Typed key of the run's randomness; None for a model that draws none.

    Returns:
        A `Trajectory`. A NaN or an infinity does not raise: ``trajectory.status`` says in which
        field and after which step it was first seen, before any clamp. Counts are plain ints from
        a plain call; inside a transformation they are arrays of JAX's default integer.

    Raises:
        ParameterError: A value is not accepted; or reverse mode without ``adjoint``.
        StabilityError: dt or a diffusivity is over a known stability bound.

    Examples:
        >>> import jax
        >>> from mfnjax import GrayScottModel, Grid, simulate
        >>> grid, model = Grid((32, 32)), GrayScottModel()
        >>> start = model.initial_state(grid, key=jax.random.key(0))
        >>> run = simulate(model, start, grid=grid, steps=100, save_every=10, save="v")
        >>> run.history.shape, int(run.state.step), bool(run.status.ok)
        ((10, 32, 32), 100, True)
    """
    if key is not None:
        check_one_key(key)
    inputs = prepare_inputs(
        model,
        state,
        grid,
        steps,
        dt,
        stepper,
        save_every,
        save,
        key,
        static_steps=adjoint is not None,
    )
    if adjoint is not None:
        return _simulate_static(inputs, adjoint)
    if is_traced((inputs.problem, inputs.values, inputs.step, inputs.steps)):
        return _simulate_traced(inputs)
    return run_in_chunks(inputs, progress)


_compiled_loop = partial(jax.jit, static_argnames=("capacity",))(dynamic_loop)


def _simulate_traced(inputs: Inputs) -> Trajectory:
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
    run = note_bad_start(run)
    body = partial(drawn_step, problem, prepared)
    if every is None:
        return static_loop(body, run, steps, policy), ()

    def frame(run: Run, _: None) -> tuple[Run, Values]:
        run = static_loop(body, run, every, policy)
        return run, tuple(run.values[i] for i in problem.saved)

    run, frames = lax.scan(frame, run, None, length=steps // every)
    return static_loop(body, run, steps % every, policy), frames


def _simulate_static(inputs: Inputs, adjoint: Any) -> Trajectory:
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
