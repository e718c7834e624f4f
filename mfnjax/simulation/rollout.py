"""`simulate` takes a model from a state through a number of steps.

Three ways through one body of code:

* called with plain arrays, it runs a compiled loop whose number of steps is traced, in chunks of
  bounded work, so that a new number of steps or frames compiles nothing and Ctrl-C is heeded;
* inside ``jit``, ``vmap`` or ``jvp`` it is one traced loop (forward mode only);
* with ``adjoint=`` it is a static scan with a memory policy, for reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax._checks import check_one_key
from mfnjax.core.grid import Grid
from mfnjax.core.state import State, StateLike
from mfnjax.models.base import Model, Values
from mfnjax.simulation.adjoint import choose_policy, static_loop
from mfnjax.simulation.inputs import (
    Inputs,
    Layout,
    Problem,
    is_traced,
    pack,
    prepare_inputs,
    unpack,
)
from mfnjax.simulation.loop import (
    Run,
    drawn_step,
    dynamic_loop,
    note_bad_start,
    prepare_step,
    start_run,
)
from mfnjax.simulation.steppers import Stepper
from mfnjax.simulation.trajectory import Status, Trajectory

CHUNK_CELL_STEPS = 2**25
"""Cell-steps in one compiled call (a fraction of a second): between two, Ctrl-C is heeded, and
no count can overflow 32 bits."""

CHUNK_HISTORY_CELLS = 2**18
"""Cells of history that one compiled call returns."""

Progress = Callable[[int, int], None]


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
    return _simulate_chunked(inputs, progress)


_compiled_loop = partial(jax.jit, static_argnames=("capacity",))(dynamic_loop)


def run_chunk(
    problem: Problem, values: Values, integers: Any, capacity: int
) -> tuple[Values, jax.Array, Values]:
    """`dynamic_loop` from and to few arrays, each of which costs a call a microsecond or two.

    Args:
        problem: What is run.
        values: The fields.
        integers: (step, first_bad, steps, every) as one vector.
        capacity: Frames to make room for.

    Returns:
        The fields, (step, first_bad, counts) as one vector, and the buffers.
    """
    step, first_bad, steps, every = integers
    step, steps, every = (n.astype(jnp.int32) for n in (step, steps, every))
    counts = jnp.zeros(len(problem.model.counters), integers.dtype)
    run = Run(values, step, counts, first_bad)
    run, buffers = dynamic_loop(problem, run, steps, every, capacity)
    seen = jnp.stack([run.step.astype(integers.dtype), run.first_bad, *run.counts])
    return run.values, seen, buffers


@partial(jax.jit, static_argnames=("layout", "capacity"))
def _compiled_chunk(
    numbers: Any,
    others: list[Any],
    values: Values,
    integers: Any,
    key: Any,
    *,
    layout: Layout,
    capacity: int,
) -> tuple[Values, jax.Array, Values]:
    """`run_chunk` for a plain call: the problem's twenty numbers come as one vector, too."""
    return run_chunk(unpack(numbers, others, layout, key), values, integers, capacity)


def _simulate_chunked(inputs: Inputs, progress: Progress | None) -> Trajectory:
    """A plain call: compiled chunks, gathered on the host."""
    every = inputs.save_every
    grid = inputs.problem.grid
    cells = grid.num_cells
    affordable = max(CHUNK_CELL_STEPS // cells, 1)
    capacity, chunk = 0, affordable
    if every is not None:
        capacity = int(np.clip(CHUNK_HISTORY_CELLS // cells, 1, 256))
        chunk = min(max(affordable // every, 1), capacity) * every
    num_frames = 0 if every is None else inputs.steps // every
    histories = [
        np.empty((num_frames, *grid.shape), inputs.values[0].dtype) for _ in inputs.problem.saved
    ]
    packed, key = inputs.packed or pack(inputs.problem), inputs.problem.key
    values, step, first_bad = inputs.values, int(inputs.step), -1
    totals, done, frames = np.zeros(len(inputs.problem.model.counters), np.int64), 0, 0
    while done < inputs.steps or done == 0:
        todo, interval = min(chunk, inputs.steps - done), every or chunk
        if every is not None and every > affordable:
            # An interval is too much work for one call: it goes in pieces, each a frame of its
            # own, and the frame that stands at the interval's end is kept.
            todo = min(affordable, todo, every - done % every)
            interval = todo
        values, seen, buffers = _compiled_chunk(
            packed.numbers,
            packed.others,
            values,
            np.array([step, first_bad, todo, max(interval, 1)]),
            key,
            layout=packed.layout,
            capacity=capacity,
        )
        whole = 0 if every is None else (done + todo) // every - frames
        for history, buffer in zip(histories, buffers, strict=True):
            history[frames : frames + whole] = np.asarray(buffer)[:whole]
        frames += whole
        done += todo
        host = np.asarray(seen)
        step, first_bad = host[:2].tolist()
        totals += host[2:]
        if progress is not None:
            progress(done, inputs.steps)
        if inputs.steps == 0:
            break
    run = Run(values, np.int32(step), totals.tolist(), first_bad)
    return _trajectory(inputs, run, tuple(histories))


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
    return _trajectory(inputs, run, tuple(b[:capacity] for b in forward_only(buffers)))


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
    return _trajectory(inputs, run, frames)


def _trajectory(inputs: Inputs, run: Run, frames: tuple[Any, ...]) -> Trajectory:
    names = inputs.problem.model.fields
    history: Any = None
    if inputs.save_every is not None:
        every, count = inputs.save_every, inputs.steps // inputs.save_every
        arrays = tuple(jnp.asarray(f) for f in frames)
        if inputs.save is None:
            at = inputs.step + every * np.arange(1, count + 1, dtype=np.int32)
            history = State(names, arrays, at)
        else:
            (history,) = arrays
    return Trajectory(
        state=State(names, run.values, run.step),
        history=history,
        counts=dict(zip(inputs.problem.model.counters, run.counts, strict=True)),
        status=_status(names, run.first_bad),
    )


def _status(names: tuple[str, ...], first_bad: Any) -> Status:
    if isinstance(first_bad, jax.core.Tracer):
        step, field = first_bad // len(names), first_bad % len(names)
        is_bad = first_bad >= 0
        return Status(names, *(jnp.where(is_bad, x, -1) for x in (step, field)))
    code = int(first_bad)
    return Status(names, *(divmod(code, len(names)) if code >= 0 else (-1, -1)))
