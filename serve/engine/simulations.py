"""Runs of the v4.1 model: one compiled program for a grid size, whatever the steps.

The number of steps is traced. On small grids runs of one length share a call, stacked along a new
axis; their features are taken one by one, so that a result is the same bits in any company.
Everything that the answer holds comes out of this one call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, final

import jax
import numpy as np
from jax import lax

from mfnjax.core.grid import Grid
from mfnjax.errors import NumericalInstabilityError
from mfnjax.features import FeatureVector, feature_vector
from mfnjax.models.mycelium import MyceliumModel
from mfnjax.simulation.simulation import simulate
from mfnjax.simulation.start import draw_start
from serve.engine.kind import Kind

MAX_PROGRAMS = 128
SMALL_UNITS = 2**20
"""Cell-steps up to which a run is small (some milliseconds)."""

BATCHES = (8, 4, 2, 1)
BATCHED_SIDE = 32
"""Largest grid that gains by a batch: at 32² eight together take half the time of eight alone (what
is saved is the cost of starting each small loop), from 64² on nothing is saved."""


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


def _end_of_run(
    grid_size: int, turing: bool, steps: Any, seed: Any, alpha: Any, spike_probability: Any
) -> tuple[Any, ...]:
    shape = (grid_size, grid_size)
    state, key = draw_start(MyceliumModel(), Grid(shape), "float32", seed)
    model = MyceliumModel(alpha=alpha, spike_probability=spike_probability, turing_enabled=turing)
    end = simulate(model, state, grid=Grid(shape), steps=steps, key=key)
    counts = end.counts["growth_events"], end.status.first_bad_step, end.status.bad_field
    return end.state["potential"], *counts


def _runs(grid_size: int, turing: bool, steps: Any, *inputs: Any) -> tuple[Any, ...]:
    """The fields, counts and features of a batch of runs of ``steps`` steps."""
    fields, *counts = jax.vmap(partial(_end_of_run, grid_size, turing, steps))(*inputs)
    # One by one: a reduction over a batch adds in another order, which would show in the mean.
    return lax.map(feature_vector, lax.optimization_barrier(fields)), fields, *counts


_DTYPES = (np.uint32, np.float32, np.float32)


@final
class Programs:
    """The compiled programs by grid size, variant and batch; the least used are dropped."""

    def __init__(self) -> None:
        self._programs: OrderedDict[tuple[int, bool, int], Any] = OrderedDict()
        self._lock = threading.Lock()

    def largest(self, grid_size: int, turing: bool, most: int) -> tuple[int, Any]:
        """The program of the largest batch up to ``most`` that is compiled; else that of one."""
        with self._lock:
            for batch in BATCHES:
                program = self._programs.get((grid_size, turing, batch))
                if batch <= most and program is not None:
                    self._programs.move_to_end((grid_size, turing, batch))
                    return batch, program
        return 1, self.compile(grid_size, turing, 1)

    def compile(self, grid_size: int, turing: bool, batch: int) -> Any:
        """Compile a program and keep it."""
        inputs = [jax.ShapeDtypeStruct((batch,), dtype) for dtype in _DTYPES]
        steps = jax.ShapeDtypeStruct((), np.int32)
        program = jax.jit(partial(_runs, grid_size, turing)).lower(steps, *inputs).compile()
        with self._lock:
            self._programs[grid_size, turing, batch] = program
            while len(self._programs) > MAX_PROGRAMS:
                self._programs.popitem(last=False)
        return program


PROGRAMS = Programs()


class _Simulations(Kind):
    def key(self, item: Run) -> Hashable:
        return item.grid_size, item.turing_enabled

    def group(self, item: Run) -> Hashable:
        # One number of steps, so that no run waits for a longer one.
        return item.grid_size, item.turing_enabled, item.steps

    def units(self, item: Run) -> float:
        return item.grid_size * item.grid_size * item.steps

    def run(self, key: Any, items: Sequence[Run]) -> list[RunResult | Exception]:
        grid_size, turing = key
        results: list[RunResult | Exception] = []
        while len(results) < len(items):
            batch, program = PROGRAMS.largest(grid_size, turing, len(items) - len(results))
            results += _done(program, items[len(results) : len(results) + batch])
        return results


def _done(program: Any, items: Sequence[Run]) -> list[RunResult | Exception]:
    columns = (
        np.array([item.seed for item in items], np.uint32),
        np.array([item.alpha for item in items], np.float32),
        np.array([item.spike_probability for item in items], np.float32),
    )
    outputs = [np.asarray(x) for x in program(np.int32(items[0].steps), *columns)]
    return [_result(*output) for output in zip(*outputs, strict=True)]


def _result(
    features: np.ndarray, field: np.ndarray, growth: Any, bad_step: Any, bad_field: Any
) -> RunResult | Exception:
    if bad_step >= 0:
        return NumericalInstabilityError(MyceliumModel.fields[int(bad_field)], int(bad_step))
    return RunResult(field, FeatureVector(features), int(growth))


@final
class SmallSimulations(_Simulations):
    """Runs of some milliseconds, in batches."""

    name: ClassVar[str] = "simulate"
    seconds_per_unit: ClassVar[float] = 1e-8
    is_small: ClassVar[bool] = True
    batch_units: ClassVar[float] = 2**18
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
