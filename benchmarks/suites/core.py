"""Speed of the v4.1 step and of the features, as ratios in one run.

    python -m benchmarks.core

Both sides do the full step of the model, growth events and counts included: `simulate` compiled
with ``jax.jit`` in float32, called with its parameters on the device (as one does who calls it
often), against the plain float64 NumPy model; 'simulate()' is the plain call with a plain model.
JAX is set up by `mfnjax.configure_cpu`, so that no kernel is split over threads; the rows 'as JAX
comes' are measured without, in a process of their own. Compile time is apart (column 'first'),
results are waited for, and the rivals run in turn, some runs a turn, so that a drift hits both.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.harness.baselines import baseline
from benchmarks.harness.child import Child, available_cores
from benchmarks.harness.numpy_mycelium import run_numpy_mycelium
from benchmarks.harness.tables import Row, Table, judged, ratio, suite, timed
from benchmarks.harness.timing import Call, interleaved, measure
from mfnjax import (
    FeatureConfig,
    Grid,
    MyceliumModel,
    configure_cpu,
    make_feature_config_demo,
    make_simulation_config_demo,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
    simulate,
)
from mfnjax.features import feature_vector

CASES = (
    ("demo 32² × 32", 32, 32, "demo", 15, 20),
    ("64² × 100", 64, 100, "medium", 9, 20),
    ("256² × 100", 256, 100, "large", 3, 5),
)
"""Name, size, steps, target (`targets.core.*_speedup`), turns of a timing, runs a turn (the first
after a rival's are cold, which matters to a run of less than a millisecond)."""


def rivals(size: int, steps: int) -> dict[str, Call]:
    """The same run in NumPy, compiled, and through the public call."""
    grid, model = Grid((size, size)), MyceliumModel()
    state = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    start = [np.asarray(value) for value in state.values]
    key = jax.random.key(1)
    compiled = jax.jit(partial(simulate, grid=grid, steps=steps))
    on_device = jax.device_put(jax.tree.map(np.float32, model))
    return {
        "NumPy": lambda: run_numpy_mycelium(*start, steps),
        "compiled": lambda: compiled(on_device, state, key=key),
        "simulate()": lambda: simulate(model, state, grid=grid, steps=steps, key=key).state,
    }


def speed_rows(where: str, held: tuple[str, ...]) -> list[Row]:
    """Time all cases; those in ``held`` are held to their targets."""
    rows = []
    for name, size, steps, target, repeats, burst in CASES:
        times = interleaved(rivals(size, steps), repeats=repeats, burst=burst)
        for rival, timing in times.items():
            row = {"case": name + where, "what": rival, **timed(timing)}
            row["NumPy / it: median (min)"] = ratio(times["NumPy"], timing)
            if rival == "compiled" and target in held:
                speedup = times["NumPy"].median_ms / timing.median_ms
                row |= judged(speedup, baseline(f"targets.core.{target}_speedup"))
            rows.append(row)
    return rows


def pinned_rows() -> list[Row]:
    """In a process that is pinned to one core; the large case is held to its target so."""
    configure_cpu()
    return speed_rows(", one core", ("large",))


def plain_rows() -> list[Row]:
    """As JAX comes, in a process where nothing is set; no target is set for them."""
    return [row for row in speed_rows(", as JAX comes", ()) if row["what"] != "NumPy"]


def feature_rows() -> Iterator[Row]:
    """Time the features of the demo history and of a busy 100-frame history."""
    demo = run_mycelium_simulation_with_history(make_simulation_config_demo())
    rng = np.random.default_rng(0)
    busy = (-0.06 + 0.02 * rng.standard_normal((100, 64, 64))).astype(np.float32)
    for name, history, config, target in (
        ("features, demo history", demo.history, make_feature_config_demo(), "features_demo"),
        ("features, 100 × 64², busy", busy, FeatureConfig(), "features_busy"),
    ):
        frames = jax.numpy.asarray(history)
        timing = measure(partial(feature_vector, frames, config=config), repeats=41)
        limit = baseline(f"targets.core.{target}")
        yield {"case": name, "what": "compiled", **timed(timing), **judged(timing.median_ms, limit)}


def tables(_: Any) -> Iterator[Table]:
    """One table."""
    configure_cpu()
    run_mycelium_simulation(make_simulation_config_demo())
    rows = speed_rows("", ("demo", "medium"))
    with Child(available_cores()[:1]) as pinned:
        rows += pinned.call(pinned_rows)
    with Child() as plain:
        rows += plain.call(plain_rows)
    yield Table("Core speed", [*rows, *feature_rows()])


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit status is 1 if a target is missed."""
    return suite("core", __doc__, tables, argv=argv)
