"""Runs whose frames are written as they come."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import jax
import numpy as np

from mfnjax.core.state import State
from mfnjax.errors import DataError
from mfnjax.simulation.chunks import Progress
from mfnjax.simulation.exchange import GrowingStore
from mfnjax.simulation.trajectory import Trajectory

STREAM_BYTES = 64 * 2**20
"""Frames in memory, in float64; a store's frames are finished by so many."""


def run_growing(
    simulation: Any,
    store: GrowingStore,
    start: Any,
    key: Any,
    *,
    seed: int,
    shown_seed: int | None,
    progress: Progress | None,
) -> Trajectory:
    """Run the rest of what a store holds; ``start`` is where the whole run begins."""
    every, steps = simulation.save_every, simulation.steps
    frame = 8 * simulation.grid.num_cells * len(simulation.model.fields)
    block = max(1, STREAM_BYTES // frame) * every
    done, state = store.frames * every, start
    counts = dict.fromkeys(simulation.model.counters, 0)
    if store.meta is not None:
        counts = store.meta["counts"]
        state = State(simulation.model.fields, store.last_state(), np.int32(done))
        one, two = (str(jax.tree.leaves(found)[0].dtype) for found in (state, start))
        if one != two:
            raise DataError(f"{store.path}: made with another precision: it was {one}, is {two}")
    while True:
        count = min(block, (steps - done) // every * every) or steps - done
        part = simulation.replace(steps=count, save_every=every if count >= every else None)
        run = part.run(state, key=key, progress=_shifted(progress, done, steps))
        run.status.raise_if_bad()
        state, done = run.state, done + count
        counts = {name: counts[name] + run.counts[name] for name in counts}
        run = dataclasses.replace(run, counts=counts, simulation=simulation, seed=shown_seed)
        store.add(run.to_xarray(), seed)
        if done >= steps:
            alone = simulation.replace(save_every=None)
            return dataclasses.replace(run, history=None, simulation=alone)


def check_same(simulation: Any, store: GrowingStore, seed: int | None) -> int:
    """The seed of the run in a store, if that is this one (of any seed for None) and not finished.

    Raises:
        DataError: It is not.
    """
    if store.meta is None:
        raise DataError(f"{store.path}: no run to resume")
    if store.is_finished:
        raise DataError(f"{store.path}: the run is finished")
    own, other = simulation.to_dict(), dict(store.meta["simulation"])
    if seed is not None:
        own["seed"], other["seed"] = seed, store.seed
    own["parameters"] = {
        n: v for n, v in own["parameters"].items() if not isinstance(v, np.ndarray)
    }
    own.pop("mask", None)
    own = json.loads(json.dumps(own))
    for name in (*own, *other):
        if own.get(name) != other.get(name):
            raise DataError(
                f"{store.path}: made with another configuration: {name} was {other.get(name)}, is "
                f"{own.get(name)}"
            )
    return store.seed


def _shifted(progress: Progress | None, done: int, steps: int) -> Progress | None:
    return None if progress is None else lambda now, _: progress(done + now, steps)
