"""The measurements themselves; they run in a child process that is pinned to its cores.

The model is that of v4.1 with its default parameters, float32, periodic sides. Every function here
takes the ``x`` of a task and gives a `Point`.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks.gradients import gradient_of, inputs_of
from benchmarks.hlo import Program
from benchmarks.scaling.points import SIDE, STEPS, TINY, Point, Task
from benchmarks.scaling.roofline import ITEM
from benchmarks.trace import operations, record
from mfnjax import FeatureConfig, Grid, MyceliumModel, simulate, simulate_ensemble
from mfnjax.bench.memory import peak_resident, reset_peak, resident
from mfnjax.bench.timing import Timing, measure
from mfnjax.features import feature_vector

Call = Callable[[], Any]
Measurement = Callable[[float], Point]
FEWEST, MOST = 3, 200
"""Runs of a timing."""

SHARE = 0.5
"""Share of the free memory that a program may take."""

TRIAD_BYTES, MOST_TURNS = 2**29, 20_000
"""What a timed call of the bandwidth's kernel moves, roughly, and in how many turns at most."""

VECTOR = 4096
CHAIN = 16
TURNS = 2000
"""Elements, multiply-adds in a row, and turns of the kernel of the arithmetic."""


def prepare(task: Task) -> Measurement:
    """Compile what a task needs; the function that is given back measures it, in so many s."""
    if task.quantity in ROOFS:
        return ROOFS[task.quantity](task)
    side = round(task.x**0.5) if task.axis == "cells" else SIDE
    steps = task.x if task.axis == "steps" else STEPS
    members = task.x if task.axis == "members" else None
    if task.quantity == "account":
        return partial(account, task, side)
    if task.quantity == "forward" and members is not None:
        return partial(timed, task, ensemble(side, steps, members, task.cores), {})
    if task.quantity == "features":
        frames = task.x if task.axis == "steps" else None
        program, inputs, compile_s = features(side, frames, members)
    else:
        program, inputs, compile_s = PROGRAMS[task.quantity](side, steps, members)
    told = {"compile_s": compile_s} | memory_of(program)
    need, free = told["outputs"] + told["temporaries"], free_memory()
    if need > SHARE * free:
        needs = f"needs {need / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free"
        return lambda seconds: Point(task, left_out=needs)
    return partial(timed, task, partial(program, *inputs), told)


def timed(task: Task, call: Call, told: dict[str, float], seconds: float) -> Point:
    """Time a call, and see how it lets the resident memory grow."""
    jax.block_until_ready(call())
    start = time.perf_counter()
    growth = {"resident": float(resident_growth(call))}
    timing = run_for(call, seconds, time.perf_counter() - start)
    return Point(task, timing.median_ms, timing.min_ms, timing.spread, told | growth)


def run_for(call: Call, seconds: float, once: float | None = None) -> Timing:
    """As many runs as take about so long, between 3 and 200; ``once``: what one takes."""
    if once is None:
        start = time.perf_counter()
        jax.block_until_ready(call())
        once = time.perf_counter() - start
    return measure(call, repeats=min(max(int(seconds / once), FEWEST), MOST))


def compiled(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Any, Any, float]:
    """The program of a function for these inputs, the inputs, and the time it took, in s."""
    start = time.perf_counter()
    program = jax.jit(function).lower(*inputs).compile()
    return program, inputs, time.perf_counter() - start


@lru_cache(maxsize=1)
def run_program(side: int) -> tuple[Any, Any, float]:
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


def forward(side: int, steps: int, members: int | None = None) -> tuple[Any, Any, float]:
    """A run of so many steps."""
    program, (state, key, _), compile_s = run_program(side)
    return program, (state, key, jnp.int32(steps)), compile_s


def gradient(side: int, steps: int, members: int | None = None) -> tuple[Any, Any, float]:
    """A scalar of a run and its gradient in six parameters and three fields, policy 'direct'."""
    parameters, fields, key = inputs_of(side)
    function = gradient_of(side, steps, "direct")
    if members is None:
        return compiled(function, (parameters, fields, key))
    keys = jax.random.split(key, members)
    return compiled(jax.vmap(function, in_axes=(None, None, 0)), (parameters, fields, keys))


def features(side: int, frames: int | None, members: int | None) -> tuple[Any, Any, float]:
    """The 18 features: of one field, of a history, or of each field of a batch."""
    function = partial(feature_vector, config=FeatureConfig())
    count = frames or members
    shape = (side, side) if count is None else (count, side, side)
    fields = -0.06 + 0.02 * jax.random.normal(jax.random.key(2), shape, "float32")
    return compiled(function if members is None else jax.vmap(function), (fields,))


PROGRAMS = {"forward": forward, "gradient": gradient}


