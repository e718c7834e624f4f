"""The figure: cost against cells, steps and members, memory, the gain of cores, the roofline."""

from __future__ import annotations

from typing import Any

from benchmarks.scaling.measuring import Curves
from benchmarks.scaling.points import QUANTITIES, SIDE, STEPS
from benchmarks.scaling.roofline import COMPULSORY, bounds
from benchmarks.scaling.tables import MIB, fitted
from mfnjax.plotting.style import in_style

COLOURS = {"forward": "#0072b2", "gradient": "#d55e00", "features": "#009e73"}
"""From the palette of Okabe and Ito (2008), which colour-blind readers can tell apart."""

MARKS = {"forward": "o", "gradient": "s", "features": "^"}
ROOM = 8
"""How far the axis of the roofline goes over its curves: its legend stands there."""

SMALLEST_GROWTH = 8 * MIB
"""Below this a process may find room in memory that it already holds: nothing is drawn."""


@in_style
def draw(curves: Curves) -> Any:
    """The figure, 2 × 3 panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 6.6), layout="constrained")
    axes = figure.subplots(2, 3)
    panels = (draw_cells, draw_steps, draw_members, draw_memory, draw_gain, draw_roofline)
    for letter, panel, ax in zip("abcdef", panels, axes.ravel(), strict=True):
        panel(curves, ax)
        ax.set_title(rf"$\bf{{{letter}}}$   {ax.get_title()}", loc="left")
        ax.set_title("")
        ax.grid(True, which="major")
    return figure


def draw_cells(curves: Curves, ax: Any) -> None:
    """Time against cells."""
    _times(curves, ax, "cells")
    _sides(curves, ax)
    _titled(ax, f"{STEPS} steps (features: one field)", "time of a call (ms)")


def draw_steps(curves: Curves, ax: Any) -> None:
    """Time against steps."""
    _times(curves, ax, "steps")
    ax.set_xlabel("steps (features: frames)")
    _titled(ax, f"at {SIDE}²", "time of a call (ms)")


def draw_members(curves: Curves, ax: Any) -> None:
    """Time against the size of an ensemble."""
    _times(curves, ax, "members")
    ax.set_xlabel("members")
    _titled(ax, f"ensembles at {SIDE}² × {STEPS}", "time of a call (ms)")


def _times(curves: Curves, ax: Any, axis: str) -> None:
    """A curve for each quantity, solid on all cores and dashed on one, with its exponent."""
    few, many = min(curves.cores), max(curves.cores)
    for quantity in QUANTITIES:
        for cores in sorted({few, many}, reverse=True):
            points = curves.curve(quantity, axis, cores)
            look: dict[str, Any] = {"color": COLOURS[quantity], "alpha": 0.75}
            if cores == many:
                fit = fitted(points, axis)
                told = "" if fit is None else f",  p = {fit.exponent:.2f}"
                look = {"color": COLOURS[quantity], "label": f"{quantity}{told}"}
                look |= {"marker": MARKS[quantity], "markersize": 3.5}
            x, y = [p.task.x for p in points], [p.median_ms for p in points]
            ax.plot(x, y, "-" if cores == many else "--", **look)
    ax.set(xscale="log", yscale="log")
    ax.legend(loc="upper left")
    if few != many:
        said = f"solid: {many} cores, dashed: {few}"
        ax.annotate(said, (0.98, 0.03), xycoords="axes fraction", ha="right", fontsize=7)


def draw_memory(curves: Curves, ax: Any) -> None:
    """Memory against cells: XLA's account, and what the process grew by."""
    many = max(curves.cores)
    for quantity in QUANTITIES:
        points = curves.curve(quantity, "cells", many)
        account = [(p.task.x, p.memory / MIB) for p in points if p.memory]
        grown = [(p.task.x, p.more.get("resident", 0.0)) for p in points]
        grown = [(x, held / MIB) for x, held in grown if held > SMALLEST_GROWTH]
        fit = fitted(points, "cells", memory=True)
        told = "" if fit is None else f",  p = {fit.exponent:.2f}"
        colour = COLOURS[quantity]
        if account:
            ax.plot(*zip(*account, strict=True), "-", color=colour, label=f"{quantity}{told}")
        if grown:
            ax.plot(*zip(*grown, strict=True), MARKS[quantity], color=colour, mfc="none", ms=5)
    ax.plot([], [], "o", color="0.3", mfc="none", ms=5, label="growth of resident memory")
    ax.set(xscale="log", yscale="log")
    _sides(curves, ax)
    ax.legend(loc="upper left")
    _titled(ax, "memory by XLA's account", "memory (MiB)")


