"""Timing of compiled functions: compile apart, results waited for, rivals interleaved."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import jax


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


def _once(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return 1e3 * (time.perf_counter() - start)


def interleaved(
    functions: Mapping[str, Callable[[], Any]], *, repeats: int = 9, burst: int = 1
) -> dict[str, Timing]:
    """Time several functions in turn (A B C A B C …), so that a drift hits all alike.

    A call of less than a millisecond right after a rival's is a cold one: it finds the rival's
    data in the caches. With ``burst`` each function runs that often in its turn, every run counted.

    Args:
        functions: Name → function of no arguments; its result is waited for.
        repeats: Turns of each, after a first call that is reported apart.
        burst: Counted runs in a turn.

    Examples:
        >>> from mfnjax.bench import interleaved
        >>> times = interleaved({"a": lambda: 1, "b": lambda: 2}, repeats=3)
        >>> sorted(times), len(times["a"].runs_ms)
        (['a', 'b'], 3)
    """
    first = {name: _once(function) for name, function in functions.items()}
    runs: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            runs[name] += [_once(function) for _ in range(burst)]
    return {name: Timing(first[name], tuple(runs[name])) for name in functions}


def measure(function: Callable[[], Any], *, repeats: int = 9) -> Timing:
    """Time one function: the first call apart, then ``repeats`` runs."""
    return interleaved({"it": function}, repeats=repeats)["it"]


def pin_to_one_core() -> bool:
    """Pin this process to its first core; say whether that worked.

    To be called before JAX is used: XLA sizes its thread pool by the cores it may run on, and
    with one core it does not split small loops over threads. JAX's cache on disk is switched off
    for this process: its key does not tell a program that was compiled for more cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        return False
    jax.config.update("jax_enable_compilation_cache", False)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return True