def ensemble(side: int, steps: int, members: int, threads: int) -> Call:
    """`simulate_ensemble` with a thread for each core."""
    grid, model = Grid((side, side)), MyceliumModel()
    state = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    run = partial(simulate_ensemble, model, state, grid=grid, steps=steps, threads=threads)
    return lambda: run(key=jax.random.split(jax.random.key(1), members)).state


def memory_of(program: Any) -> dict[str, float]:
    """XLA's account of a program, in bytes."""
    stats = program.memory_analysis()
    return {
        "arguments": float(stats.argument_size_in_bytes),
        "outputs": float(stats.output_size_in_bytes),
        "temporaries": float(stats.temp_size_in_bytes),
    }


def resident_growth(call: Call) -> int:
    """How far a call lifts the peak resident memory, freed memory given back before, in bytes."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
    reset_peak()
    before = resident()
    jax.block_until_ready(call())
    return max(peak_resident() - before, 0)


def free_memory() -> float:
    """Memory that could be had, in bytes; without limit where the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return float("inf")


def account(task: Task, side: int, seconds: float) -> Point:
    """What one step moves and computes, as compiled: the operations of a traced run, counted."""
    program, inputs, compile_s = forward(side, STEPS)
    call = partial(program, *inputs)
    jax.block_until_ready(call())
    costs = Program(program.as_text()).costs
    ran = [(one.calls, costs[one.name]) for one in operations(record(call)) if one.name in costs]
    more = {
        "bytes_a_step": sum(calls * cost.num_bytes for calls, cost in ran) / STEPS,
        "flops_a_step": sum(calls * cost.flops for calls, cost in ran) / STEPS,
        "instructions_a_step": sum(calls * cost.instructions for calls, cost in ran) / STEPS,
        "kernels_a_step": sum(calls for calls, cost in ran if cost.num_bytes) / STEPS,
        "compile_s": compile_s,
    }
    return Point(task, more=more)


def bandwidth(task: Task) -> Measurement:
    """Bytes a second of a ← b + s·a on one core; x: bytes of both arrays.

    Like the triad of STREAM (McCalpin 1995), but in place: what is written has been read, so that
    no line is fetched only to be overwritten, and the three accesses counted are all there are.
    """
    length = task.x // (2 * ITEM)
    moved = 3 * ITEM * length
    turns = min(max(TRIAD_BYTES // moved, FEWEST), MOST_TURNS)

    @partial(jax.jit, donate_argnums=0)
    def triad(a: jax.Array, b: jax.Array, s: jax.Array) -> jax.Array:
        return lax.fori_loop(0, turns, lambda _, a: b + s * a, a)

    held, b, s = [jnp.ones(length, jnp.float32)], jnp.ones(length, jnp.float32), jnp.float32(0.5)

    def call() -> jax.Array:
        held[0] = triad(held[0], b, s)
        return held[0]

    jax.block_until_ready(call())
    return partial(rate, task, call, "bytes_a_second", float(moved * turns))


def arithmetic(task: Task) -> Measurement:
    """Instructions of one element a second of XLA's own vector code, in the first cache."""

    @jax.jit
    def chain(x: jax.Array, c: jax.Array, d: jax.Array) -> jax.Array:
        def turn(_: Any, x: jax.Array) -> jax.Array:
            for _ in range(CHAIN):
                x = x * c + d
            return x

        return lax.fori_loop(0, TURNS, turn, x)

    call = partial(chain, jnp.ones(VECTOR, jnp.float32), jnp.float32(0.999), jnp.float32(1e-3))
    jax.block_until_ready(call())
    return partial(rate, task, call, "instructions_a_second", 2.0 * CHAIN * VECTOR * TURNS)


def rate(task: Task, call: Call, name: str, work: float, seconds: float) -> Point:
    """So much work over the fastest time of a call."""
    timing = run_for(call, seconds)
    more = {name: work / (1e-3 * timing.min_ms)}
    return Point(task, timing.median_ms, timing.min_ms, timing.spread, more)


def start_up(task: Task) -> Measurement:
    """What a call and a step cost where there is nearly nothing to compute: a grid of 4²."""
    program, (state, key, _), _ = run_program(TINY)
    few, many = STEPS, 64 * STEPS

    def measured(seconds: float) -> Point:
        calls = [partial(program, state, key, jnp.int32(steps)) for steps in (few, many)]
        short, long = (run_for(call, seconds) for call in calls)
        step_ms = (long.min_ms - short.min_ms) / (many - few)
        more = {"step_ms": step_ms, "call_ms": max(short.min_ms - few * step_ms, 0.0)}
        return Point(task, short.median_ms, short.min_ms, short.spread, more)

    return measured


ROOFS = {"bandwidth": bandwidth, "arithmetic": arithmetic, "start-up": start_up}
"""The measurements of the machine, and of a step that has nothing to do."""
