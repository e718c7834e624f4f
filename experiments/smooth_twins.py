"""Draw how the smooth twins of the v4.1 model become the hard one as their width anneals.

    python -m experiments.smooth_twins [FILE.png]

Left to right: the three relaxed parts at falling widths, with the hard part in black; then the
distance between the smooth and the hard trajectory against the width.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from mfnjax import Grid, MyceliumModel, annealed_width, simulate, smooth_twin
from mfnjax.core.smooth import relaxed_bernoulli, soft_clip, soft_step
from mfnjax.plotting import save_figure

WIDTHS = (0.2, 0.1, 0.05, 0.02)
STEPS = 40


def draw_parts(figure: Figure, axes: np.ndarray) -> None:
    """The three parts at falling widths."""
    colours = [(0.10, 0.35, 0.60, alpha) for alpha in (0.35, 0.5, 0.7, 1.0)]
    x, p = np.linspace(-0.5, 0.5, 501), np.linspace(0.001, 0.999, 501)
    parts = (
        ("threshold", "a′ − θ", x, x > 0, lambda w: soft_step(x, w)),
        ("clip to [0, 0.5]", "value", x + 0.25, np.clip(x + 0.25, 0, 0.5), None),
        (
            "growth event, u = 0.4",
            "probability p",
            p,
            p > 0.4,
            lambda w: relaxed_bernoulli(p, 0.4, w),
        ),
    )
    for axis, (title, label, at, hard, smooth) in zip(axes, parts, strict=True):
        for width, colour in zip(WIDTHS, colours, strict=True):
            curve = soft_clip(at, 0.0, 0.5, width) if smooth is None else smooth(width)
            axis.plot(at, curve, color=colour, label=f"w = {width:g}")
        axis.plot(at, hard, color="black", linewidth=1, linestyle="--", label="hard")
        axis.set(title=title, xlabel=label)
    axes[0].legend(frameon=False, fontsize="small")


def draw_limit(axis: object) -> None:
    """Distance of the trajectories, and the slope in p, against the width."""
    grid, key = Grid((24, 24)), jax.random.key(3)
    hard = replace(MyceliumModel(), d_activator=0.02)
    start = hard.initial_state(grid, key=key)
    level = jnp.where(jnp.arange(24) < 12, 0.95, 0.3) * jnp.ones((24, 24), jnp.float32)
    start = start.replace(activator=level, inhibitor=jnp.full_like(level, 0.4))
    end = simulate(hard, start, grid=grid, steps=STEPS, key=key).state

    @jax.jit
    def distance(width: jax.Array) -> jax.Array:
        run = simulate(smooth_twin(hard, width), start, grid=grid, steps=STEPS, key=key)
        return 1e3 * jnp.max(jnp.abs(run.state["potential"] - end["potential"]))

    widths = annealed_width(jnp.linspace(0, 1, 25), start=8.0, stop=0.02)
    axis.loglog(widths, [distance(w) for w in widths], color=(0.10, 0.35, 0.60))  # type: ignore[attr-defined]
    axis.invert_xaxis()  # type: ignore[attr-defined]
    axis.set(  # type: ignore[attr-defined]
        title=f"trajectory, {STEPS} steps",
        xlabel="width (multiple of the default)",
        ylabel="largest |smooth − hard| [mV]",
    )


def main(path: Path) -> None:
    """Write the picture."""
    figure = Figure(figsize=(14, 3.4), layout="constrained")
    axes = figure.subplots(1, 4)
    draw_parts(figure, axes[:3])
    draw_limit(axes[3])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("out", "smooth_twins.png"))
