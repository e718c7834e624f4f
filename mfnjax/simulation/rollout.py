"""The loop: `simulate` takes a model from a state through a number of steps.

Three ways through one body of code:

* called with plain arrays, it runs a compiled loop whose number of steps is traced, in chunks of
  bounded work, so that a new number of steps or frames compiles nothing and Ctrl-C is heeded;
* inside ``jit``, ``vmap`` or ``jvp`` it is one traced loop (forward mode only);
* with ``adjoint=`` it is a static scan with a memory policy, for reverse mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State, StateLike
from mfnjax.models.base import IteratedMap, Model, Values, all_cells
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
from mfnjax.simulation.steppers import Stepper
from mfnjax.simulation.trajectory import Status, Trajectory

CHUNK_CELL_STEPS = 2**25
"""Cell-steps in one compiled call (a fraction of a second): between two, Ctrl-C is heeded, and
no count can overflow 32 bits."""

CHUNK_HISTORY_CELLS = 2**18
"""Cells of history that one compiled call returns."""

DRAW_BLOCK = 32
"""Steps whose random numbers are drawn in one go."""

Progress = Callable[[int, int], None]


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


def start_run(inputs: Inputs) -> Run:
    """The carry before the first step."""
    counts = np.zeros(len(inputs.problem.model.counters), jnp.result_type(int))
    return Run(inputs.values, inputs.step, counts, np.int64(-1).astype(counts.dtype))


def _draw(problem: Problem, run: Run, step: Any) -> Any:
    """The random numbers of the step that starts at ``step``."""
    if problem.key is None:
        return None
    key = jax.random.fold_in(problem.key, step)
    return problem.stepper.draw(problem.model, run.values[0].dtype, key=key)


def _one_step(problem: Problem, prepared: Any, run: Run, draw: Any) -> Run:
    """One step: advance, and note counts and the first bad field."""
    after = problem.stepper.step(
        problem.model, problem.grid, problem.dt, prepared, run.values, draw=draw
    )
    counts = run.counts
    if after.counts is not None:
        counts = counts + after.counts.astype(counts.dtype)
    run = replace(run, values=after.values, step=run.step + 1, counts=counts)
    return _note_bad(run, after.finite)


def _drawn_step(problem: Problem, prepared: Any, run: Run) -> Run:
    """One step that draws its own numbers."""
    return _one_step(problem, prepared, run, _draw(problem, run, run.step))


def _steps(problem: Problem, prepared: Any, run: Run, count: Any, *, blocked: bool) -> Run:
    """``count`` (traced) steps; ``blocked``: in blocks, where the model gains by that."""
    if blocked and isinstance(problem.model, IteratedMap):
        return _blocks(problem, prepared, run, count)
    return lax.fori_loop(0, count, lambda _, r: _drawn_step(problem, prepared, r), run)


def _blocks(problem: Problem, prepared: Any, run: Run, count: Any) -> Run:
    """``count`` steps of a map: the random numbers of a block at once, quiet blocks cut short."""

    def block(index: jax.Array, run: Run) -> Run:
        todo = jnp.minimum(DRAW_BLOCK, count - index * DRAW_BLOCK)
        draws = None
        if problem.key is not None:
            steps = run.step + jnp.arange(DRAW_BLOCK, dtype=jnp.int32)
            draws = jax.vmap(lambda step: _draw(problem, run, step))(steps)

        def step(k: jax.Array, run: Run) -> Run:
            return _one_step(problem, prepared, run, jax.tree.map(lambda x: x[k], draws))

        def step_by_step(run: Run) -> Run:
            return lax.fori_loop(0, todo, step, run)

        def cut_short(run: Run) -> Run:
            values, counts = quiet.run()
            counts = run.counts + counts.astype(run.counts.dtype)
            return replace(run, values=values, step=run.step + todo, counts=counts)

        quiet = problem.model.quiet(run.values, problem.grid, draws=draws, count=todo)
        if quiet is None:
            return step_by_step(run)
        return lax.cond(_unanimous(quiet.possible), cut_short, step_by_step, run)

    return lax.fori_loop(0, -(-count // DRAW_BLOCK), block, run)


@jax.custom_batching.custom_vmap
def _unanimous(flag: jax.Array) -> jax.Array:
    """The flag; in a batch, whether all agree: so that a `lax.cond` still runs one branch.

    A batch of batches asks again.
    """
    return flag


@_unanimous.def_vmap
def _unanimous_batch(size: int, is_batched: list[bool], flags: jax.Array) -> tuple[jax.Array, bool]:
    return _unanimous(jnp.all(flags)), False


def _note_bad(run: Run, finite: tuple[jax.Array, ...]) -> Run:
    """Remember the step and the first field that is not finite, if none is remembered yet."""
    field = jnp.int32(-1)
    for index in reversed(range(len(finite))):
        field = jnp.where(finite[index], field, jnp.int32(index))
    dtype = run.first_bad.dtype
    seen = run.step.astype(dtype) * len(finite) + field.astype(dtype)
    is_news = (field >= 0) & (run.first_bad < 0)
    return replace(run, first_bad=jnp.where(is_news, seen, run.first_bad))


def _note_bad_start(run: Run) -> Run:
    """Remember the first field that is not finite before the first step."""
    finite = [jnp.isfinite(u) for u in run.values]
    good = all_cells(reduce(jnp.logical_and, finite))

    def look(run: Run) -> Run:
        return _note_bad(run, tuple(all_cells(each) for each in finite))

    return lax.cond(good, lambda run: run, look, run)


def _prepare(problem: Problem, run: Run) -> Any:
    dtype = run.values[0].dtype
    return problem.stepper.prepare(problem.model, problem.grid, problem.dt, dtype)


def dynamic_loop(
    problem: Problem, run: Run, steps: Any, every: Any, capacity: int
) -> tuple[Run, Values]:
    """Run ``steps`` (traced), storing the saved fields after each ``every`` of them.

    Returns the carry and one buffer (capacity, H, W) a saved field. The body of a step is
    compiled once, whatever the number of steps and frames.
    """
    prepared = _prepare(problem, run)
    run = _note_bad_start(run)
    buffers = tuple(
        jnp.zeros((capacity, *run.values[i].shape), run.values[i].dtype) for i in problem.saved
    )

    if not capacity:
        return _steps(problem, prepared, run, steps, blocked=True), ()

    def frame(index: jax.Array, carry: tuple[Run, Values]) -> tuple[Run, Values]:
        run, buffers = carry
        count = jnp.minimum(every, steps - index * every)
        run = _steps(problem, prepared, run, count, blocked=False)
        buffers = tuple(
            lax.dynamic_update_index_in_dim(buffer, run.values[i], index, 0)
            for buffer, i in zip(buffers, problem.saved, strict=True)
        )
        return run, buffers

    return lax.fori_loop(0, -(-steps // every), frame, (run, buffers))


_compiled_loop = partial(jax.jit, static_argnames=("capacity",))(dynamic_loop)


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
    """`dynamic_loop` for a plain call, with few arguments and few results.

    Each costs a plain call a microsecond or two, and a run has some twenty numbers beside its
    fields: they go in and come out as one vector each.

    Returns the fields, (step, first_bad, counts) and the buffers.
    """
    problem = unpack(numbers, others, layout, key)
    step, first_bad, steps, every = integers
    step, steps, every = (n.astype(jnp.int32) for n in (step, steps, every))
    counts = jnp.zeros(len(problem.model.counters), integers.dtype)
    run = Run(values, step, counts, first_bad)
    run, buffers = dynamic_loop(problem, run, steps, every, capacity)
    seen = jnp.stack([run.step.astype(integers.dtype), run.first_bad, *run.counts])
    return run.values, seen, buffers


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
    prepared = _prepare(problem, run)
    run = _note_bad_start(run)
    body = partial(_drawn_step, problem, prepared)
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
