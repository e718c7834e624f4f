"""The v4.1 model in plain NumPy, float64: the yardstick of the speed ratios.

Written straight from the model's definition, one line an operation, the way one would write it
without thinking of speed. It is also an independent oracle for the tests of `MyceliumModel`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

Array = np.ndarray[Any, Any]


@final
@dataclass
class NumpyRun:
    """Fields and counts after a run."""

    potential: Array
    activator: Array
    inhibitor: Array
    growth_events: int = 0
    turing_activations: int = 0
    clamping_events: int = 0


def numpy_laplacian(field: Array, boundary: str) -> Array:
    """The 5-point stencil with dx = 1."""
    if boundary == "periodic":
        up, down = np.roll(field, 1, 0), np.roll(field, -1, 0)
        left, right = np.roll(field, 1, 1), np.roll(field, -1, 1)
        return up + down + left + right - 4.0 * field
    mode: Any = {"neumann": "edge", "dirichlet": "constant"}[boundary]
    p = np.pad(field, 1, mode=mode)
    return p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4.0 * field


def run_numpy_mycelium(
    potential: Array,
    activator: Array,
    inhibitor: Array,
    steps: int,
    *,
    alpha: float = 0.18,
    d_activator: float = 0.1,
    d_inhibitor: float = 0.05,
    r_activator: float = 0.01,
    r_inhibitor: float = 0.02,
    turing_threshold: float = 0.75,
    spike_probability: float = 0.25,
    turing_enabled: bool = True,
    boundary: str = "periodic",
    rng: np.random.Generator | None = None,
    watch: Callable[[Array], None] | None = None,
) -> NumpyRun:
    """Run the model; the random numbers are NumPy's (with p = 0 there are none).

    ``watch`` is called with the unclipped activator of every step.
    """
    V, a, i = (np.array(field, np.float64) for field in (potential, activator, inhibitor))
    rng = np.random.default_rng(0) if rng is None else rng
    run = NumpyRun(V, a, i)
    for _ in range(steps):
        if rng.random() < spike_probability:
            cell = rng.integers(V.shape[0]), rng.integers(V.shape[1])
            V[cell] += rng.normal(0.020, 0.005)
            run.growth_events += 1
        V = V + alpha * numpy_laplacian(V, boundary)
        if turing_enabled:
            a_new = a + d_activator * numpy_laplacian(a, boundary)
            a_new = a_new + r_activator * (a * (1.0 - a) - i)
            i_new = i + d_inhibitor * numpy_laplacian(i, boundary) + r_inhibitor * (a - i)
            active = a_new > turing_threshold
            if watch is not None:
                watch(a_new)
            V[active] += 0.005
            run.turing_activations += int(active.sum())
            a, i = np.clip(a_new, 0.0, 1.0), np.clip(i_new, 0.0, 1.0)
        clamped = np.clip(V, -0.095, 0.040)
        run.clamping_events += int(np.sum(clamped != V))
        V = clamped
    run.potential, run.activator, run.inhibitor = V, a, i
    return run
