"""Measuring time fairly: used by the scripts in ``benchmarks/``."""

from mfnjax.bench.timing import Timing, interleaved, measure, pinned

__all__ = ["Timing", "interleaved", "measure", "pinned"]
