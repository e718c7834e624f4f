"""The arguments of a run, checked one by one."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_key, shown
from mfnjax.core.boundary import ByField
from mfnjax.core.grid import Grid
from mfnjax.core.state import State, StateLike
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model


def is_traced(tree: Any) -> bool:
    """Whether any leaf is a tracer."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def as_state(model: Model, state: StateLike, grid: Grid) -> State:
    """Return ``state`` as a `State` of the model's fields, as arrays of one dtype.

    Raises:
        ParameterError: A field is missing or unknown, or has another shape or dtype.
    """
    names, step, time, pace = model.fields, 0, None, None
    if isinstance(state, State):
        given, step, time, pace = state.asdict(), state.step, state.time, state.pace
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
    if grid.mask is not None:
        values = tuple(jnp.where(grid.mask > 0, value, 0) for value in values)
    if any(value.dtype != values[0].dtype for value in values):
        given_dtypes = ", ".join(str(value.dtype) for value in values)
        raise ParameterError(f"all fields must have one dtype, got {given_dtypes}")
    return State(names, values, _as_step(step), time, pace)


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


def check_steps(steps: Any, *, static: bool) -> Any:
    """The number of steps, an int; or traced, unless the program depends on it (``static``)."""
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


def saved_fields(model: Model, save_every: int | None, save: str | None) -> tuple[int, ...]:
    """Indices of the fields whose frames are saved; raises ParameterError for wrong arguments."""
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
    if not isinstance(save, str) or save not in model.fields:
        raise ParameterError(f"save must be one of {', '.join(model.fields)}; got {shown(save)}")
    return (model.fields.index(save),)


def check_sides(model: Model, grid: Grid) -> None:
    """Raise ParameterError where sides are said of other fields than the model's."""
    if not isinstance(grid.boundary, ByField):
        return
    for name in (*model.fields, *grid.boundary.fields):
        if name not in grid.boundary.fields or name not in model.fields:
            raise ParameterError(
                f"the boundary is of the fields {', '.join(grid.boundary.fields)}, the fields of "
                f"{type(model).__name__} are {', '.join(model.fields)}"
            )


def check_shapes(model: Model, grid: Grid) -> None:
    """Raise ParameterError where a parameter is neither a number nor a field."""
    for declared in dataclasses.fields(model):  # type: ignore[arg-type]
        value = getattr(model, declared.name)
        is_tree = not isinstance(value, (tuple, list)) and not jax.tree_util.all_leaves([value])
        if type(value) is float or declared.metadata.get("static") or is_tree:
            continue  # the weights of a network are the model's own business
        shape = (len(value),) if isinstance(value, (tuple, list)) else np.shape(value)
        if shape not in ((), grid.shape):
            raise ParameterError(
                f"{type(model).__name__}.{declared.name} must be a number, or a field of the "
                f"grid's shape {grid.shape}; got the shape {shape}"
            )


def check_key_of(model: Model, key: Any) -> Any:
    """The key; a ParameterError if a model that draws has none, or one that does not has one."""
    if key is None:
        if model.is_stochastic():
            raise ParameterError(
                f"{type(model).__name__} draws random numbers: pass key=jax.random.key(seed)"
            )
        return None
    key = check_key(key)
    if not (model.takes_key or model.is_stochastic()):
        raise ParameterError(
            f"{type(model).__name__} draws no random numbers, so key= would change nothing: leave "
            "it out (a random start takes its own, in initial_state)"
        )
    return key
