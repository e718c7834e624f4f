"""A run that has been checked: what the compiled loop is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, final

import numpy as np

from mfnjax.core.grid import Grid, check_one_spacing
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model, Values
from mfnjax.simulation.checks import (
    as_state,
    check_key_of,
    check_last_step,
    check_shapes,
    check_sides,
    is_traced,
    saved_fields,
)
from mfnjax.simulation.packing import Packed, Same, cast, has_fixed_numbers, pack
from mfnjax.simulation.span import Span
from mfnjax.steppers import Stepper, check_serves, check_step, choose_stepper


@final
@register_pytree
@dataclass(frozen=True)
class Problem:
    """All that a compiled step needs beside the fields.

    Attributes:
        model: The model, its parameters cast to the fields' dtype.
        grid: The grid, its spacing cast likewise.
        dt: Time step.
        key: Key of the run, or None.
        stepper: The stepper (static).
        saved: Indices of the fields that are saved (static).
        kinds: The classes of model and boundary (static): a user's own, registered by JAX's
            ``register_dataclass``, are told apart by nothing else (see `mfnjax.core.pytree`).
    """

    model: Any
    grid: Grid
    dt: Any
    key: Any
    stepper: Stepper = field(metadata={"static": True})
    saved: tuple[int, ...] = field(metadata={"static": True})
    kinds: tuple[type, type] = field(metadata={"static": True})


@final
@dataclass(frozen=True)
class Inputs:
    """A run that has been checked."""

    problem: Problem
    values: Values
    step: Any
    steps: Any
    save_every: int | None
    save: str | None
    packed: Packed | None
    span: Span | None = None

    @property
    def is_traced(self) -> bool:
        """Whether the run is inside a transformation. What is packed is plain, but for the key."""
        problem = self.problem if self.packed is None else None
        span = () if self.span is None else tuple(vars(self.span).values())
        return is_traced((problem, self.problem.key, *self.values, self.step, self.steps, span))


def prepare_inputs(simulation: Any, start: StateLike, key: Any) -> Inputs:
    """Check a run of a `mfnjax.Simulation`; what is traced is taken on trust."""
    model, grid, dt = simulation.model, simulation.grid, simulation.dt
    state = as_state(model, start, grid)
    chosen = choose_stepper(model, simulation.stepper, chooses=simulation.until is not None)
    span = Span.of(simulation, state, chosen)  # type: ignore[arg-type]
    if span is None:
        check_last_step(model, state.step, simulation.steps)
    every, save = simulation.frames_every, simulation.save
    saved = saved_fields(model, every, save)
    dtype = state.values[0].dtype
    if has_fixed_numbers(model, grid, dt):
        problem, packed = _known_problem(Same(model), Same(grid), dt, chosen, dtype, saved)
    else:
        problem, packed = _checked_problem(model, grid, dt, chosen, dtype, saved), None
    problem = replace(problem, key=check_key_of(model, key))
    steps, step = simulation.steps, state.step
    return Inputs(problem, state.values, step, steps, every, save, packed, span)


def _checked_problem(
    model: Model, grid: Grid, dt: Any, stepper: Stepper, dtype: Any, saved: tuple[int, ...]
) -> Problem:
    """The problem without its key, the physics checked, the numbers cast."""
    check_physics(model, grid, dt, stepper)
    return Problem(
        model=cast(model, dtype),
        grid=cast(grid, dtype),
        dt=cast(dt, dtype),
        key=None,
        stepper=stepper,
        saved=saved,
        kinds=(type(model), type(grid.boundary)),
    )


@lru_cache(maxsize=32)
def _known_problem(
    model: Same, grid: Same, dt: Any, stepper: Stepper, dtype: Any, saved: tuple[int, ...]
) -> tuple[Problem, Packed]:
    """`_checked_problem`, packed and remembered: for plain numbers, which do not change.

    To check and cast them takes as long as to call the compiled loop.
    """
    problem = _checked_problem(model.value, grid.value, dt, stepper, dtype, saved)
    return problem, pack(problem, dtype)


def check_physics(model: Model, grid: Grid, dt: Any, stepper: Stepper) -> None:
    """Raise ParameterError or StabilityError if the stepper cannot run this; a start aside."""
    check_one_spacing(grid)
    check_sides(model, grid)
    check_shapes(model, grid)
    check_serves(stepper, model, grid)
    if is_traced(dt):
        # What depends on dt is taken on trust; 1 is any map's and is within every known bound of
        # the parameters alone.
        model.check(grid, 1.0)
        return
    try:
        value = float(dt) if np.ndim(dt) == 0 else np.nan
    except (TypeError, ValueError):
        value = np.nan
    if not 0 < value < np.inf:
        raise ParameterError(f"dt must be a positive finite number, got {dt!r}")
    model.check(grid, value)
    check_step(model, grid, value, stepper)
