"""The eight core benchmarks of the documented baselines (§ 8).

    python benchmarks/benchmark_core.py [--processes N] [-o FILE]

Run from the root of a checkout. Prints value, target and margin of every row, writes
``out/bench/core.json``, and ends with status 1 if a row misses its target. The cases stand in
`mfnjax.bench.cases`, the targets in ``benchmarks/baselines.toml``.
"""

from __future__ import annotations

import sys

from mfnjax.bench.table import main

if __name__ == "__main__":
    sys.exit(main("Core benchmarks", "core"))
