"""Measuring time and memory fairly, and judging the result: used by ``benchmarks/`` and tests.

A name is imported when it is first used: `mfnjax.bench.baselines` must load without JAX, for load
generators and other light programs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnjax.bench.baselines import Baseline, baseline
    from mfnjax.bench.timing import Timing, interleaved, measure, pin_to_one_core

_MODULE_OF = {
    "Baseline": "mfnjax.bench.baselines",
    "baseline": "mfnjax.bench.baselines",
    "Timing": "mfnjax.bench.timing",
    "interleaved": "mfnjax.bench.timing",
    "measure": "mfnjax.bench.timing",
    "pin_to_one_core": "mfnjax.bench.timing",
}

__all__ = ["Baseline", "Timing", "baseline", "interleaved", "measure", "pin_to_one_core"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'mfnjax.bench' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
