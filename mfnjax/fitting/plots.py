"""Pictures of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mfnjax.plotting.style import in_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mfnjax.fitting.result import FitResult

COLOURS = {
    "converged": "#2f6f9f",
    "stalled": "#c98a1b",
    "value NaN": "#b23b3b",
    "gradient NaN": "#7a3fa0",
}
"""Status of a start → its colour."""


@in_style
def plot_history(result: FitResult) -> Figure:
    """The lowest loss of every start over its iterations, coloured by how it ended."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.2), layout="constrained")
    axes = figure.add_subplot()
    shown: set[str] = set()
    for start, losses in zip(result.starts, result.history, strict=True):
        losses = losses[: start.iterations]
        label = None if start.status in shown else start.status
        shown.add(start.status)
        axes.plot(
            np.arange(1, len(losses) + 1),
            np.where(losses > 0, losses, np.nan),
            color=COLOURS[start.status],
            alpha=0.9 if len(result.starts) < 10 else 0.5,
            marker="." if len(losses) < 2 else None,
            label=label,
        )
    finite = result.history[np.isfinite(result.history)]
    if finite.size and finite.min() > 0:
        axes.set_yscale("log")
    axes.set(xlabel="iteration", ylabel="loss", title="Descent of every start")
    axes.legend()
    return figure
