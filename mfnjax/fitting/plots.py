"""Pictures of a fit to a table, and of its profiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mfnjax.fitting.inference.misfit import misfit
from mfnjax.fitting.inference.profiles import Profile
from mfnjax.fitting.result import FitResult
from mfnjax.fitting.table import Table
from mfnjax.plotting.style import also_saved, in_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        good = np.isfinite(found.values)  # an open side may reach to infinity
        seen = found.values[good]
        ends = (seen[0] if low is None else low, seen[-1] if high is None else high)
        axes.axvspan(*ends, color="#2f6f9f", alpha=0.12, linewidth=0)
        axes.plot(*_smooth(found), color="#2f6f9f")
        axes.plot(seen, found.rise[good], ".", color="#2f6f9f", markersize=4)
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
    return also_saved(figure, path)


def _smooth(found: Profile) -> tuple[np.ndarray, np.ndarray]:
    """The profile between its points, as the ends of the interval are found: ±√rise is linear."""
    good = np.isfinite(found.rise) & np.isfinite(found.values)
    values, rise = found.values[good], found.rise[good]
    if not len(values):
        return values, rise
    fine = np.linspace(values[0], values[-1], 400)
    side = np.sign(values - values[int(np.argmin(rise))])
    return fine, np.interp(fine, values, side * np.sqrt(rise)) ** 2


@in_style
def plot_table_fit(result: FitResult, table: Table, label: str = "") -> Figure:
    """Measured profiles as points with their error bars, the model's as lines, coloured by time."""
    import matplotlib
    from matplotlib.figure import Figure

    objective: Any = result.objectives[label]
    model, unknowns = result.fitted_models[label], result.unknowns[label]
    (name,) = objective.data
    start = np.asarray(objective.initial(unknowns)[name])[0]
    start = start.reshape(len(table.positions), -1).mean(1)
    lines = [start, *np.asarray(objective.predict(model, unknowns)[name])[:, 0]]
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    colours = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.88, len(lines)))
    for index, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        axes.errorbar(
            table.positions,
            table.values[index],
            None if table.sd is None else table.sd[index],
            fmt="o",
            markersize=2.6,
            elinewidth=0.6,
            color=colour,
            alpha=0.75,
        )
        shown = f"{table.names['t']} = {table.times[index]:g}"
        axes.plot(table.positions, line, color=colour, label=shown)
    axes.set(xlabel=table.names["x"], ylabel=table.names["y"])
    axes.legend(ncols=min(len(lines), 5), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


@in_style
def plot_residuals(result: FitResult, table: Table, label: str = "") -> Figure:
    """Where and when the model is too high (red) or too low (blue), in units of the noise."""
    from matplotlib.figure import Figure

    off = misfit(result, label)
    told = np.isfinite(off.residuals).any(axis=1)  # an exact start has no residuals
    residuals, times = off.residuals[told], table.times[told]
    figure = Figure(figsize=(6.4, 0.9 + 0.36 * len(times)), layout="constrained")
    axes = figure.add_subplot()
    step = table.spacing
    image = axes.imshow(
        residuals,
        cmap="RdBu_r",
        vmin=-4,
        vmax=4,
        aspect="auto",
        extent=(
            table.positions[0] - step / 2,
            table.positions[-1] + step / 2,
            len(times) - 0.5,
            -0.5,
        ),
    )
    axes.set_yticks(range(len(times)), [f"{time:g}" for time in times])
    axes.set(xlabel=table.names["x"], ylabel=table.names["t"])
    figure.colorbar(image, label="(model − data)/σ", extend="both")
    return figure
