"""The eight core benchmarks of the documented baselines (§ 8), by ``mfn bench run``.

python benchmarks/benchmark_core.py [--processes N] [-o FILE]
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    from benchmarks.harness.command import script

    script("core", sys.argv[1:])
