"""The start of a run from a seed: a state and a key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax._checks import check_choice, check_int, check_real, shown
from mfnjax._plain_config import DTYPES, SEED_MAX
from mfnjax.core.grid import Grid
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model, check_finite
from mfnjax.models.text_start import read_start, start_from_text
from mfnjax.simulation.packing import Layout, Packed, Same, has_fixed_numbers, pack, unpack
from mfnjax.text.parse import LARGEST


def check_precision(dtype: str) -> str:
    """The name of a floating dtype that JAX computes in as it is set up.

    Raises:
        ParameterError: Another dtype, or float64 while JAX has it switched off.
    """
    check_choice("dtype", dtype, DTYPES)
    if dtype == "float64" and not jax.config.read("jax_enable_x64"):
        raise ParameterError(
            "dtype float64 needs 64-bit JAX: jax.config.update('jax_enable_x64', True), "
            "or --x64 on the command line"
        )
    return dtype


def check_seed(seed: int | None) -> int:
    """The seed of a run; a fresh one for None."""
    if seed is None:
        return secrets.randbelow(SEED_MAX + 1)
    return check_int("seed", seed, 0, SEED_MAX)


Start = str | tuple[tuple[str, str | float], ...]
"""One of a model's starts, by name; or a text (or a number) for each field."""


def has_text(start: Any) -> bool:
    """Whether a start holds a text for one of the fields."""
    return isinstance(start, Mapping) and any(isinstance(one, str) for one in start.values())


def as_start(model: Model, start: Any) -> Start | None:
    """What `Simulation.start` holds: None, a name, or texts by field as what has a hash.

    Raises:
        ParameterError: The model has no start of that name; or a text is not accepted.
    """
    if start is None or (isinstance(start, str) and start in model.starts):
        return start
    try:
        texts = dict(start if isinstance(start, (Mapping, tuple)) else None)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        kind, known = type(model).__name__, ", ".join(model.starts)
        has = f"the starts {known}" if known else "the customary start alone"
        raise ParameterError(
            f"{kind} has {has}, or takes a text for each field; got {shown(start)}"
        ) from None
    read_start(texts, model.fields, model.known_names)
    for name, value in texts.items():
        if not isinstance(value, str):
            check_real(f"start of {name!r}", value, -LARGEST, LARGEST)
    return tuple((name, texts[name]) for name in model.fields)


def start_key(key: jax.Array) -> jax.Array:
    """The key of a start by text in a run with ``key``, whose steps draw from smaller numbers."""
    return jax.random.fold_in(key, np.uint32(2**32 - 1))


def _initial_state(
    model: Model, grid: Grid, dtype: str, start: Start | None, *, key: jax.Array
) -> State:
    if start is None:
        return model.initial_state(grid, dtype=dtype, key=key)
    if isinstance(start, str):
        return model.starts[start](model, grid, dtype=dtype, key=key)
    return _state_of_text(model, grid, dtype, dict(start), key=key)


def _state_of_text(
    model: Model, grid: Grid, dtype: str, start: Mapping[str, Any], *, key: jax.Array
) -> State:
    given = model.parameters_at(grid.place(0.0, jnp.dtype(dtype)))
    return start_from_text(start, model.fields, grid, dtype=dtype, parameters=given, key=key)


def text_start(
    model: Model, grid: Grid, dtype: str, start: Mapping[str, Any], *, key: jax.Array
) -> State:
    """A start of texts, numbers and arrays by field, drawn with ``key``, in one compiled call."""
    texts = tuple((name, value) for name, value in start.items() if isinstance(value, str))
    read_start(start, model.fields, model.known_names)
    rest = {n: _array(n, value) for n, value in start.items() if not isinstance(value, str)}
    packed = pack((model, grid), dtype)
    return _compiled_text(
        packed.numbers, packed.others, rest, key, layout=packed.layout, dtype=dtype, texts=texts
    )


def _array(name: str, value: Any) -> Any:
    array = value if isinstance(value, jax.Array) else np.asarray(value)
    if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
        raise ParameterError(
            f"the start of {name!r} must be a text, a number or an array, got {shown(value)}"
        )
    return array


@partial(jax.jit, static_argnames=("layout", "dtype", "texts"))
def _compiled_text(
    numbers: Any, others: Any, rest: Any, key: jax.Array, *, layout: Layout, dtype: str, texts: Any
) -> State:
    model, grid = unpack(numbers, others, layout)
    return _state_of_text(model, grid, dtype, {**rest, **dict(texts)}, key=key)


def start_of(
    model: Model, grid: Grid, dtype: str, seed: Any, name: Start | None = None
) -> tuple[State, jax.Array]:
    """A start of a model (None: the customary one) and the key of its run, both from a seed.

    One compiled call for a kind of model and a grid, whatever the seed and the parameters.
    """
    if has_fixed_numbers(model, grid):
        packed = _known_physics(Same(model), Same(grid), dtype)
    else:
        check_finite(model)  # the run checks all of it, but what is no number has no start
        packed = pack((model, grid), dtype)
    return _compiled_start(
        packed.numbers, packed.others, seed, layout=packed.layout, dtype=dtype, name=name
    )


def draw_start(
    model: Model, grid: Grid, dtype: str, seed: Any, name: Start | None = None
) -> tuple[State, jax.Array]:
    """`start_of` inside a compiled function.

    The barrier keeps XLA from fusing the draw into the first step, which could round differently
    from a run that starts from arrays in memory.
    """
    start_key, run_key = jax.random.split(jax.random.key(seed))
    start = _initial_state(model, grid, dtype, name, key=start_key)
    return jax.lax.optimization_barrier(start), run_key


@lru_cache(maxsize=32)
def _known_physics(model: Same, grid: Same, dtype: str) -> Packed:
    return pack((model.value, grid.value), dtype)


@partial(jax.jit, static_argnames=("layout", "dtype", "name"))
def _compiled_start(
    numbers: Any, others: list[Any], seed: Any, *, layout: Layout, dtype: str, name: Start | None
) -> tuple[State, jax.Array]:
    model, grid = unpack(numbers, others, layout)
    start_key, run_key = jax.random.split(jax.random.key(seed))
    return _initial_state(model, grid, dtype, name, key=start_key), run_key
