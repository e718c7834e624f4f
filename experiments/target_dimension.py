"""Fields of a wanted fractal dimension: ``python -m experiments.target_dimension``.

A free field, and the start of a reaction–diffusion run of 100 steps, are moved by gradient descent
until the mask of the field (of the run's end) has dimension 1.3, 1.6 or 1.8: the hard mask, on
every scale. Writes figures to out/target_dimension/ and prints a table.
"""

from __future__ import annotations

import time

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.notebook import flags, output_folder
from mfnjax import FisherKPPModel, Grid, simulate
from mfnjax.fitting import DimensionFit, fit_dimension
from mfnjax.plotting import save_figure
from mfnjax.plotting.style import in_style

GRID = Grid((128, 128))
TARGETS = (1.3, 1.6, 1.8)
COLOURS = ("#21406f", "#c2571a", "#4f8a5b")


def spread(field: jax.Array) -> jax.Array:
    """u after 100 steps of Fisher–KPP from sigmoid(field): cells that spread and multiply."""
    model = FisherKPPModel(diffusivity=0.02, growth_rate=0.02)
    start = {"u": jax.nn.sigmoid(field)}
    return simulate(model, start, grid=GRID, steps=100, adjoint="direct").state["u"]


def row(what: str, fit: DimensionFit, seconds: float) -> str:
    """A row of the table."""
    slopes = ", ".join(f"{slope:.2f}" for slope in fit.local_slopes)
    off = np.abs(fit.local_slopes - fit.target).max()
    return f"| {what} | {fit.target} | {fit.dimension:.4f} | {slopes} | {off:.2f} | {seconds:.1f} |"


@in_style
def picture(fits: list[DimensionFit], title: str) -> Figure:
    """The masks on the way, and the counts of each with the line that was asked for."""
    figure = Figure(figsize=(7.6, 7.6), layout="constrained")
    axes = figure.subplots(len(fits), 4, width_ratios=(1, 1, 1, 1.15))
    names = ("start", "half way", "end")
    for line, fit, colour in zip(axes, fits, COLOURS, strict=True):
        for axis, mask, name in zip(line[:3], fit.frames[[0, 2, 3]], names, strict=True):
            axis.imshow(mask, cmap="Greys", interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            for spine in axis.spines.values():
                spine.set_visible(True)
                spine.set_color("#b5b5b5")
            if fit is fits[0]:
                axis.set_title(name)
        line[0].set_ylabel(f"D = {fit.target}", fontsize=11)
        counted(line[3], fit, colour)
    figure.suptitle(title, fontsize=10)
    return figure


def counted(axis: Axes, fit: DimensionFit, colour: str) -> None:
    """N(s) of the hard mask against s, with the slope that was asked for."""
    sizes = np.asarray(fit.sizes, float)
    first = [
        sum(
            fit.frames[0][i : i + s, j : j + s].any()
            for i in range(0, fit.mask.shape[0], s)
            for j in range(0, fit.mask.shape[1], s)
        )
        for s in fit.sizes
    ]
    line = np.exp(np.mean(np.log(fit.counts * sizes**fit.target))) * sizes**-fit.target
    axis.loglog(sizes, first, "o-", color="#c4c4c4", markersize=3, linewidth=1, label="start")
    axis.loglog(sizes, line, color=colour, linewidth=1, label=f"slope −{fit.target}")
    axis.loglog(
        sizes, fit.counts, "o", color=colour, markersize=4, label=f"D = {fit.dimension:.3f}"
    )
    axis.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    axis.minorticks_off()
    axis.set_xlabel("box size s (cells)")
    axis.set_ylabel("boxes N(s)")
    axis.legend(loc="lower left", handlelength=1.2)


def main() -> None:
    """Run, draw, tell."""
    flags()
    folder = output_folder("target_dimension")
    print("| field | asked | hard D | local slopes | furthest | seconds |")
    print("|---|---|---|---|---|---|")
    for name, rollout, title in (
        ("free", None, "A free field, moved by gradients of its soft box counts"),
        ("after 100 steps", spread, "The end of 100 steps of Fisher–KPP; its start is moved"),
    ):
        fits = []
        for target in TARGETS:
            began = time.monotonic()
            fits.append(fit_dimension(target, rollout=rollout, key=jax.random.key(0)))
            print(row(name, fits[-1], time.monotonic() - began), flush=True)
        save_figure(picture(fits, title), folder / f"{name.replace(' ', '_')}.png")


if __name__ == "__main__":
    main()
