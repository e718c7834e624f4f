"""Many descents as one compiled program, in chunks that the host looks at in between.

A lane is a start of a fit, a point of a profile, or a repeat of a bootstrap. The length of a chunk
is traced and follows the clock; it changes no result, since an iteration is the same program in a
chunk of any length.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.core.pytree import register_pytree
from mfnjax.fitting.checkpoint import load_state, save_state
from mfnjax.fitting.engines import RUNNING, STALLED, Engine, Lane, advance
from mfnjax.fitting.layout import Layout, Models, Objectives

CAPACITY = 64
"""Iterations in one compiled call, at most."""
CHUNK_SECONDS = 0.4
"""What a call is meant to take: between two, Ctrl-C is heeded."""
SAVE_SECONDS = 0.3
"""A checkpoint is written no more often, and writing takes a twentieth of the time at most."""


@final
@register_pytree
@dataclass(frozen=True)
class Problem:
    """What the lanes have in common, or (with a leading axis) have one each.

    Attributes:
        models: Data set → model.
        objectives: Data set → objective.
        pinned: Value of the pinned parameter's y, or None.
    """

    models: Models
    objectives: Objectives
    pinned: Any = None


@final
@dataclass(frozen=True)
class Store:
    """Where the state of a fit is kept, and of which problem it is."""

    path: Path
    problem: str
    resume: bool


def full_vector(layout: Layout, free: jax.Array, pinned: Any) -> jax.Array:
    """y with the pinned parameter in its place."""
    if layout.pinned is None:
        return free
    parts = [free[: layout.pinned], pinned[None], free[layout.pinned :]]
    return jnp.concatenate(parts)


def residuals_of(layout: Layout, free: jax.Array, problem: Problem) -> jax.Array:
    """The residuals of all data sets, one after the other."""
    whole = full_vector(layout, free, problem.pinned)
    models, unknowns = layout.unpack(whole, problem.models)
    parts = [o.residuals(models[k], unknowns[k]) for k, o in problem.objectives.items()]
    return jnp.concatenate(parts).astype(layout.dtype)


def loss_of(layout: Layout, free: jax.Array, problem: Problem) -> jax.Array:
    """The sum of the losses of all data sets."""
    whole = full_vector(layout, free, problem.pinned)
    models, unknowns = layout.unpack(whole, problem.models)
    losses = [o.loss(models[k], unknowns[k]) for k, o in problem.objectives.items()]
    return sum(losses[1:], losses[0]).astype(layout.dtype)


def _axes(problem: Problem, *, batched: bool) -> Problem:
    objectives: Any = 0 if batched else None
    pinned: Any = None if problem.pinned is None else 0
    return Problem(None, objectives, pinned)  # type: ignore[arg-type]


def _function(layout: Layout, engine: Engine) -> Callable[[jax.Array, Any], jax.Array]:
    return partial(residuals_of if engine.squares else loss_of, layout)


@partial(jax.jit, static_argnames=("layout", "engine", "batched"))
def _first(
    starts: jax.Array, problem: Problem, *, layout: Layout, engine: Engine, batched: bool
) -> Lane:
    function = _function(layout, engine)
    axes = (0, _axes(problem, batched=batched))
    return jax.vmap(lambda y, p: engine.init(function, y, p), axes)(starts, problem)


@partial(jax.jit, static_argnames=("layout", "engine", "batched"))
def _chunk(
    lanes: Lane,
    problem: Problem,
    counts: jax.Array,
    *,
    layout: Layout,
    engine: Engine,
    batched: bool,
) -> tuple[Lane, jax.Array]:
    function = _function(layout, engine)
    axes = (0, _axes(problem, batched=batched), 0)
    return jax.vmap(lambda l, p, n: advance(engine, function, l, p, n, CAPACITY), axes)(
        lanes, problem, counts
    )


@partial(jax.jit, static_argnames="layout")
def _losses(free: jax.Array, problem: Problem, *, layout: Layout) -> jax.Array:
    axes = (0, _axes(problem, batched=False))
    return jax.vmap(partial(loss_of, layout), axes)(free, problem)


def losses_at(layout: Layout, free: np.ndarray, problem: Problem) -> np.ndarray:
    """The losses (lanes,) at given points (lanes, p)."""
    return np.asarray(_losses(jnp.asarray(free), problem, layout=layout), float)


def descend(
    starts: np.ndarray,
    problem: Problem,
    *,
    layout: Layout,
    engine: Engine,
    max_steps: int,
    batched: bool = False,
    progress: Callable[[int, int], None] | None = None,
    store: Store | None = None,
) -> tuple[Lane, np.ndarray]:
    """Run all lanes to their end, or for ``max_steps`` iterations.

    Args:
        starts: y of every lane, (lanes, p).
        problem: What they descend on.
        layout: The meaning of y.
        engine: How they descend.
        max_steps: Iterations of a lane, at most.
        batched: Whether every lane has its own objectives (a leading axis on their leaves).
        progress: Called with (iterations done, iterations at most).
        store: Where to keep the state, or None.

    Returns:
        The lanes, and the losses (lanes, iterations), NaN after a lane's end.
    """
    settings: dict[str, Any] = {"layout": layout, "engine": engine, "batched": batched}
    lanes = _first(jnp.asarray(starts), problem, **settings)
    history = np.full((len(starts), 0), np.nan, layout.dtype)
    if store is not None and store.resume:
        lanes, history = load_state(store.path, store.problem, lanes)
    length, saved, pause = 1, time.monotonic(), SAVE_SECONDS
    try:
        while True:
            todo = np.where(np.asarray(lanes.code) == RUNNING, max_steps - _done(lanes), 0)
            count = int(min(length, todo.max(initial=0)))
            if count <= 0:
                break
            began = time.monotonic()
            new, losses = _chunk(lanes, problem, np.minimum(todo, count).astype("i4"), **settings)
            lanes, history = _grown(new, history, np.asarray(losses)[:, :count])
            length = _next_length(length, time.monotonic() - began)
            if store is not None and time.monotonic() - saved > pause:
                began = time.monotonic()
                save_state(store.path, store.problem, lanes, history)
                saved = time.monotonic()
                pause = max(SAVE_SECONDS, 20 * (saved - began))
            if progress is not None:
                progress(int(_done(lanes).max()), max_steps)
    finally:
        # Ctrl-C included: what is finished is kept.
        if store is not None:
            save_state(store.path, store.problem, lanes, history)
    over = jnp.where(lanes.code == RUNNING, jnp.int32(STALLED), lanes.code)
    return Lane(lanes.best, lanes.loss, lanes.gradient, over, lanes.iterations, ()), history


def _done(lanes: Lane) -> np.ndarray:
    return np.asarray(lanes.iterations)


def _grown(lanes: Lane, history: np.ndarray, losses: np.ndarray) -> tuple[Lane, np.ndarray]:
    """Both at once, so that an interrupt cannot come between them."""
    return lanes, np.concatenate([history, losses], axis=1)


def _next_length(length: int, seconds: float) -> int:
    if seconds > CHUNK_SECONDS:
        return max(length // 2, 1)
    return min(2 * length, CAPACITY) if seconds < CHUNK_SECONDS / 2 else length
