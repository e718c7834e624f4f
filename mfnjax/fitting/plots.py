"""Pictures of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mfnjax.plotting.style import in_style, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mfnjax.fitting.profiles import Profile
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


@in_style
def plot_profiles(profiles: Sequence[Profile], path: str | Path | None = None) -> Figure:
    """Every profile as a curve, with the threshold, the interval and the best value."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.9 * len(profiles) + 0.4, 2.8), layout="constrained")
    for index, (axes, found) in enumerate(
        zip(figure.subplots(1, len(profiles), squeeze=False)[0], profiles, strict=True)
    ):
        axes.axhline(found.threshold, color="#888888", linestyle="--", linewidth=0.9)
        axes.axvline(found.best, color="#b23b3b", linewidth=0.9)
        low, high = found.interval
        if low is not None and high is not None:
            axes.axvspan(low, high, color="#2f6f9f", alpha=0.12, linewidth=0)
        axes.plot(found.values, found.rise, color="#2f6f9f", marker=".", markersize=4)
        axes.set(xlabel=found.name, ylim=(0, 3 * found.threshold))
        if index == 0:
            axes.set_ylabel("2 Δ loss / s²")
            axes.annotate(
                f"{100 * found.level:g} %",
                (0.02, found.threshold),
                xycoords=("axes fraction", "data"),
                va="bottom",
                fontsize=8,
                color="#666666",
            )
    if path is not None:
        save_figure(figure, path)
    return figure
