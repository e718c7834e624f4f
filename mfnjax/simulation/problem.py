"""What `simulate` is given, checked and brought into one form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, final

import jax
import numpy as np

from mfnjax.core.grid import Grid
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model, Values
from mfnjax.simulation.checks import (
    _check_key,
    as_state,
    check_last_step,
    check_save,
    check_steps,
    is_traced,
)
from mfnjax.simulation.packing import Packed, pack
from mfnjax.steppers import Stepper, check_boundary, check_step, choose_stepper


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
    """A checked call of `simulate`."""

    problem: Problem
    values: Values
    step: Any
    steps: Any
    save_every: int | None
    save: str | None
    packed: Packed | None


def prepare_inputs(
    model: Model,
    state: StateLike,
    grid: Grid,
    steps: Any,
    dt: Any,
    stepper: str | Stepper | None,
    save_every: int | None,
    save: str | None,
    key: Any,
    *,
    static_steps: bool,
) -> Inputs:
    """Check every argument of `simulate`; what is traced is taken on trust."""
    if not isinstance(model, Model):
        raise ParameterError(f"model must be a Model, got {type(model).__name__}")
    if not isinstance(grid, Grid):
        raise ParameterError(f"grid must be a Grid, got {grid!r}")
    state = as_state(model, state, grid)
    chosen = choose_stepper(model, stepper)
    steps = check_steps(steps, static=static_steps or save_every is not None)
    check_last_step(model, state.step, steps)
    saved = check_save(model, save_every, save)
    dtype = state.values[0].dtype
    physics = (model, grid, dt)
    if all(type(leaf) in (int, float) for leaf in jax.tree.leaves(physics)):
        problem, packed = _known_problem(*map(_Same, physics[:2]), dt, chosen, dtype, saved)
    else:
        problem, packed = _checked_problem(*physics, chosen, dtype, saved), None
    _check_key(model, key)
    problem = replace(problem, key=key)
    return Inputs(problem, state.values, state.step, steps, save_every, save, packed)


def _checked_problem(
    model: Model, grid: Grid, dt: Any, stepper: Stepper, dtype: Any, saved: tuple[int, ...]
) -> Problem:
    """The problem without its key, the physics checked, the numbers cast."""
    _check_physics(model, grid, dt, stepper)
    return Problem(
        model=_cast(model, dtype),
        grid=_cast(grid, dtype),
        dt=_cast(dt, dtype),
        key=None,
        stepper=stepper,
        saved=saved,
        kinds=(type(model), type(grid.boundary)),
    )


@final
@dataclass(frozen=True, eq=False)
class _Same:
    """An object that equals itself alone (a model need not be hashable, nor 1 be 1.0)."""

    value: Any

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


@lru_cache(maxsize=32)
def _known_problem(
    model: _Same, grid: _Same, dt: Any, stepper: Stepper, dtype: Any, saved: tuple[int, ...]
) -> tuple[Problem, Packed]:
    """`_checked_problem`, packed and remembered: for plain numbers, which do not change.

    To check and cast them takes as long as to call the compiled loop.
    """
    problem = _checked_problem(model.value, grid.value, dt, stepper, dtype, saved)
    return problem, pack(problem)


def _check_physics(model: Model, grid: Grid, dt: Any, stepper: Stepper) -> None:
    if is_traced(dt):
        # What depends on dt is taken on trust; 1 is any map's and is within every known bound of
        # the parameters alone.
        model.check(grid, 1.0)
        check_boundary(model, grid, stepper)
        return
    try:
        value = float(dt) if np.ndim(dt) == 0 else np.nan
    except (TypeError, ValueError):
        value = np.nan
    if not 0 < value < np.inf:
        raise ParameterError(f"dt must be a positive finite number, got {dt!r}")
    model.check(grid, value)
    check_boundary(model, grid, stepper)
    check_step(model, grid, value, stepper)


def _cast(tree: Any, dtype: Any) -> Any:
    """Cast the numbers of ``tree`` to ``dtype``, on the host where they are plain."""

    def cast(leaf: Any) -> Any:
        return leaf.astype(dtype) if isinstance(leaf, jax.Array) else np.asarray(leaf, dtype)

    return jax.tree.map(cast, tree)
