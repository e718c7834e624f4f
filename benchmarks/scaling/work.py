"""The measurements themselves; they run in a child process that is pinned to its cores.

The model is that of v4.1 with its default parameters, float32, periodic sides.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness.memory import account_of, growth_of
from benchmarks.harness.timing import Call, measure_for
from benchmarks.scaling.points import SIDE, STEPS, Point, Task
from benchmarks.suites.gradients import gradient_of, inputs_of
from mfnjax import FeatureConfig, Grid, MyceliumModel, simulate, simulate_ensemble
from mfnjax.features import feature_vector

SHARE = 0.5
"""Share of the free memory that a program may take."""

Compiled = tuple[Any, tuple[Any, ...], float]
"""A program, its inputs, and the time it took to compile, in s."""


@cache
def prepared() -> dict[str, Any]:
    """What `prepare` left for `measured`."""
    return {}


def prepare(*task: Any) -> None:
    """Compile what a task needs; several processes do so at the same time."""
    prepared()["next"] = call_of(Task(*task))


def measured(seconds: float) -> dict[str, Any]:
    """Measure what was prepared for about so long; they do so one by one."""
    task, call, told, left_out = prepared()["next"]
    if left_out:
        return Point(task, left_out=left_out).to_dict()
    jax.block_until_ready(call())
    told = told | {"resident": float(growth_of(call))}
    timing = measure_for(call, seconds)
    return Point(task, timing.median_ms, timing.min_ms, timing.spread, told).to_dict()


def call_of(task: Task) -> tuple[Task, Call, dict[str, float], str]:
    """The call that a task measures, what is known of its program, and why it is left out."""
    side = round(task.x**0.5) if task.axis == "cells" else SIDE
    steps = task.x if task.axis == "steps" else STEPS
    members = task.x if task.axis == "members" else None
    if task.quantity == "forward" and members is not None:
        return task, ensemble(side, steps, members, task.cores), {}, ""
    if task.quantity == "features" and task.axis != "steps":
        steps = 0
    program, inputs, compile_s = PROGRAMS[task.quantity](side, steps, members)
    told = {"compile_s": compile_s} | {name: float(n) for name, n in account_of(program).items()}
    need, free = told["outputs"] + told["temporaries"], free_memory()
    needs = f"needs {need / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free"
    return task, partial(program, *inputs), told, needs if need > SHARE * free else ""


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