def draw_gain(curves: Curves, ax: Any) -> None:
    """What all cores gain over one, against cells."""
    few, many = min(curves.cores), max(curves.cores)
    for quantity in QUANTITIES:
        alone = {p.task.x: p for p in curves.curve(quantity, "cells", few)}
        both = curves.curve(quantity, "cells", many)
        pairs = [(p.task.x, alone[p.task.x].min_ms / p.min_ms) for p in both if p.task.x in alone]
        if pairs:
            look = {"color": COLOURS[quantity], "marker": MARKS[quantity], "ms": 3.5}
            ax.plot(*zip(*pairs, strict=True), label=quantity, **look)
    ax.axhline(1.0, color="0.5", linewidth=0.8)
    ax.set(xscale="log", ylim=(0.0, max(many, ax.get_ylim()[1]) + 0.15))
    ax.axhline(many, color="0.5", linewidth=0.8, linestyle=":")
    _sides(curves, ax)
    ax.legend(loc="lower right")
    _titled(ax, f"{many} cores over {few}", "gain in time")


def draw_roofline(curves: Curves, ax: Any) -> None:
    """Time of a step of one cell, and its bounds, on one core."""
    found = bounds(curves, min(curves.cores))
    cells = [b.cells for b in found]
    for label, style, values in (
        ("achieved", {"color": COLOURS["forward"], "marker": "o", "ms": 3.5},
         [b.achieved for b in found]),
        ("kernels + max(bytes, instructions)", {"color": "black", "linestyle": "-"},
         [b.estimate for b in found]),
        ("instructions as compiled", {"color": "#cc79a7", "linestyle": "--"},
         [b.instructions for b in found]),
        ("bytes as compiled", {"color": "#e69f00", "linestyle": "--"}, [b.traffic for b in found]),
        (f"least bytes ({COMPULSORY} B a cell)", {"color": "#e69f00", "linestyle": ":"},
         [b.least for b in found]),
    ):  # fmt: skip
        shown = [1e3 * value / n for value, n in zip(values, cells, strict=True)]
        ax.plot(cells, shown, label=label, **style)
    for b, after in zip(found, [*found[1:], None], strict=True):
        if after is not None and after.level != b.level:
            ax.axvline((b.cells * after.cells) ** 0.5, color="0.75", linewidth=0.8, zorder=0)
            ax.annotate(
                f"{b.level} | {after.level}",
                ((b.cells * after.cells) ** 0.5, 0.01),
                xycoords=("data", "axes fraction"),
                ha="center",
                fontsize=6.5,
                color="0.4",
            )
    ax.set(xscale="log", yscale="log")
    low, high = ax.get_ylim()
    ax.set_ylim(low, ROOM * high)
    _sides(curves, ax)
    ax.legend(loc="upper right", fontsize=7)
    _titled(ax, "roofline of a step, one core", "time of a cell and step (ns)")


def _sides(curves: Curves, ax: Any) -> None:
    """An axis of cells that is marked as sides."""
    cells = sorted({p.task.x for p in curves.points if p.task.axis == "cells"})
    ax.set_xticks(cells, [f"{round(n**0.5)}²" for n in cells])
    ax.minorticks_off()
    ax.set_xlabel("cells")


def _titled(ax: Any, title: str, across: str) -> None:
    ax.set_title(title)
    ax.set_ylabel(across)
