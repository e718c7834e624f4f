"""Judging a time on a machine that is not quiet.

A time alone says little on a shared machine: with two busy neighbours the mean of unchanged code
is over its baseline by 20 % two times in three. What stays put is the *fastest* run divided by the
fastest run of a fixed kernel that takes its turn in the same process: a slower clock or a busy
neighbour hits both. So the mean is reported, and the gate looks at that ratio.

The kernel is plain NumPy, one thread, a stencil on a 64² field: nothing that this project or XLA
could make faster or slower.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mfnjax.bench.timing import Timing, interleaved

SIZE = 64
STEPS = 24


def calibration_kernel() -> Callable[[], None]:
    """A fixed piece of work of about half a millisecond: a diffusing field in NumPy."""
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


@final
@dataclass(frozen=True)
class Gauged:
    """A function's times and those of the calibration kernel that ran in turn with it."""

    timing: Timing
    calibration: Timing

    @property
    def ratio(self) -> float:
        """Fastest run in units of the kernel's fastest run."""
        return self.timing.min_ms / self.calibration.min_ms


def gauge(function: Callable[[], Any], *, repeats: int = 15, burst: int = 3) -> Gauged:
    """Time a function in turn with the calibration kernel; the first call is apart.

    Args:
        function: Called without arguments; its result is waited for.
        repeats: Turns, at least 3.
        burst: Runs in a turn, all counted: see `mfnjax.bench.timing.interleaved`.
    """
    rivals = {"calibration": calibration_kernel(), "it": function}
    times = interleaved(rivals, repeats=repeats, burst=burst)
    return Gauged(times["it"], times["calibration"])
