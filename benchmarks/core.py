"""Speed of the v4.1 step and of the features, as ratios in one run.

    python -m benchmarks.core

Both sides do the full step of the model, growth events and counts included: `simulate` compiled
with ``jax.jit`` in float32, called with its parameters on the device (as one does who calls it
often), against the plain float64 NumPy model; 'simulate()' is the plain call with a plain model.
JAX is set up by `mfnjax.configure_cpu`, so that no kernel is split over threads; the rows 'as JAX
comes' are measured without, in a process of their own. Compile time is apart (column 'first'),
results are waited for, and the rivals run in turn, some runs a turn, so that a drift hits both. The
targets stand in ``benchmarks/baselines.toml``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

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
from mfnjax.bench import Timing, interleaved, measure, pin_to_one_core
from mfnjax.bench.baselines import baseline
from mfnjax.bench.numpy_mycelium import run_numpy_mycelium
from mfnjax.features import feature_vector

ENVIRONMENT = dict(os.environ)
"""As this process was given it: `configure_cpu` adds to it."""

CASES = (
    ("demo 32² × 32", 32, 32, "demo", 15, 20),
    ("64² × 100", 64, 100, "medium", 9, 20),
)
LARGE = ("256² × 100", 256, 100, "large", 3, 5)
"""Name, size, steps, target (`targets.core.*_speedup`), turns of a timing, runs a turn (the first
after a rival's are cold, which matters to a run of less than a millisecond)."""


def rivals(size: int, steps: int) -> dict[str, Callable[[], Any]]:
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


def speed_rows(
    name: str, size: int, steps: int, target: str, repeats: int, burst: int
) -> list[list[str]]:
    """Time one case; return the table's rows (the last cell says whether the target is met)."""
    limit = baseline(f"targets.core.{target}_speedup")
    times = interleaved(rivals(size, steps), repeats=repeats, burst=burst)
    rows = []
    for rival, timing in times.items():
        ratio = times["NumPy"].median_ms / timing.median_ms
        best = times["NumPy"].min_ms / timing.min_ms
        verdict = "" if rival != "compiled" else verdict_of(limit.meets(ratio))
        goal = str(limit) if rival == "compiled" else ""
        rows.append([name, rival, *cells(timing), f"{ratio:.1f} × ({best:.1f} ×)", goal, verdict])
    return rows


def child_rows(option: str) -> list[list[str]]:
    """Rows that need a process of their own, set up before JAX starts."""
    child = [sys.executable, "-m", "benchmarks.core", option]
    told = subprocess.run(child, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout
    return json.loads(told)


def pinned_child() -> list[list[str]]:
    """All cases pinned to one core; the large one is held to its target so."""
    where = "one core" if pin_to_one_core() else "could not be pinned"
    configure_cpu()
    rows = [row for name, *rest in CASES for row in speed_rows(f"{name}, {where}", *rest)]
    name, *rest = LARGE
    return [[*row[:-2], "", ""] for row in rows] + speed_rows(f"{name}, {where}", *rest)


def plain_child() -> list[list[str]]:
    """The cases as JAX comes; no target is set for them."""
    rows = [
        row for name, *rest in (*CASES, LARGE) for row in speed_rows(f"{name}, as JAX comes", *rest)
    ]
    return [[*row[:-2], "", ""] for row in rows if "NumPy" not in row]


CHILDREN = {"--pinned-child": pinned_child, "--plain-child": plain_child}


def feature_rows() -> list[list[str]]:
    """Time the features of the demo history and of a busy 100-frame history."""
    demo = run_mycelium_simulation_with_history(make_simulation_config_demo())
    rng = np.random.default_rng(0)
    busy = (-0.06 + 0.02 * rng.standard_normal((100, 64, 64))).astype(np.float32)
    rows = []
    for name, history, config, target in (
        ("features, demo history", demo.history, make_feature_config_demo(), "features_demo"),
        ("features, 100 × 64², busy", busy, FeatureConfig(), "features_busy"),
    ):
        limit = baseline(f"targets.core.{target}")
        frames = jax.numpy.asarray(history)
        timing = measure(partial(feature_vector, frames, config=config), repeats=41)
        verdict = verdict_of(limit.meets(timing.median_ms))
        rows.append([name, "compiled", *cells(timing), "", str(limit), verdict])
    return rows


def cells(timing: Timing) -> list[str]:
    """First call, median, minimum and spread of a timing."""
    return [
        f"{timing.first_ms:.0f}",
        f"{timing.median_ms:.3f}",
        f"{timing.min_ms:.3f}",
        f"{timing.spread:.0%}",
    ]


def verdict_of(met: bool) -> str:
    """'pass' or 'MISS'."""
    return "pass" if met else "MISS"


def main() -> int:
    """Print the table; the exit status is 1 if a target is missed."""
    for option, child in CHILDREN.items():
        if option in sys.argv:
            json.dump(child(), sys.stdout)
            return 0
    configure_cpu()
    run_mycelium_simulation(make_simulation_config_demo())
    rows = [row for case in CASES for row in speed_rows(*case)]
    name, *rest = LARGE
    rows += [[*row[:-2], "", ""] for row in speed_rows(name, *rest)]
    for option in CHILDREN:
        rows += child_rows(option)
    rows += feature_rows()
    table = Table(title="Core speed (times in ms)")
    for column in (
        "case",
        "what",
        "first",
        "median",
        "min",
        "spread",
        "NumPy / it: median (min)",
        "target",
        "",
    ):
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)
    return int(any("MISS" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
