"""Runs of any model: one compiled program for a kind of run, whatever its numbers and its steps.

Parameters, spacing, dt, seed and the number of steps are traced. On small grids runs of one kind
and length share a call, stacked along a new axis; their features are taken one by one, so that a
result is the same bits in any company. All that an answer holds comes out of this one call.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
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

    Attributes:
        structure: Of the pytree (model, grid, dt).
        shapes: The shape of each of its leaves; () is a number.
        model: The class of the model.
        boundary: The class of the boundary.
        stepper: The stepper.
        start: Name or texts of the start, or None.
        fields: The fields of the model, in order.
        main: The field that is measured.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    model: type[Model]
    boundary: type
    stepper: Stepper
    start: Any
    fields: tuple[str, ...]
    main: str


@final
class Run(NamedTuple):
    """A `mfnjax.Simulation` with plain numbers, taken apart, and the seed of its start and chance.

    Attributes:
        program: What is compiled.
        numbers: Every number of the model, the grid and dt.
        cells: Cells of the grid.
        steps: Steps.
        seed: Of the start and the chance.
        arrays: What has a shape: parameters that are fields, a mask, walls.
    """

    program: Program
    numbers: tuple[float, ...]
    cells: int
    steps: int
    seed: int
    arrays: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, simulation: Simulation, seed: int) -> Run:
        """A run of a simulation."""
        model, grid = simulation.model, simulation.grid
        leaves, structure = jax.tree.flatten((model, grid, simulation.dt))
        shapes = tuple(map(np.shape, leaves))
        stepper = choose_stepper(model, simulation.stepper)
        kinds = type(model), type(grid.boundary)
        shown = model.fields, main_field(model)
        program = Program(structure, shapes, *kinds, stepper, simulation.start, *shown)
        numbers = tuple(leaf for leaf, shape in zip(leaves, shapes, strict=True) if not shape)
        arrays = tuple(
            np.asarray(leaf, np.float32)
            for leaf, shape in zip(leaves, shapes, strict=True)
            if shape
        )
        return cls(program, numbers, grid.num_cells, simulation.steps, seed, arrays)

    @property
    def units(self) -> float:
        """Cell-steps."""
        return float(self.cells * self.steps)


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


def _end_of_run(
    program: Program, steps: Any, seed: Any, numbers: Any, arrays: Any
) -> tuple[Any, ...]:
    rest, of_shape = iter(numbers), iter(arrays)
    leaves = [next(of_shape if shape else rest) for shape in program.shapes]
    model, grid, dt = jax.tree.unflatten(program.structure, leaves)
    state, key = draw_start(model, grid, "float32", seed, program.start)
    simulation = Simulation(model, grid, steps, dt, program.stepper)
    end = simulation.run(state, key=key if model.takes_key else None)
    seen = [*end.counts.values(), end.status.first_bad_step, end.status.bad_field]
    return end.state.values, jnp.stack(seen), grid.mask


def _measured(program: Program, run: tuple[jax.Array, jax.Array | None]) -> jax.Array:
    field, mask = run
    axes = field.ndim
    if quantity_of(program.model, program.main) == POTENTIAL:
        return feature_vector(field, mask=mask, ndim=axes)
    inside = True if mask is None else mask > 0
    low = jnp.min(field, where=inside, initial=jnp.inf)
    high = jnp.max(field, where=inside, initial=-jnp.inf)
    return feature_vector(field > (low + high) / 2, mask=mask, ndim=axes)


def _runs(program: Program, steps: Any, seeds: Any, numbers: Any, arrays: Any) -> tuple[Any, ...]:
    """A batch of runs of ``steps`` steps, in few arrays: each costs a call some microseconds.

    Returns the features (n, 18), the fields (n, C, H, W), and for each run its counts, the first
    bad step and the bad field.
    """
    fields, seen, masks = jax.vmap(partial(_end_of_run, program, steps))(seeds, numbers, arrays)
    main = fields[program.fields.index(program.main)]
    # One by one: a reduction over a batch adds in another order, which would show in the mean.
    features = lax.map(partial(_measured, program), lax.optimization_barrier((main, masks)))
    return features, jnp.stack(fields, axis=1), seen


def _outputs(compiled: Any, items: Sequence[Run]) -> list[np.ndarray]:
    """Call a compiled batch; its outputs on the host."""
    seeds = np.array([item.seed for item in items], np.uint32)
    numbers = np.array([item.numbers for item in items], np.float32)
    arrays = [np.stack(same) for same in zip(*(item.arrays for item in items), strict=True)]
    return [np.asarray(x) for x in compiled(np.int32(items[0].steps), seeds, numbers, arrays)]


def _result(
    program: Program, features: np.ndarray, fields: np.ndarray, seen: np.ndarray
) -> RunResult | Exception:
    *counts, bad_step, bad_field = seen.tolist()
    if bad_step >= 0:
        return NumericalInstabilityError(program.fields[bad_field], bad_step)
    values = dict(zip(program.fields, fields, strict=True))
    return RunResult(
        values, dict(zip(program.model.counters, counts, strict=True)), FeatureVector(features)
    )


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
        if known or run.cells > BATCHED_CELLS:
            return
        trial = run._replace(steps=TRIAL_STEPS)
        try:
            alone = _outputs(self.largest(run, 1)[1], [trial])
            for batch in BATCHES[:-1]:
                compiled = self._compile(run, batch, keep=False)
                together = _outputs(compiled, [trial] * batch)
                if all(map(_repeats, together, alone)):
                    self._keep(run, batch, compiled)
        except Exception:
            log.exception("batches of %s could not be compiled", run.program.model.__name__)

    def _compile(self, run: Run, batch: int, *, keep: bool = True) -> Any:
        seeds = jax.ShapeDtypeStruct((batch,), np.uint32)
        numbers = jax.ShapeDtypeStruct((batch, len(run.numbers)), np.float32)
        steps = jax.ShapeDtypeStruct((), np.int32)
        arrays = [jax.ShapeDtypeStruct((batch, *one.shape), np.float32) for one in run.arrays]
        lowered = jax.jit(partial(_runs, run.program)).lower(steps, seeds, numbers, arrays)
        compiled = lowered.compile()
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
        return item.program, item.steps

    def units(self, item: Run) -> float:
        return item.units

    def run(self, key: Any, items: Sequence[Run]) -> list[RunResult | Exception]:
        results: list[RunResult | Exception] = []
        while len(results) < len(items):
            batch, compiled = PROGRAMS.largest(items[0], len(items) - len(results))
            outputs = _outputs(compiled, items[len(results) : len(results) + batch])
            results += [_result(key, *output) for output in zip(*outputs, strict=True)]
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
    return SMALL if run.units <= SMALL_UNITS else LARGE
