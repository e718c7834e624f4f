"""How long 40 000 Nernst potentials take in one call: ``python -m benchmarks.membrane``.

The call is the public one, checks included; compilation is in the first call, the figure is the
median of the others. Exits 1 over the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

from benchmarks.harness.baselines import baseline
from benchmarks.harness.tables import Table, judged, suite, timed
from benchmarks.harness.timing import measure
from mfnjax.membrane import nernst_potential

VALUES = 40_000


def tables(_: Any) -> Iterator[Table]:
    """One row."""
    out = jnp.linspace(1e-3, 0.5, VALUES)
    timing = measure(lambda: nernst_potential(out, out[::-1], 1, 310.15), repeats=21)
    held = judged(timing.median_ms, baseline("targets.membrane.nernst"))
    row = {"call": f"nernst_potential, {VALUES} values, {out.dtype}", **timed(timing), **held}
    yield Table("Membrane", [row])


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 over the target."""
    return suite("membrane", __doc__, tables, argv=argv)
