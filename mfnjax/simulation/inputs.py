"""What `simulate` is given, checked and brought into one form."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_key, shown
from mfnjax.core.grid import Grid, check_one_spacing
from mfnjax.core.pytree import register_pytree
from mfnjax.core.state import State, StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import IteratedMap, Model, Values
from mfnjax.simulation.steppers import (
    Stepper,
    check_boundary,
    check_step,
    check_transport,
    choose_stepper,
)


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
class Layout:
    """How `unpack` finds its way: a problem's structure, and which leaves are in the vector."""

    structure: Any
    plain: tuple[bool, ...]


@final
@dataclass(frozen=True)
class Packed:
    """A problem for a plain call: its plain numbers in one vector, and its other leaves."""

    numbers: Any
    others: list[Any]
    layout: Layout


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


def pack(problem: Problem) -> Packed:
    """Pack a problem; its key is left out."""
    leaves, structure = jax.tree.flatten(replace(problem, key=None))
    plain = tuple(isinstance(leaf, np.ndarray) and leaf.ndim == 0 for leaf in leaves)
    numbers = np.array([leaf for leaf, is_plain in zip(leaves, plain, strict=True) if is_plain])
    others = [leaf for leaf, is_plain in zip(leaves, plain, strict=True) if not is_plain]
    return Packed(numbers, others, Layout(structure, plain))


def unpack(numbers: Any, others: list[Any], layout: Layout, key: Any) -> Problem:
    """The problem that `pack` packed, with this key."""
    numbers, rest = iter(numbers), iter(others)
    leaves = [next(numbers if is_plain else rest) for is_plain in layout.plain]
    return replace(jax.tree.unflatten(layout.structure, leaves), key=key)


def is_traced(tree: Any) -> bool:
    """Whether any leaf is a tracer."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


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
    steps = _check_steps(steps, static=static_steps or save_every is not None)
    check_last_step(model, state.step, steps)
    saved = _check_save(model, save_every, save)
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


def as_state(model: Model, state: StateLike, grid: Grid) -> State:
    """Return ``state`` as a `State` of the model's fields, as arrays of one dtype.

    Raises:
        ParameterError: A field is missing or unknown, or has another shape or dtype.
    """
    names, step = model.fields, 0
    if isinstance(state, State):
        given, step = state.asdict(), state.step
    elif isinstance(state, Mapping):
        given = dict(state)
    elif isinstance(state, (tuple, list)) and len(state) == len(names):
        given = dict(zip(names, state, strict=True))
    else:
        raise ParameterError(
            f"state must hold the fields {', '.join(names)} of {type(model).__name__}; "
            f"got {type(state).__name__}"
        )
    if set(given) != set(names):
        raise ParameterError(
            f"state must hold the fields {', '.join(names)} of {type(model).__name__}; "
            f"got {', '.join(map(str, given)) or 'none'}"
        )
    values = tuple(_as_field(name, given[name], grid) for name in names)
    if any(value.dtype != values[0].dtype for value in values):
        given_dtypes = ", ".join(str(value.dtype) for value in values)
        raise ParameterError(f"all fields must have one dtype, got {given_dtypes}")
    return State(names, values, _as_step(step))


def _as_field(name: str, value: Any, grid: Grid) -> jax.Array:
    try:
        array = value if isinstance(value, jax.Array) else jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"field {name!r} must be an array, got {value!r}") from error
    if array.shape != grid.shape:
        raise ParameterError(
            f"field {name!r} must have the grid's shape {grid.shape}, got {array.shape}"
        )
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ParameterError(f"field {name!r} must be real floating point, got {array.dtype}")
    return array


def _as_step(step: Any) -> Any:
    if isinstance(step, jax.Array) and step.ndim == 0 and step.dtype.kind in "iu":
        return step
    try:
        return np.int32(operator.index(step))
    except (TypeError, OverflowError) as error:
        raise ParameterError(
            f"state.step must be an integer of 32 bits, got {shown(step)}"
        ) from error


def _check_steps(steps: Any, *, static: bool) -> Any:
    if isinstance(steps, jax.core.Tracer):
        if static:
            raise ParameterError(
                "steps must be a plain integer where save_every or adjoint is given: "
                "the number of frames and the static loop depend on it"
            )
        return steps
    try:
        count = operator.index(steps)
    except TypeError:
        count = -1
    if not 0 <= count < 2**31 or isinstance(steps, (bool, np.bool_)):
        raise ParameterError(f"steps must be an integer from 0 to {2**31 - 1}, got {steps!r}")
    return count


def check_last_step(model: Model, start: Any, steps: Any) -> None:
    """Raise ParameterError where a run would count beyond what its integers hold.

    The step is an int32, and the loop writes down step·fields + field in JAX's default integer: one
    that wrapped around would hide a NaN.
    """
    if isinstance(start, jax.core.Tracer) or isinstance(steps, jax.core.Tracer):
        return
    start, fields = int(start), len(model.fields)
    if start >= 0 and (start + steps + 1) * fields < 2**31:
        return
    most = min(np.iinfo(jnp.result_type(int)).max // fields, 2**31) - 1
    if not 0 <= start <= start + steps <= most:
        raise ParameterError(
            f"the steps of a run of {type(model).__name__} must lie in [0, {most}], got "
            f"{start} to {start + steps}"
        )


def _check_save(model: Model, save_every: int | None, save: str | None) -> tuple[int, ...]:
    if save_every is None:
        if save is not None:
            raise ParameterError(f"save={save!r} needs save_every=: how many steps between frames")
        return ()
    is_count = isinstance(save_every, (int, np.integer)) and not isinstance(save_every, bool)
    if not is_count or not 1 <= save_every < 2**31:
        raise ParameterError(
            f"save_every must be an integer from 1 to {2**31 - 1} or None, got {save_every!r}"
        )
    if save is None:
        return tuple(range(len(model.fields)))
    if save not in model.fields:
        raise ParameterError(f"save must be one of {', '.join(model.fields)}; got {save!r}")
    return (model.fields.index(save),)


def _check_physics(model: Model, grid: Grid, dt: Any, stepper: Stepper) -> None:
    check_one_spacing(grid)
    _check_shapes(model, grid)
    check_transport(model, stepper)
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


def _check_shapes(model: Model, grid: Grid) -> None:
    """Raise ParameterError where a parameter is neither a number nor a field."""
    for declared in dataclasses.fields(model):  # type: ignore[arg-type]
        value = getattr(model, declared.name)
        if type(value) is float or declared.metadata.get("static"):
            continue
        shape = (len(value),) if isinstance(value, (tuple, list)) else np.shape(value)
        if shape not in ((), grid.shape):
            raise ParameterError(
                f"{type(model).__name__}.{declared.name} must be a number, or a field of the "
                f"grid's shape {grid.shape}; got the shape {shape}"
            )


def _check_key(model: Model, key: Any) -> None:
    if key is None:
        if isinstance(model, IteratedMap) and model.is_stochastic():
            raise ParameterError(
                f"{type(model).__name__} draws random numbers: pass key=jax.random.key(seed)"
            )
        return
    check_key(key)
    if not model.takes_key:
        raise ParameterError(
            f"{type(model).__name__} draws no random numbers, so key= would change nothing: leave "
            "it out (a random start takes its own, in initial_state)"
        )


def _cast(tree: Any, dtype: Any) -> Any:
    """Cast the numbers of ``tree`` to ``dtype``, on the host where they are plain."""

    def cast(leaf: Any) -> Any:
        return leaf.astype(dtype) if isinstance(leaf, jax.Array) else np.asarray(leaf, dtype)

    return jax.tree.map(cast, tree)
