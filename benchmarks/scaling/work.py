"""The measurements themselves; they run in a child process that is pinned to its cores.

The model is that of v4.1 with its default parameters, float32, periodic sides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness.memory import account_of, growth_of
from benchmarks.harness.timing import Call, measure_for
from benchmarks.suites.gradients import gradient_of, inputs_of
from mfnjax import FeatureConfig, Grid, MyceliumModel, simulate, simulate_ensemble
from mfnjax.features import feature_vector

SIDE, STEPS = 64, 32
"""Side of the curves against steps and members; steps of those against cells and members."""

SHARE = 0.5
"""Share of the free memory that a program may take."""

Compiled = tuple[Any, tuple[Any, ...], float]
"""A program, its inputs, and the time it took to compile, in s."""

prepared: list[tuple[Call, dict[str, Any]]] = []
"""What `prepare` left for `measured`: a call, and what is known of it."""


def prepare(quantity: str, axis: str, x: int, cores: int) -> None:
    """Compile what a task needs; several processes do so at the same time."""
    side = round(x**0.5) if axis == "cells" else SIDE
    steps = x if axis == "steps" else STEPS
    members = x if axis == "members" else None
    if quantity == "forward" and members is not None:
        prepared[:] = [(ensemble(side, steps, members, cores), {})]
        return
    if quantity == "features" and axis != "steps":
        steps = 0
    program, inputs, compile_s = PROGRAMS[quantity](side, steps, members)
    told = {"compile_s": compile_s} | {name: float(n) for name, n in account_of(program).items()}
    need, free = told["outputs"] + told["temporaries"], free_memory()
    if need > SHARE * free:
        told = {"left_out": f"needs {need / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free"}
    prepared[:] = [(partial(program, *inputs), told)]


def measured(seconds: float) -> dict[str, Any]:
    """Measure what was prepared for about so long; the processes do so one by one."""
    ((call, told),) = prepared
    if "left_out" in told:
        return told
    jax.block_until_ready(call())
    grown = float(growth_of(call))
    timing = measure_for(call, seconds)
    times = {"median_ms": timing.median_ms, "min_ms": timing.min_ms, "spread": timing.spread}
    return times | told | {"resident": grown}


def compiled(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Compiled:
    """The program of a function for these inputs."""
    start = time.perf_counter()
    program = jax.jit(function).lower(*inputs).compile()
    return program, inputs, time.perf_counter() - start


@lru_cache(maxsize=1)
def run_program(side: int) -> Compiled:
    """A run; the number of steps is traced, so that it is one program for all.

    The state is that after 32 steps. At 2048² the random start has a cell or two beyond the clamp,
    and the first stretch of steps would look at every cell, where at smaller sizes none does.
    """
    grid, model = Grid((side, side)), MyceliumModel()
    state = model.initial_state(grid, dtype="float32", key=jax.random.key(0))

    def run(state: Any, key: jax.Array, steps: Any) -> Any:
        return simulate(model, state, grid=grid, steps=steps, key=key)

    key, steps = jax.random.key(1), jnp.int32(STEPS)
    program, inputs, compile_s = compiled(run, (state, key, steps))
    return program, (program(*inputs).state, key, steps), compile_s


def forward(side: int, steps: int, members: int | None = None) -> Compiled:
    """A run of so many steps."""
    program, (state, key, _), compile_s = run_program(side)
    return program, (state, key, jnp.int32(steps)), compile_s


def gradient(side: int, steps: int, members: int | None = None) -> Compiled:
    """A scalar of a run and its gradient in six parameters and three fields, policy 'direct'."""
    parameters, fields, key = inputs_of(side)
    function = gradient_of(side, steps, "direct")
    if members is None:
        return compiled(function, (parameters, fields, key))
    keys = jax.random.split(key, members)
    return compiled(jax.vmap(function, in_axes=(None, None, 0)), (parameters, fields, keys))


def features(side: int, frames: int, members: int | None) -> Compiled:
    """The 18 features: of one field, of a history, or of each field of a batch."""
    function = partial(feature_vector, config=FeatureConfig())
    count = frames or members
    shape = (side, side) if count is None else (count, side, side)
    fields = -0.06 + 0.02 * jax.random.normal(jax.random.key(2), shape, "float32")
    return compiled(function if members is None else jax.vmap(function), (fields,))


PROGRAMS = {"forward": forward, "gradient": gradient, "features": features}


def ensemble(side: int, steps: int, members: int, threads: int) -> Call:
    """`simulate_ensemble` with a thread for each core."""
    grid, model = Grid((side, side)), MyceliumModel()
    state = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    run = partial(simulate_ensemble, model, state, grid=grid, steps=steps, threads=threads)
    return lambda: run(key=jax.random.split(jax.random.key(1), members)).state


def free_memory() -> float:
    """Memory that could be had, in bytes; without limit where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return float("inf")
