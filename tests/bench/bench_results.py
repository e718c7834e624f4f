"""Results made up for the tests of judging."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.harness.machine import machine
from benchmarks.harness.results import Measurement, Results

TIME = "documented.simulation.demo.time"
MEMORY = "documented.core.peak_memory"


def timed(
    factor: float = 1.0, *, seed: int = 0, key: str = TIME, processes: int = 5
) -> Measurement:
    """A row whose ratios scatter by 3 % about 2 × ``factor``."""
    noise = 0.03 * np.random.default_rng(seed).standard_normal(processes)
    ratios = tuple(2 * factor * math.exp(x) for x in noise)
    return Measurement(
        key, "a run", 0.001 * factor, "s", (0.001 * factor,) * processes, ratios, 0.5
    )


def results(*rows: Measurement, date: str = "2026-01-01", **differing: str) -> Results:
    """Results of this machine, or of one that differs."""
    return Results(rows, {**machine(), **differing}, date)
