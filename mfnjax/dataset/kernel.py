"""One row, compiled: simulate and measure in one call, without a round trip to the host.

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
import numpy as np
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.core.state import State
from mfnjax.errors import NumericalInstabilityError
from mfnjax.features import feature_vector, field_statistics
from mfnjax.features.record import FEATURE_NAMES, MASK_FEATURES
from mfnjax.models import Model, MyceliumModel
from mfnjax.simulation import Simulation
from mfnjax.simulation.loop import dynamic_loop, start_run
from mfnjax.simulation.problem import prepare_inputs

DTYPE = "float32"


@partial(jax.jit, static_argnames=("size", "capacity", "switches"))
def mycelium_rows(
    rows: dict[str, jax.Array],
    count: jax.Array,
    *,
    size: int,
    capacity: int,
    switches: tuple[bool, ...],
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Run and measure the first ``count`` of ``rows`` (B values a column).

    Equals `run_mycelium_simulation_with_history` and `compute_fractal_features`, bit for bit.

    Args:
        rows: The sampled columns: seeds (uint32), steps (int32), parameters (float32).
        count: Rows that are not padding.
        size: Cells per side, static.
        capacity: Steps that the history has room for, static.
        switches: Values of ``turing_enabled`` that occur, static.

    Returns:
        Features (B, 18), counts (B, 3), the first bad step and field as `simulate` codes them
        (B,), and the final fields (B, size, size).
    """
    grid = Grid((size, size))

    def fill(k: jax.Array, found: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        row = {name: values[k] for name, values in rows.items()}
        measured = _mycelium_row(row, grid, capacity, switches)
        return tuple(a.at[k].set(value) for a, value in zip(found, measured, strict=True))

    batch = rows["steps"].shape[0]
    whole = jnp.result_type(int)
    empty = (
        jnp.zeros((batch, len(FEATURE_NAMES)), DTYPE),
        jnp.zeros((batch, len(MyceliumModel.counters)), whole),
        jnp.full((batch,), -1, whole),
        jnp.zeros((batch, size, size), DTYPE),
    )
    return lax.fori_loop(jnp.int32(0), count, fill, empty)


def _mycelium_row(
    row: dict[str, jax.Array], grid: Grid, capacity: int, switches: tuple[bool, ...]
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    start_key, run_key = jax.random.split(jax.random.key(row["random_seed"]))
    start = MyceliumModel().initial_state(grid, dtype=DTYPE, key=start_key)
    # A public run starts from arrays in memory. The barrier keeps XLA from fusing the draw into
    # the first step, which could round differently.
    start = lax.optimization_barrier(start)

    def run(turing_enabled: bool) -> tuple[jax.Array, ...]:
        model = MyceliumModel(
            alpha=row["alpha"],
            spike_probability=row["spike_probability"],
            turing_threshold=row["turing_threshold"],
            turing_enabled=turing_enabled,
        )
        inputs = prepare_inputs(Simulation(model, grid, row["steps"]), start, run_key)
        problem = dataclasses.replace(inputs.problem, saved=(0,))
        end, (history,) = dynamic_loop(
            problem, start_run(inputs), row["steps"], jnp.int32(1), capacity
        )
        return history, end.counts, end.first_bad, end.values[0]

    if len(switches) == 1:
        history, counts, first_bad, field = run(switches[0])
    else:
        history, counts, first_bad, field = lax.cond(
            row["turing_enabled"], lambda: run(True), lambda: run(False)
        )
    return feature_vector(history, row["steps"]), counts, first_bad, field


@jax.jit
def measure_fields(values: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
    """Statistics of every final field and the geometry of the last one's mask.

    The mask is the last field above the middle of its range.

    Returns:
        (6·fields,) in the fields' own units, and (6,) as `MASK_FEATURES`.
    """
    found = []
    for value in values:
        statistics = field_statistics(value)
        # `field_statistics` speaks millivolts of volts; these fields have units of their own.
        scaled = (statistics.mean * 1e-3, statistics.std * 1e-3)
        found += [jnp.min(value), jnp.max(value), *scaled]
        found += [statistics.skewness, statistics.kurtosis]
    last = values[-1]
    middle = (jnp.min(last) + jnp.max(last)) / 2
    geometry = feature_vector(last > middle)
    places = np.array([FEATURE_NAMES.index(name) for name in MASK_FEATURES])
    return jnp.stack(found), geometry[places]


def initial_state(model: Model, grid: Grid, seed: int) -> tuple[State, jax.Array]:
    """The customary start of a model and the key of its run, both from one seed."""
    return _initial_state(model, np.uint32(seed), shape=grid.shape)


@partial(jax.jit, static_argnames=("shape",))
def _initial_state(model: Model, seed: Any, *, shape: tuple[int, int]) -> tuple[State, jax.Array]:
    start_key, run_key = jax.random.split(jax.random.key(seed))
    return model.initial_state(Grid(shape), dtype=DTYPE, key=start_key), run_key


def instability(model: type[Model], first_bad: int) -> NumericalInstabilityError:
    """The error of a run whose ``first_bad`` is not −1."""
    step, field = divmod(int(first_bad), len(model.fields))
    return NumericalInstabilityError(model.fields[field], step)


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
