"""How long the fractal measurements take: ``python -m benchmarks.fractals``.

Medians of several runs of each compiled call; the first call (trace, compile and run) has a column
of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.baselines import baseline
from benchmarks.harness.tables import Table, judged, suite, timed
from benchmarks.harness.timing import Call, measure
from mfnjax.fractal import (
    chaos_game,
    correlation_dimension,
    divergence_rate,
    fractal_dimension,
    named_system,
    percolation_cluster,
)


def cases() -> list[tuple[str, str | None, Call]]:
    """Name, its target (`targets.fractals.*`), and the call."""
    rng = np.random.default_rng(0)
    history = jnp.asarray(rng.normal(size=(500, 64, 64)), jnp.float32)
    cluster = percolation_cluster(2048)
    koch, key = named_system("koch_curve"), jax.random.key(0)
    cloud = rng.random((5000, 2))
    dimension = lambda: fractal_dimension(cluster).dimension  # noqa: E731
    game = lambda: chaos_game(koch, 50_000, key=key)  # noqa: E731
    return [
        ("fractal_dimension, 2048²", "dimension_2048", dimension),
        ("divergence_rate, 500 × 64²", "divergence", lambda: divergence_rate(history)),
        ("chaos_game, 50 000 points", "chaos_game", game),
        ("correlation_dimension, 5000", None, lambda: correlation_dimension(cloud).dimension),
    ]


def tables(_: Any) -> Iterator[Table]:
    """One table."""
    rows = []
    for name, target, call in cases():
        timing = measure(call)
        limit = None if target is None else baseline(f"targets.fractals.{target}")
        rows.append({"call": name, **timed(timing), **judged(timing.median_ms, limit)})
    yield Table("Fractal measurements", rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 if a target is missed."""
    return suite("fractals", __doc__, tables, argv=argv)
