"""A run in a process of its own, and how far its memory grew.

``python stress_child.py GRID STEPS HISTORY``: imports, a warm-up run (which compiles), then the run
itself. Prints JSON: resident memory after the warm-up, the peak since then, facts of the run.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from mfnjax import (
    SimulationConfig,
    compute_fractal_features,
    run_mycelium_simulation,
    run_mycelium_simulation_with_history,
)
from benchmarks.harness.memory import peak_resident, reset_peak, resident


def main() -> None:
    size, steps, with_history = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "history"
    run = run_mycelium_simulation_with_history if with_history else run_mycelium_simulation
    compute_fractal_features(run(SimulationConfig(grid_size=size, steps=steps, seed=0)))
    exact = reset_peak()
    before, peak_before = resident(), peak_resident()
    result = run(SimulationConfig(grid_size=size, steps=steps, seed=42))
    features = compute_fractal_features(result)
    after = peak_resident()
    json.dump(
        {
            "before": before,
            "peak": after,
            # Where the peak cannot be set back, what the warm-up reached hides a part of it.
            "growth": after - (before if exact else peak_before),
            "shape": result.field.shape,
            "finite": bool(np.isfinite(result.field).all()),
            "low": float(result.field.min()),
            "high": float(result.field.max()),
            "mean_mv": float(features.V_mean),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
