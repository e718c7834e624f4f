"""Rows, compiled: simulate and measure in one call, without a round trip to the host.

The rows of a call run one after the other through the same body, each over its own number of
steps, and are reduced one by one: a row's bits cannot depend on its neighbours. The arguments are
padded to a fixed size, and the number of rows and of steps is traced, so there is one program for
a grid size whatever is sampled.
"""

from __future__ import annotations

import dataclasses
import threading
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from mfnjax.dataset.measuring import Measure
from mfnjax.models import Model
from mfnjax.models.base import Values
from mfnjax.simulation import Simulation
from mfnjax.simulation.loop import Run, dynamic_loop, start_run
from mfnjax.simulation.problem import prepare_inputs
from mfnjax.simulation.start import draw_start

DTYPE = "float32"


@partial(jax.jit, static_argnames=("main", "kept", "capacity", "measure", "shared", "kinds"))
def run_rows(
    simulations: tuple[Simulation, ...],
    rows: dict[str, jax.Array],
    count: jax.Array,
    every: jax.Array,
    *,
    main: str,
    kept: tuple[str, ...],
    capacity: int,
    measure: Measure,
    shared: tuple[bool, ...],
    kinds: tuple[Any, ...],
) -> tuple[jax.Array, jax.Array, jax.Array, tuple[jax.Array, ...]]:
    """Run and measure the first ``count`` of B rows.

    A row equals `mfnjax.Simulation.run` from its seed, measured.

    Args:
        simulations: The simulation of the rows, leaves that differ with a leading axis (B,); one
            for each value of ``choice``.
        rows: ``random_seed`` (uint32), ``steps`` and ``choice`` (int32), each (B,).
        count: Rows that are not padding.
        every: Steps between two frames.
        main: The field whose frames are measured, static.
        kept: Fields to give back, static.
        capacity: Frames that there is room for, static.
        measure: How a run is measured, static.
        shared: For each leaf of the simulations whether it is an array that all rows share, static.
        kinds: The classes of models and boundaries, static: see `mfnjax.simulation.problem`.

    Returns:
        Features (B, columns), counts (B, counters), the first bad step and field as the loop codes
        them (B,), and the final fields that are kept, (B, H, W) each.
    """

    leaves, structure = jax.tree.flatten(simulations)

    def of_row(k: jax.Array) -> tuple[Simulation, ...]:
        pairs = zip(leaves, shared, strict=True)
        own = [leaf if same or not leaf.ndim else leaf[k] for leaf, same in pairs]
        return jax.tree.unflatten(structure, own)

    def measured(k: jax.Array) -> Any:
        row = {name: values[k] for name, values in rows.items()}

        def run(simulation: Simulation) -> tuple[Any, ...]:
            end, history = _run_row(simulation, row, every, main, capacity)
            return history, end.counts, end.first_bad, end.values

        runs = [partial(run, simulation) for simulation in of_row(k)]
        history, counts, first_bad, values = (
            runs[0]() if len(runs) == 1 else lax.switch(row["choice"], runs)
        )
        mask = simulations[0].grid.mask
        features = measure(history, row["steps"] // every, every, values, mask)
        fields = simulations[0].model.fields
        return features, counts, first_bad, tuple(values[fields.index(name)] for name in kept)

    def fill(k: jax.Array, found: Any) -> Any:
        return jax.tree.map(lambda all_, one: all_.at[k].set(one), found, measured(k))

    batch = rows["steps"].shape
    shapes = jax.eval_shape(measured, jnp.int32(0))
    empty = jax.tree.map(lambda one: jnp.zeros(batch + one.shape, one.dtype), shapes)
    filled: tuple[Any, Any, Any, Any] = lax.fori_loop(jnp.int32(0), count, fill, empty)
    return filled


def _run_row(
    simulation: Simulation, row: dict[str, Any], every: jax.Array, main: str, capacity: int
) -> tuple[Run, jax.Array]:
    """The end of one run, and the frames of its main field."""
    model, grid = simulation.model, simulation.grid
    state, key = draw_start(model, grid, DTYPE, row["random_seed"], simulation.start)
    drawn = key if model.takes_key or model.is_stochastic() else None
    inputs = prepare_inputs(simulation.replace(steps=row["steps"]), state, drawn)
    saved = (model.fields.index(main),)
    problem = dataclasses.replace(inputs.problem, saved=saved)
    end, (history,) = dynamic_loop(problem, start_run(inputs), row["steps"], every, capacity)
    # The barrier keeps what measures apart from the last step, as in a run from the host.
    values: Values = lax.optimization_barrier(end.values)
    return dataclasses.replace(end, values=values), history


def instability(model: Model, first_bad: int) -> tuple[str, int]:
    """Field and step of a run whose ``first_bad`` is not −1."""
    step, field = divmod(int(first_bad), len(model.fields))
    return model.fields[field], step


class OncePerProgram:
    """Lets one thread at a time make the first call of a program.

    Two threads that call a jitted function with new shapes at once would compile it twice.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[Any, threading.Lock] = {}
        self._done: set[Any] = set()

    def call(self, key: Any, function: Any) -> Any:
        """Call ``function``; the first call of a ``key`` alone, later ones freely."""
        if key in self._done:
            return function()
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            result = function()
        self._done.add(key)
        return result


FIRST_CALLS = OncePerProgram()
