"""What a domain and a text cost, as ratios in one run: ``python -m benchmarks.domains``.

Each pair takes its turns in one process, in float32 on one core's worth of kernels (see
`mfnjax.configure_cpu`); compile time is apart (column 'first'), results are waited for. The figure
that is held is the ratio of the fastest runs: what a neighbour on the machine disturbs is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness.baselines import baseline
from benchmarks.harness.tables import Row, Table, judged, suite, timed
from benchmarks.harness.timing import Call, Timing, interleaved
from mfnjax import PDE, GrayScottModel, Grid, configure_cpu, simulate

GRAY_SCOTT = """
    u_t = d_u*lap(u) - u*v^2 + feed*(1 - u)
    v_t = d_v*lap(v) + u*v^2 - (feed + kill)*v
"""
NUMBERS = {"d_u": 0.16, "d_v": 0.08, "feed": 0.04, "kill": 0.062}
HEAT, LAYERS = "u_t = D*lap(u)", "u_t = div(D*grad(u))"
PAIRS = (
    ("text, Gray–Scott 256²", "class", "text", "text_speed"),
    ("D of the place, 256²", "D a field", "D a number", "field_cost"),
    ("mask, 256² (a disc)", "in a disc", "in the square", "mask_cost"),
    ("a cell of 64³ against one of 512²", "64³", "512²", "cell_cost"),
)
"""Title, the two that are compared (first over second), target (`targets.domains.*`)."""


def run_of(model: Any, grid: Grid, steps: int) -> Call:
    """Steps of explicit Euler from a random start."""
    rng = np.random.default_rng(0)
    start = tuple(jnp.asarray(rng.random(grid.shape), jnp.float32) for _ in model.fields)
    model = jax.device_put(jax.tree.map(np.float32, model))
    run = jax.jit(partial(simulate, steps=steps, dt=0.1, stepper="euler"))
    return lambda: run(model, start, grid=grid).state.values


def calls() -> dict[str, Call]:
    """Every rival, by name."""
    square, disc = Grid((256, 256), boundary="neumann"), Grid.disc(256)
    layers = np.where(np.arange(256) < 128, 0.5, 1.0) * np.ones((256, 1))
    return {
        "class": run_of(GrayScottModel(**NUMBERS), Grid((256, 256)), 100),
        "text": run_of(PDE(GRAY_SCOTT, **NUMBERS), Grid((256, 256)), 100),
        "D a number": run_of(PDE(HEAT, D=1.0), square, 100),
        "D a field": run_of(PDE(LAYERS, D=layers), square, 100),
        "in the square": run_of(PDE(HEAT, D=1.0), square, 100),
        "in a disc": run_of(PDE(HEAT, D=1.0), disc, 100),
        "512²": run_of(PDE(HEAT, D=1.0), Grid((512, 512)), 30),
        "64³": run_of(PDE(HEAT, D=1.0), Grid((64, 64, 64)), 30),
    }


def rows(times: dict[str, Timing]) -> Iterator[Row]:
    """The ratio of each pair."""
    for title, first, second, target in PAIRS:
        one, other = times[first], times[second]
        fastest, median = one.min_ms / other.min_ms, one.median_ms / other.median_ms
        held = judged(fastest, baseline(f"targets.domains.{target}"))
        yield {"what": title, "of the fastest": fastest, "of the medians": median, **held}


def tables(_: Any) -> Iterator[Table]:
    """The times, and what is held of them."""
    configure_cpu()
    times = interleaved(calls(), repeats=25, burst=3)
    yield Table("Times of a run", [{"run": name, **timed(one)} for name, one in times.items()])
    yield Table("Ratios in one run", list(rows(times)))


def main(argv: list[str] | None = None) -> int:
    """Print the tables; the exit status is 1 if a target is missed."""
    return suite("domains", __doc__, tables, argv=argv)
