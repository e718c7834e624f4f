"""Timing: the first call apart, results waited for, rivals in turn, one of them a fixed kernel.

A time alone says little on a shared machine: with two busy neighbours the mean of unchanged code
is over its baseline by 20 % two times in three. What stays put is the *fastest* run divided by the
fastest run of a fixed kernel that takes its turn in the same process: a slower clock or a busy
neighbour hits both. So the mean is reported, and the gate looks at that ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

Call = Callable[[], Any]
SIZE, STEPS = 64, 24
FEWEST, MOST = 3, 200
"""Runs of a timing that may take so many seconds."""


@final
@dataclass(frozen=True)
class Timing:
    """Times of one function, in milliseconds.

    Attributes:
        first_ms: The first call, compilation included.
        runs_ms: Every later call.
    """

    first_ms: float
    runs_ms: tuple[float, ...]

    @property
    def mean_ms(self) -> float:
        """Mean of the runs."""
        return statistics.fmean(self.runs_ms)

    @property
    def median_ms(self) -> float:
        """Median of the runs."""
        return statistics.median(self.runs_ms)

    @property
    def min_ms(self) -> float:
        """Fastest run."""
        return min(self.runs_ms)

    @property
    def spread(self) -> float:
        """Interquartile range over median."""
        if len(self.runs_ms) < 4:
            return (max(self.runs_ms) - self.min_ms) / self.median_ms
        low, _, high = statistics.quantiles(self.runs_ms, n=4)
        return (high - low) / self.median_ms


def once(function: Call) -> float:
    """Time of one call, its result waited for, in ms."""
    start = time.perf_counter()
    jax.block_until_ready(function())
    return 1e3 * (time.perf_counter() - start)


def interleaved(
    functions: Mapping[str, Call], *, repeats: int = 9, burst: int = 1
) -> dict[str, Timing]:
    """Time several functions in turn (A B C A B C …), so that a drift hits all alike.

    A call of less than a millisecond right after a rival's is a cold one: it finds the rival's
    data in the caches. With ``burst`` each function runs that often in its turn, every run counted.

    Args:
        functions: Name → function of no arguments; its result is waited for.
        repeats: Turns of each, after a first call that is reported apart.
        burst: Counted runs in a turn.

    Examples:
        >>> times = interleaved({"a": lambda: 1, "b": lambda: 2}, repeats=3)
        >>> sorted(times), len(times["a"].runs_ms)
        (['a', 'b'], 3)
    """
    first = {name: once(function) for name, function in functions.items()}
    runs: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            runs[name] += [once(function) for _ in range(burst)]
    return {name: Timing(first[name], tuple(runs[name])) for name in functions}


def measure(function: Call, *, repeats: int = 9) -> Timing:
    """Time one function: the first call apart, then ``repeats`` runs."""
    return interleaved({"it": function}, repeats=repeats)["it"]


def measure_for(function: Call, seconds: float) -> Timing:
    """Time a function that has run before, for about so long: between 3 and 200 runs."""
    repeats = int(1e3 * seconds / max(once(function), 1e-6))
    return measure(function, repeats=min(max(repeats, FEWEST), MOST))


def calibration_kernel() -> Callable[[], None]:
    """A fixed piece of work of about half a millisecond: a diffusing field, 64², on one thread.

    Plain NumPy: nothing that this project or XLA could make faster or slower.
    """
    padded = np.random.default_rng(0).random((SIZE + 2, SIZE + 2)).astype(np.float32)
    inner, change = padded[1:-1, 1:-1], np.empty((SIZE, SIZE), np.float32)

    def run() -> None:
        for _ in range(STEPS):
            np.add(padded[:-2, 1:-1], padded[2:, 1:-1], out=change)
            np.add(change, padded[1:-1, :-2], out=change)
            np.add(change, padded[1:-1, 2:], out=change)
            np.multiply(change, np.float32(0.25), out=change)
            np.subtract(change, inner, out=change)
            np.multiply(change, np.float32(0.5), out=change)
            np.add(inner, change, out=inner)

    return run


def gauge(function: Call, *, repeats: int = 15, burst: int = 3) -> tuple[Timing, float]:
    """Time a function in turn with the calibration kernel.

    Returns:
        Its times, and its fastest run in units of the kernel's fastest run.
    """
    rivals = {"calibration": calibration_kernel(), "it": function}
    times = interleaved(rivals, repeats=repeats, burst=burst)
    return times["it"], times["it"].min_ms / times["calibration"].min_ms
