"""A plain call: compiled chunks of bounded work, gathered on the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.models.base import Values
from mfnjax.simulation.loop import Run, dynamic_loop
from mfnjax.simulation.packing import Layout, Packed, pack, unpack
from mfnjax.simulation.problem import Inputs, Problem
from mfnjax.simulation.trajectory import Trajectory, make_trajectory

CHUNK_CELL_STEPS = 2**25
"""Cell-steps in one compiled call (a fraction of a second): between two, Ctrl-C is heeded, and
no count can overflow 32 bits."""


CHUNK_HISTORY_CELLS = 2**18
"""Cells of history that one compiled call returns."""


Progress = Callable[[int, int], None]


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
    problem = replace(unpack(numbers, others, layout), key=key)
    return run_chunk(problem, values, integers, capacity)


def run_in_chunks(inputs: Inputs, progress: Progress | None) -> Trajectory:
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
    packed, key = inputs.packed or _packed(inputs), inputs.problem.key
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
    return make_trajectory(inputs, run, tuple(histories))


def _packed(inputs: Inputs) -> Packed:
    return pack(replace(inputs.problem, key=None), inputs.values[0].dtype)
