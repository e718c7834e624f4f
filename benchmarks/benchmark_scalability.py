"""The seven scalability benchmarks of the documented baselines (§ 9.1), by ``mfn bench run``.

python benchmarks/benchmark_scalability.py [--processes N] [-o FILE]
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    from benchmarks.harness.command import script

    script("scalability", sys.argv[1:])
