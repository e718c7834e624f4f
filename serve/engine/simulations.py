"""Runs of the v4.1 model: one compiled program for a grid size, whatever the number of runs.

The program goes through a batch of stacked inputs one by one, so that a run is the same sequence
of instructions alone and in any batch: its result cannot depend on its company. The number of runs
and each run's number of steps are traced. Everything that the answer holds comes out of this one
call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.errors import NumericalInstabilityError
from mfnjax.features import FeatureVector, feature_vector
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.pipeline import _chance
from mfnjax.simulation.rollout import simulate
from serve.engine.kind import Kind

BATCH_CELLS = 16_384
MAX_BATCH = 16
MAX_PROGRAMS = 96
SMALL_UNITS = 2**20
"""Cell-steps up to which a run is small (some milliseconds)."""


@final
class Run(NamedTuple):
    """What a run is asked to be."""

    seed: int
    grid_size: int
    steps: int
    alpha: float
    spike_probability: float
    turing_enabled: bool


@final
class RunResult(NamedTuple):
    """What a run ended in: the potential (H, W) in volts, its features, its growth events."""

    field: np.ndarray
    features: FeatureVector
    growth_events: int


def batch_size(grid_size: int) -> int:
    """Runs that a program of this grid size has room for."""
    return max(1, min(MAX_BATCH, BATCH_CELLS // grid_size**2))


def _one_run(
    grid_size: int, turing: bool, seed: Any, alpha: Any, spike_probability: Any, steps: Any
) -> tuple[Any, ...]:
    shape = (grid_size, grid_size)
    state, key = _chance(shape, "float32", seed)
    model = MyceliumModel(alpha=alpha, spike_probability=spike_probability, turing_enabled=turing)
    end = simulate(model, state, grid=Grid(shape), steps=steps, key=key)
    field = end.state["potential"]
    return (
        field,
        feature_vector(lax.optimization_barrier(field)),
        end.counts["growth_events"],
        end.status.first_bad_step,
        end.status.bad_field,
    )


def _batch(grid_size: int, turing: bool, count: Any, *inputs: Any) -> Any:
    run = partial(_one_run, grid_size, turing)
    shapes = jax.eval_shape(run, *(x[0] for x in inputs))
    room = len(inputs[0])
    empty = jax.tree.map(lambda s: jnp.zeros((room, *s.shape), s.dtype), shapes)

    def body(k: Any, out: Any) -> Any:
        result = run(*(x[k] for x in inputs))
        return jax.tree.map(lambda o, r: o.at[k].set(r), out, result)

    return lax.fori_loop(0, count, body, empty)


_DTYPES = (np.uint32, np.float32, np.float32, np.int32)


@final
class Programs:
    """The compiled programs by grid size and model variant; the least used are dropped."""

    def __init__(self) -> None:
        self._programs: OrderedDict[tuple[int, bool], Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, grid_size: int, turing: bool) -> Any:
        """The program; compiled first if need be."""
        with self._lock:
            program = self._programs.get((grid_size, turing))
            if program is not None:
                self._programs.move_to_end((grid_size, turing))
                return program
        program = self._compile(grid_size, turing)
        with self._lock:
            self._programs[grid_size, turing] = program
            while len(self._programs) > MAX_PROGRAMS:
                self._programs.popitem(last=False)
        return program

    def _compile(self, grid_size: int, turing: bool) -> Any:
        room = batch_size(grid_size)
        inputs = [jax.ShapeDtypeStruct((room,), dtype) for dtype in _DTYPES]
        count = jax.ShapeDtypeStruct((), np.int32)
        return jax.jit(partial(_batch, grid_size, turing)).lower(count, *inputs).compile()


PROGRAMS = Programs()


class _Simulations(Kind):
    def key(self, item: Run) -> Hashable:
        return item.grid_size, item.turing_enabled

    def units(self, item: Run) -> float:
        return item.grid_size * item.grid_size * item.steps

    def run(self, key: Any, items: Sequence[Run]) -> list[RunResult | Exception]:
        grid_size, turing = key
        program = PROGRAMS.get(grid_size, turing)
        room, count = batch_size(grid_size), len(items)
        columns = [np.zeros(room, dtype) for dtype in _DTYPES]
        for k, item in enumerate(items):
            values = (item.seed, item.alpha, item.spike_probability, item.steps)
            for column, value in zip(columns, values, strict=True):
                column[k] = value
        outputs = program(np.int32(count), *columns)
        fields, features, growth, bad_step, bad_field = (np.asarray(x) for x in outputs)
        results: list[RunResult | Exception] = []
        for k in range(count):
            if bad_step[k] >= 0:
                name = MyceliumModel.fields[int(bad_field[k])]
                results.append(NumericalInstabilityError(name, int(bad_step[k])))
            else:
                results.append(RunResult(fields[k], FeatureVector(features[k]), int(growth[k])))
        return results


@final
class SmallSimulations(_Simulations):
    """Runs of some milliseconds, in batches."""

    name: ClassVar[str] = "simulate"
    seconds_per_unit: ClassVar[float] = 1e-8
    is_small: ClassVar[bool] = True
    batch_units: ClassVar[float] = 2**17
    batch_items: ClassVar[int] = 8


@final
class LargeSimulations(_Simulations):
    """Runs that take long, one by one."""

    name: ClassVar[str] = "simulate_large"
    seconds_per_unit: ClassVar[float] = 4e-9


SMALL, LARGE = SmallSimulations(), LargeSimulations()


def kind_of(run: Run) -> Kind:
    """The kind of work that ``run`` is."""
    return SMALL if SMALL.units(run) <= SMALL_UNITS else LARGE
