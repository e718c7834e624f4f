"""What bounds a step: starting kernels, instructions, or moving bytes; against what was achieved.

The roofline model (Williams, Waterman and Patterson 2009, doi:10.1145/1498765.1498785), with one
term more, which small grids need: a step that is made of k kernels takes some time to start them.

    t ≥ t_start + max(bytes / bandwidth, instructions / rate)

All of the right side is measured on the same machine in the same run: the bandwidth at the size of
the step's working set, so that a step that lives in a cache is held to that cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from benchmarks.scaling.points import STEPS

if TYPE_CHECKING:
    from benchmarks.scaling.measuring import Curves

FIELDS, ITEM = 3, 4
COMPULSORY = 2 * FIELDS * ITEM
"""Bytes a cell and step that no way of computing it can do without, where the fields do not stay
in registers: V, a and i are read once and written once, in float32."""

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


@final
@dataclass(frozen=True)
class Bound:
    """One size; times of one step in µs.

    Attributes:
        cells: H·W.
        cores: Cores.
        working_set: The program's temporaries, by XLA's account, in bytes: its loop lives there.
        level: Where the working set fits: 'L1', …, or 'memory'.
        bandwidth: Measured at that working set, bytes/s.
        moved: Bytes a cell and step, as compiled.
        achieved: What a step takes: the fastest run over its steps.
        start: Starting the kernels, and the call's share.
        least: `COMPULSORY` bytes at that bandwidth.
        traffic: The bytes as compiled at that bandwidth.
        instructions: Those as compiled at the measured rate.
    """

    cells: int
    cores: int
    working_set: float
    level: str
    bandwidth: float
    moved: float
    achieved: float
    start: float
    least: float
    traffic: float
    instructions: float

    @property
    def estimate(self) -> float:
        """The model's time."""
        return self.start + max(self.traffic, self.instructions)

    @property
    def shares(self) -> dict[str, float]:
        """What the achieved time is made of, as shares of it; they add up to 1 or more."""
        counted = {
            "starting kernels": self.start,
            "instructions": self.instructions if self.instructions > self.traffic else 0.0,
            f"moving bytes ({self.level})": self.traffic
            if self.traffic >= self.instructions
            else 0.0,
            "none of the three": max(self.achieved - self.estimate, 0.0),
        }
        return {name: time / self.achieved for name, time in counted.items() if time}

    @property
    def verdict(self) -> str:
        """The largest share, in words."""
        name, share = max(self.shares.items(), key=lambda item: item[1])
        return f"{name}, {min(share, 1.0):.0%}"


def bandwidth_at(working_set: float, sizes: Sequence[float], bandwidths: Sequence[float]) -> float:
    """The bandwidth at a working set, between the measured ones on logarithmic axes.

    Examples:
        >>> bandwidth_at(200, [100, 400], [8.0, 2.0])
        4.0
    """
    log = np.interp(np.log(working_set), np.log(sizes), np.log(bandwidths))
    return round(float(np.exp(log)), 9)


def level_of(working_set: float, caches: dict[str, int]) -> str:
    """The first cache that holds it; 'memory' if none does, 'cache?' if none is known.

    Examples:
        >>> caches = {"L1": 32768, "L2": 1048576}
        >>> level_of(24576, caches), level_of(2**20 + 1, caches)
        ('L1', 'memory')
    """
    if not caches:
        return "unknown"
    fitting = (name for name, size in caches.items() if size >= working_set)
    return next(fitting, "memory")


def cache_sizes() -> dict[str, int]:
    """Level → bytes of one data cache; empty where the system does not say."""
    found: dict[str, int] = {}
    try:
        for folder in sorted(_CACHES.glob("index*")):
            if (folder / "type").read_text(encoding="ascii").strip() != "Instruction":
                size = (folder / "size").read_text(encoding="ascii").strip()
                level = (folder / "level").read_text(encoding="ascii").strip()
                found[f"L{level}"] = int(size[:-1]) * _UNITS[size[-1]]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def bounds(curves: Curves, cores: int) -> list[Bound]:
    """The bound of every size of the forward run that was measured on so many cores."""
    roof = curves.curve("bandwidth", "bytes", cores)
    rate = curves.curve("arithmetic", "once", cores)
    tiny = curves.curve("start-up", "once", cores)
    accounts = {p.task.x: p.more for p in curves.curve("account", "cells", min(curves.cores))}
    if not (roof and rate and tiny):
        return []
    sizes = [point.task.x for point in roof]
    bandwidths = [point.more["bytes_a_second"] for point in roof]
    start = 1e3 * (tiny[0].more["step_ms"] + tiny[0].more["call_ms"] / STEPS)
    found = []
    for point in curves.curve("forward", "cells", cores):
        cells = point.task.x
        if cells in accounts:
            moved, done = (accounts[cells][f"{name}_a_step"] for name in ("bytes", "instructions"))
            held = point.more["temporaries"]
            at = bandwidth_at(held, sizes, bandwidths)
            found.append(
                Bound(
                    cells,
                    cores,
                    held,
                    level_of(held, curves.caches),
                    at,
                    moved / cells,
                    1e3 * point.min_ms / STEPS,
                    start,
                    1e6 * COMPULSORY * cells / at,
                    1e6 * moved / at,
                    1e6 * done / rate[0].more["instructions_a_second"],
                )
            )
    return found
