"""An ensemble on two cores against two pinned processes that run the same kernel alone.

    python -m benchmarks.ensemble

64 runs of the v4.1 model at 64² × 100, keys of their own. The ensemble is one call of
`simulate_ensemble` in this process, with a device of JAX for each core. Each of the two rivals is a
process pinned to one core that calls the compiled run 64 times, one after the other; both run at
the same time. JAX is set up by `mfnjax.configure_cpu` everywhere. The two sides take turns of some
ensembles each, because the first after the rival's turn finds cold caches; the ratio is of the runs
per second of the ensembles to those of both processes together.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from mfnjax import Grid, MyceliumModel, configure_cpu, simulate, simulate_ensemble
from mfnjax.bench.baselines import baseline

MEMBERS, SIZE, STEPS = 64, 64, 100
TURNS, BURST = 9, 5


def problem() -> tuple[MyceliumModel, Any, Grid, jax.Array]:
    """Model, start, grid and keys of both sides."""
    grid, model = Grid((SIZE, SIZE)), MyceliumModel()
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    return model, start, grid, jax.random.split(jax.random.key(1), MEMBERS)


def rate(function: Callable[[], Any]) -> float:
    """Members per second, over a burst of calls that run them all."""
    start = time.perf_counter()
    for _ in range(BURST):
        jax.block_until_ready(function())
    return BURST * MEMBERS / (time.perf_counter() - start)


def child(core: int) -> int:
    """A rival: answers each line on its standard input with its rate."""
    import os

    os.sched_setaffinity(0, {core})
    configure_cpu()
    model, start, grid, keys = problem()
    run = jax.jit(partial(simulate, grid=grid, steps=STEPS))
    each = list(keys)

    def members() -> None:
        for key in each:
            jax.block_until_ready(run(model, start, key=key))

    members()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(rate(members), flush=True)
    return 0


def main() -> int:
    """Print the table; the exit status is 1 if the target is missed."""
    import os

    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_setaffinity") else []
    if len(cores) < 2:
        print("benchmarks.ensemble: needs two cores and a system that can pin processes")
        return 0
    configure_cpu(devices=len(cores))
    model, start, grid, keys = problem()
    ensemble = partial(
        simulate_ensemble, model, start, grid=grid, steps=STEPS, threads=len(cores), key=keys
    )
    ensemble()
    command = [sys.executable, "-m", "benchmarks.ensemble", "--child"]
    rivals = [
        subprocess.Popen(
            [*command, str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for core in cores
    ]
    answers: list[float] = []
    ours: list[float] = []
    for rival in rivals:
        rival.stdout.readline()  # type: ignore[union-attr]
    for _ in range(TURNS):
        ours.append(rate(ensemble))
        for rival in rivals:
            rival.stdin.write("go\n")  # type: ignore[union-attr]
            rival.stdin.flush()  # type: ignore[union-attr]
        answers.append(sum(float(rival.stdout.readline()) for rival in rivals))  # type: ignore[union-attr]
    for rival in rivals:
        rival.stdin.close()  # type: ignore[union-attr]
        rival.wait()
    ratios = [left / right for left, right in zip(ours, answers, strict=True)]
    ratio, limit = statistics.median(ratios), baseline("targets.speed.ensemble")
    table = Table("what", "runs/s", title=f"{MEMBERS} runs of {SIZE}² × {STEPS} on two cores")
    table.add_row("two pinned processes", f"{statistics.median(answers):,.0f}")
    table.add_row("simulate_ensemble", f"{statistics.median(ours):,.0f}")
    Console(width=100).print(table)
    verdict = "pass" if limit.meets(ratio) else "MISS"
    print(f"ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), target {limit}: {verdict}")
    return int(verdict == "MISS")


if __name__ == "__main__":
    sys.exit(child(int(sys.argv[-1])) if "--child" in sys.argv else main())
