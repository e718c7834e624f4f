"""The customary start of a run, from one seed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import jax

from mfnjax.core.grid import Grid
from mfnjax.core.state import State
from mfnjax.errors import ParameterError
from mfnjax.models.mycelium import MyceliumModel

if TYPE_CHECKING:
    pass


@partial(jax.jit, static_argnums=(0, 1))
def _chance(shape: tuple[int, int], dtype: str, seed: Any) -> tuple[State, jax.Array]:
    """The initial state of a seed, and the key of its run: one compiled call."""
    start_key, run_key = jax.random.split(jax.random.key(seed))
    state = MyceliumModel().initial_state(Grid(shape), dtype=dtype, key=start_key)
    return state, run_key


def check_precision(dtype: str) -> None:
    """Raise ParameterError if float64 is asked for and JAX has it switched off."""
    if dtype == "float64" and not jax.config.read("jax_enable_x64"):
        raise ParameterError(
            "dtype float64 needs 64-bit JAX: jax.config.update('jax_enable_x64', True), "
            "or --x64 on the command line"
        )
