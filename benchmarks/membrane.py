"""How long 40 000 Nernst potentials take in one call: ``python -m benchmarks.membrane``.

The call is the public one, checks included. Compilation is timed apart; the figure is the median
of the repeats, each waited for. Exits 1 over the target.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

from mfnjax.bench.baselines import baseline
from mfnjax.membrane import nernst_potential

VALUES = 40_000
REPEATS = 21
TARGET = baseline("targets.membrane.nernst")


def measure() -> dict[str, Any]:
    """Time the first call and the median of the following ones."""
    out = jnp.linspace(1e-3, 0.5, VALUES)
    inside = out[::-1]

    def call_ms() -> float:
        start = time.perf_counter()
        nernst_potential(out, inside, 1, 310.15).block_until_ready()
        return 1e3 * (time.perf_counter() - start)

    first = call_ms()
    times = [call_ms() for _ in range(REPEATS)]
    return {
        "name": "nernst_potential",
        "values": VALUES,
        "dtype": str(out.dtype),
        "device": jax.devices()[0].platform,
        "compile_ms": round(first - min(times), 3),
        "median_ms": round(statistics.median(times), 4),
        "minimum_ms": round(min(times), 4),
        "target_ms": TARGET.limit,
    }


def main() -> int:
    """Print the measurement as JSON; 0 within the target, 1 over it."""
    result = measure()
    print(json.dumps(result, indent=2))
    return int(not TARGET.meets(result["median_ms"]))


if __name__ == "__main__":
    sys.exit(main())
