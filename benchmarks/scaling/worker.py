"""A child process that measures on a given number of cores: tasks come in as lines, points go out.

    python -m benchmarks.scaling.worker CORES SECONDS FIRST

A task is answered twice: with "ready" once its program is compiled, and, after a line "go", with
what was measured. So several processes can compile at the same time and measure one by one.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Pin the process, then answer every line; ends with its input."""
    cores, seconds, first = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        available = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(available[first : first + cores]))
    # After the pinning: XLA sizes its thread pool when it starts. Nor may it take programs from a
    # cache, whose key does not know for how many threads they were compiled.
    import jax

    jax.config.update("jax_enable_compilation_cache", False)
    # For ensembles, whose threads would wait for each other on one device.
    jax.config.update("jax_num_cpu_devices", cores)
    from benchmarks.scaling.points import Task
    from benchmarks.scaling.work import prepare

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what anything else prints is no answer
    for line in sys.stdin:
        measure = prepare(Task(*json.loads(line)))
        print(json.dumps("ready"), file=answers, flush=True)
        if not sys.stdin.readline():
            break
        print(json.dumps(measure(seconds).to_dict()), file=answers, flush=True)


if __name__ == "__main__":
    main()
