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
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache, partial
from typing import Any

import jax

from benchmarks.harness.baselines import baseline
from benchmarks.harness.child import Child, available_cores, together
from benchmarks.harness.tables import Table, judged, suite
from benchmarks.harness.timing import Call, once
from mfnjax import Grid, MyceliumModel, configure_cpu, simulate, simulate_ensemble

MEMBERS, SIZE, STEPS = 64, 64, 100
TURNS, BURST = 9, 5


def problem() -> tuple[MyceliumModel, Any, Grid, jax.Array]:
    """Model, start, grid and keys of both sides."""
    grid, model = Grid((SIZE, SIZE)), MyceliumModel()
    start = model.initial_state(grid, dtype="float32", key=jax.random.key(0))
    return model, start, grid, jax.random.split(jax.random.key(1), MEMBERS)


def rate(function: Call) -> float:
    """Members per second, over a burst of calls that run them all."""
    return BURST * MEMBERS / (1e-3 * sum(once(function) for _ in range(BURST)))


@cache
def members() -> Call:
    """A rival's call: the compiled run, one member after the other."""
    configure_cpu()
    model, start, grid, keys = problem()
    run = jax.jit(partial(simulate, grid=grid, steps=STEPS))
    each = list(keys)

    def call() -> None:
        for key in each:
            jax.block_until_ready(run(model, start, key=key))

    call()
    return call


def rival() -> float:
    """What a rival measures."""
    return rate(members())


def tables(_: Any) -> Iterator[Table]:
    """One table; none without two cores."""
    cores = available_cores()[:2]
    if len(cores) < 2:
        print("benchmarks.ensemble: needs two cores and a system that can pin processes")
        return
    configure_cpu(devices=len(cores))
    model, start, grid, keys = problem()
    how = {"grid": grid, "steps": STEPS, "threads": len(cores), "key": keys}
    ensemble = partial(simulate_ensemble, model, start, **how)
    ensemble()
    ours, theirs = [], []
    with ExitStack() as stack:
        rivals = [stack.enter_context(Child([core])) for core in cores]
        together(rivals, rival)
        for _ in range(TURNS):
            ours.append(rate(ensemble))
            theirs.append(sum(together(rivals, rival)))
    ratios = [left / right for left, right in zip(ours, theirs, strict=True)]
    ratio, limit = statistics.median(ratios), baseline("targets.speed.ensemble")
    told = f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    rows = [
        {"what": "two pinned processes", "runs/s": statistics.median(theirs)},
        {"what": "simulate_ensemble", "runs/s": statistics.median(ours), "ratio": told}
        | dict(judged(ratio, limit)),
    ]
    yield Table(f"{MEMBERS} runs of {SIZE}² × {STEPS} on two cores", rows)


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit status is 1 if the target is missed."""
    return suite("ensemble", __doc__, tables, argv=argv)
