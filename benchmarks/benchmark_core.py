"""The eight core benchmarks of the documented baselines (§ 8).

    python benchmarks/benchmark_core.py [--processes N] [-o FILE]

Prints value, target and margin of every row, writes ``out/bench/core.json``, and ends with status 1
if a row misses its target. Cases: `benchmarks.harness.cases`; targets: ``baselines.toml``.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    from benchmarks.harness.run import main

    sys.exit(main("Core benchmarks", "core"))
