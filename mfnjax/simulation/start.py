"""The start of a run from a seed: a state and a key."""

from __future__ import annotations

import secrets
from functools import lru_cache, partial
from typing import Any

import jax

from mfnjax._checks import check_choice, check_int
from mfnjax._plain_config import DTYPES, SEED_MAX
from mfnjax.core.grid import Grid
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.models.base import Model, check_finite
from mfnjax.simulation.packing import Layout, Packed, Same, has_fixed_numbers, pack, unpack


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


def check_start(model: Model, name: str | None) -> None:
    """Raise ParameterError if a model has no start of that name."""
    if name is not None and not (isinstance(name, str) and name in model.starts):
        kind, known = type(model).__name__, ", ".join(model.starts)
        has = f"the starts {known}" if known else "the customary start alone"
        raise ParameterError(f"{kind} has {has}; got {name!r}")


def _initial_state(
    model: Model, grid: Grid, dtype: str, name: str | None, *, key: jax.Array
) -> State:
    if name is None:
        return model.initial_state(grid, dtype=dtype, key=key)
    return model.starts[name](model, grid, dtype=dtype, key=key)


def start_of(
    model: Model, grid: Grid, dtype: str, seed: Any, name: str | None = None
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
    model: Model, grid: Grid, dtype: str, seed: Any, name: str | None = None
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
    numbers: Any, others: list[Any], seed: Any, *, layout: Layout, dtype: str, name: str | None
) -> tuple[State, jax.Array]:
    model, grid = unpack(numbers, others, layout)
    start_key, run_key = jax.random.split(jax.random.key(seed))
    return _initial_state(model, grid, dtype, name, key=start_key), run_key
