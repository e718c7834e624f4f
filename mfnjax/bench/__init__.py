"""Measuring time fairly: used by the scripts in ``benchmarks/``."""

from mfnjax.bench.timing import Timing, interleaved, measure, pin_to_one_core

__all__ = ["Timing", "interleaved", "measure", "pin_to_one_core"]
