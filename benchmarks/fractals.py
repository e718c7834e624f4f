"""How long the fractal measurements take: ``python -m benchmarks.fractals``.

Prints the median of several runs of each compiled call, with the first call (trace, compile
and run) in a column of its own. The targets are the documented ones.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfnjax.bench.baselines import baselines_under
from mfnjax.fractal import (
    chaos_game,
    correlation_dimension,
    divergence_rate,
    fractal_dimension,
    named_system,
    percolation_cluster,
)

REPEATS = 9
TARGETS = baselines_under("targets.fractals")


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """(first call, median of the following ones), in milliseconds."""
    times = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(1e3 * (time.perf_counter() - start))
    return times[0], statistics.median(times[1:])


def cases() -> list[tuple[str, float | None, Callable[[], Any]]]:
    """Name, target in milliseconds (or None), and the call."""
    rng = np.random.default_rng(0)
    history = jnp.asarray(rng.normal(size=(500, 64, 64)), jnp.float32)
    cluster = percolation_cluster(2048)
    koch, key = named_system("koch_curve"), jax.random.key(0)
    cloud = rng.random((5000, 2))
    return [
        (
            "fractal_dimension, 2048²",
            TARGETS["dimension_2048"].limit,
            lambda: fractal_dimension(cluster).dimension,
        ),
        (
            "divergence_rate, 500 × 64²",
            TARGETS["divergence"].limit,
            lambda: divergence_rate(history),
        ),
        (
            "chaos_game, 50 000 points",
            TARGETS["chaos_game"].limit,
            lambda: chaos_game(koch, 50_000, key=key),
        ),
        ("correlation_dimension, 5000", None, lambda: correlation_dimension(cloud).dimension),
    ]


def main() -> None:
    """Run all cases and print a table."""
    print(f"{'':32}{'median ms':>12}{'target ms':>12}{'first ms':>12}")
    for name, target, call in cases():
        first, median = timed(call)
        goal = "" if target is None else f"{target:.0f}"
        print(f"{name:32}{median:12.2f}{goal:>12}{first:12.0f}")


if __name__ == "__main__":
    main()
