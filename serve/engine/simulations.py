"""Runs of any model: one compiled program for a kind of run, whatever its numbers and its steps.

Parameters, spacing, dt, seed and the number of steps are traced. On small grids runs of one kind
and length share a call, stacked along a new axis; their features are taken one by one, so that a
result is the same bits in any company. All that an answer holds comes out of this one call.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple, final

import jax
import numpy as np
from jax import lax

from mfnjax.core.quantity import POTENTIAL, Quantity
from mfnjax.errors import NumericalInstabilityError
from mfnjax.features import FeatureVector, feature_vector
from mfnjax.models.base import Model, main_field
from mfnjax.simulation import Simulation
from mfnjax.simulation.start import draw_start
from mfnjax.steppers import Stepper, choose_stepper
from serve.engine.kind import Kind

log = logging.getLogger("serve")

MAX_PROGRAMS = 128
SMALL_UNITS = 2**20
"""Cell-steps up to which a run is small (some milliseconds)."""

BATCHES = (8, 4, 2, 1)
BATCHED_CELLS = 32 * 32
"""Cells of the largest grid that gains by a batch: at 32² eight together take half the time of
eight alone (what is saved is the cost of starting each small loop), from 64² on nothing is."""
TRIAL_STEPS = 24
"""Steps after which a batch must hold the very bits of a run alone, or there are no batches."""


@final
class Program(NamedTuple):
    """What decides the code of a run: all of it but numbers and steps.

    The classes stand beside the structure of (model, grid, dt): a user's own model may be a pytree
    whose structure does not know its class.
    """

    structure: Any
    model: type[Model]
    boundary: type
    stepper: Stepper


@final
@dataclasses.dataclass(frozen=True)
class Run:
    """A simulation with plain numbers, and the seed of its start and its chance."""

    simulation: Simulation
    seed: int

    @cached_property
    def _parts(self) -> tuple[list[Any], Program]:
        model, grid = self.simulation.model, self.simulation.grid
        leaves, structure = jax.tree.flatten((model, grid, self.simulation.dt))
        stepper = choose_stepper(model, self.simulation.stepper)
        return leaves, Program(structure, type(model), type(grid.boundary), stepper)

    @property
    def numbers(self) -> list[Any]:
        """Every number of the model, the spacing and dt."""
        return self._parts[0]

    @property
    def program(self) -> Program:
        """The program that runs it."""
        return self._parts[1]


@final
class RunResult(NamedTuple):
    """What a run ended in.

    Attributes:
        fields: Every field (H, W), by name, in the model's own unit.
        counts: Events by name.
        features: Of the main field: all 18 of a potential, else those of the mask of the cells
            above the middle of its range.
    """

    fields: dict[str, np.ndarray]
    counts: dict[str, int]
    features: FeatureVector


def quantity_of(model: Model | type[Model], name: str) -> Quantity:
    """What a field holds and how it is shown."""
    return model.quantities.get(name, Quantity(name))


def _end_of_run(program: Program, steps: Any, seed: Any, numbers: Any) -> tuple[Any, ...]:
    model, grid, dt = jax.tree.unflatten(program.structure, list(numbers))
    state, key = draw_start(model, grid, "float32", seed)
    simulation = Simulation(model, grid, steps, dt, program.stepper)
    end = simulation.run(state, key=key if model.takes_key else None)
    counts = tuple(end.counts[name] for name in model.counters)
    return end.state.values, counts, end.status.first_bad_step, end.status.bad_field


def _measured(model: type[Model], field: jax.Array) -> jax.Array:
    if quantity_of(model, main_field(model)) == POTENTIAL:
        return feature_vector(field)
    return feature_vector(field > (field.min() + field.max()) / 2)


def _runs(program: Program, steps: Any, seeds: Any, numbers: Any) -> tuple[Any, ...]:
    """The features, fields and counts of a batch of runs of ``steps`` steps."""
    fields, *counts = jax.vmap(partial(_end_of_run, program, steps))(seeds, numbers)
    main = fields[program.model.fields.index(main_field(program.model))]
    # One by one: a reduction over a batch adds in another order, which would show in the mean.
    features = lax.map(partial(_measured, program.model), lax.optimization_barrier(main))
    return features, fields, *counts


def _outputs(compiled: Any, items: Sequence[Run]) -> tuple[Any, ...]:
    """Call a compiled batch; its outputs on the host."""
    seeds = np.array([item.seed for item in items], np.uint32)
    columns = np.array([item.numbers for item in items], np.float32).T
    steps = np.int32(items[0].simulation.steps)
    outputs: tuple[Any, ...] = jax.tree.map(np.asarray, compiled(steps, seeds, tuple(columns)))
    return outputs


def _results(items: Sequence[Run], outputs: tuple[Any, ...]) -> list[RunResult | Exception]:
    results: list[RunResult | Exception] = []
    features, fields, counts, bad_steps, bad_fields = outputs
    for k, item in enumerate(items):
        model = item.program.model
        if bad_steps[k] >= 0:
            name = model.fields[int(bad_fields[k])]
            results.append(NumericalInstabilityError(name, int(bad_steps[k])))
            continue
        values = {name: field[k] for name, field in zip(model.fields, fields, strict=True)}
        counted = {name: int(one[k]) for name, one in zip(model.counters, counts, strict=True)}
        results.append(RunResult(values, counted, FeatureVector(features[k])))
    return results


@final
class Programs:
    """The compiled programs by kind of run and batch; the least used are dropped."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[Program, int], Any] = OrderedDict()
        self._batched: OrderedDict[Program, None] = OrderedDict()
        self._lock = threading.Lock()
        self._later = ThreadPoolExecutor(1, "batches")

    def largest(self, run: Run, most: int) -> tuple[int, Any]:
        """The largest batch up to ``most`` that is compiled, and it; else that of one.

        Where more would have fitted, batches are compiled for the next time.
        """
        program = run.program
        if most > 1 and program not in self._batched:
            self._later.submit(self.compile_batches, run)
        with self._lock:
            for batch in BATCHES:
                compiled = self._compiled.get((program, batch))
                if batch <= most and compiled is not None:
                    self._compiled.move_to_end((program, batch))
                    return batch, compiled
        return 1, self._compile(run, 1)

    def compile_batches(self, run: Run) -> None:
        """Compile the batches of a small grid, and keep those in which a run has its own bits."""
        with self._lock:
            known = run.program in self._batched
            self._batched[run.program] = None
            while len(self._batched) > MAX_PROGRAMS:
                self._batched.popitem(last=False)
        if known or run.simulation.grid.num_cells > BATCHED_CELLS:
            return
        trial = Run(run.simulation.replace(steps=TRIAL_STEPS), run.seed)
        try:
            alone = _outputs(self.largest(run, 1)[1], [trial])
            for batch in BATCHES[:-1]:
                compiled = self._compile(run, batch, keep=False)
                together = _outputs(compiled, [trial] * batch)
                if all(map(_repeats, jax.tree.leaves(together), jax.tree.leaves(alone))):
                    self._keep(run, batch, compiled)
        except Exception:
            log.exception("the batches of %s could not be compiled", run.simulation.model_name)

    def _compile(self, run: Run, batch: int, *, keep: bool = True) -> Any:
        seeds = jax.ShapeDtypeStruct((batch,), np.uint32)
        numbers = tuple(jax.ShapeDtypeStruct((batch,), np.float32) for _ in run.numbers)
        steps = jax.ShapeDtypeStruct((), np.int32)
        compiled = jax.jit(partial(_runs, run.program)).lower(steps, seeds, numbers).compile()
        if keep:
            self._keep(run, batch, compiled)
        return compiled

    def _keep(self, run: Run, batch: int, compiled: Any) -> None:
        with self._lock:
            self._compiled[run.program, batch] = compiled
            while len(self._compiled) > MAX_PROGRAMS:
                self._compiled.popitem(last=False)


def _repeats(together: np.ndarray, alone: np.ndarray) -> bool:
    """Whether every member of a batch has the bits of the run alone."""
    return all(member.tobytes() == alone[0].tobytes() for member in together)


PROGRAMS = Programs()


class _Simulations(Kind):
    def key(self, item: Run) -> Hashable:
        return item.program

    def group(self, item: Run) -> Hashable:
        # One number of steps, so that no run waits for a longer one.
        return item.program, item.simulation.steps

    def units(self, item: Run) -> float:
        return item.simulation.grid.num_cells * float(item.simulation.steps)

    def run(self, key: Any, items: Sequence[Run]) -> list[RunResult | Exception]:
        results: list[RunResult | Exception] = []
        while len(results) < len(items):
            batch, compiled = PROGRAMS.largest(items[0], len(items) - len(results))
            some = items[len(results) : len(results) + batch]
            results += _results(some, _outputs(compiled, some))
        return results


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
