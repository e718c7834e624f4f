"""The results as tables and as a figure; on a terminal and in docs/scaling.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import machine_text
from benchmarks.harness.tables import Table, put
from benchmarks.scaling.curves import AXES, QUANTITIES, Curves, Point, memory_of
from benchmarks.scaling.power_law import PowerLaw, fit_power_law, local_exponents
from benchmarks.scaling.work import SIDE, STEPS
from mfnjax._files import write_text
from mfnjax.errors import DataError
from mfnjax.plotting.style import in_style, save_figure

MIB = 2**20
FITTED_FROM = {"cells": 128**2, "steps": 100, "members": 4}
"""Where an exponent's range begins: below, the fixed cost of a call is part of what is seen."""

HEADINGS = {
    "cells": f"against cells: runs and gradients of {STEPS} steps, features of one field",
    "steps": f"against steps at {SIDE}² (features: of a history of so many frames)",
    "members": f"against members at {SIDE}² × {STEPS} (features: of one field each)",
}
LOOKS = {"forward": ("#0072b2", "o"), "gradient": ("#d55e00", "s"), "features": ("#009e73", "^")}
"""From the palette of Okabe and Ito (2008), which colour-blind readers can tell apart."""


def fitted(points: Sequence[Point], axis: str, *, memory: bool = False) -> PowerLaw | None:
    """The exponent of a curve: of its median times, or of its memory by XLA's account."""
    found = [(p["x"], memory_of(p) if memory else p["median_ms"]) for p in points]
    kept = [(x, y) for x, y in found if y is not None]
    return fit_power_law(*zip(*kept, strict=True), start=FITTED_FROM[axis]) if kept else None


def exponent_table(curves: Curves) -> Table:
    """Every fitted exponent with its interval and its range."""
    rows = []
    for axis in AXES:
        for quantity in QUANTITIES:
            for cores in curves.cores:
                points = curves.curve(quantity, axis, cores)
                fit, memory = fitted(points, axis), fitted(points, axis, memory=True)
                if fit is not None:
                    row = {"time and memory grow as x^p": f"{quantity}, {axis}", "cores": cores}
                    row["fitted over"] = f"{x_text(axis, fit.start)} … {x_text(axis, fit.stop)}"
                    row |= {"p of time": str(fit), "p of memory": memory and str(memory)}
                    rows.append(row)
    return Table("Exponents, with 95 % intervals", rows)


def curve_table(curves: Curves, axis: str) -> Table:
    """Time, local exponent and memory of every point against one axis."""
    few, many = min(curves.cores, default=1), max(curves.cores, default=1)
    rows = []
    for quantity in QUANTITIES:
        by_cores = {n: {p["x"]: p for p in curves.curve(quantity, axis, n)} for n in curves.cores}
        base = list(by_cores.get(few, {}).values())
        local = local_exponents([p["x"] for p in base], [p["median_ms"] for p in base])
        for point, exponent in zip(base, local, strict=True):
            x = point["x"]
            row: dict[str, Any] = {"what": quantity, axis: x_text(axis, x)}
            for cores, points in by_cores.items():
                p = points.get(x)
                told = p and f"{p['median_ms']:.3g} ± {p['spread']:.0%}"
                row[f"ms on {_cores(cores)}"] = told
            other = by_cores[many].get(x) if few != many else None
            row["gain"] = other and f"{point['median_ms'] / other['median_ms']:.2f} ×"
            row["local p"] = None if exponent is None else f"{exponent:.2f}"
            row["XLA, MiB"] = None if memory_of(point) is None else f"{memory_of(point) / MIB:.3g}"
            row["resident, MiB"] = f"{point.get('resident', 0.0) / MIB:.3g}"
            rows.append(row)
    return Table(f"Cost {HEADINGS[axis]}", rows)


def all_tables(curves: Curves) -> list[Table]:
    """Every table, in the order of reading."""
    tables = [exponent_table(curves), *(curve_table(curves, axis) for axis in AXES)]
    return [table for table in tables if table.rows]


def print_tables(curves: Curves) -> None:
    """All tables on a terminal, what was left out, and where it was measured."""
    for table in all_tables(curves):
        table.print()
    for point in curves.points:
        if "left_out" in point:
            print("left out: " + ", ".join(map(str, point.values())))
    print(f"{curves.date}, {curves.seconds:.0f} s, on {machine_text(curves.machine)}.")


def x_text(axis: str, x: float) -> str:
    """A place on an axis: 64² for 4096 cells."""
    return f"{round(x**0.5)}²" if axis == "cells" else f"{x:,.0f}".replace(",", " ")


def _cores(count: int) -> str:
    return f"{count} core" if count == 1 else f"{count} cores"


def measured_part(curves: Curves) -> str:
    """The tables as Markdown, with the machine and the date."""
    kind = "A quick run: no measurement. " if curves.quick else ""
    where = machine_text(curves.machine)
    parts = [f"{kind}Measured on {curves.date} in {curves.seconds:.0f} s on {where}."]
    parts += ["![Cost against cells, steps and members; memory; gain of cores](scaling.png)"]
    for table in all_tables(curves):
        parts += [f"### {table.title}", table.markdown()]
    return "\n\n".join(parts)


def write_document(curves: Curves, folder: Path) -> list[Path]:
    """Write ``scaling.json`` and ``scaling.png`` into a folder, and the part into scaling.md.

    Raises:
        DataError: There is no scaling.md with a place for it, or a file cannot be written.
    """
    path = folder / "scaling.md"
    try:
        text = put(path.read_text(encoding="utf-8"), "measured", measured_part(curves))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    numbers = curves.save(folder / "scaling.json")
    picture = save_figure(draw(curves), folder / "scaling.png", dpi=110)
    write_text(path, text)
    return [numbers, picture, path]


@in_style
def draw(curves: Curves) -> Any:
    """The figure: time against each axis, memory, and the gain of cores."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 6.6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    few, many = min(curves.cores), max(curves.cores)
    titles = [f"{STEPS} steps (features: one field)", f"at {SIDE}²"]
    titles += [f"ensembles at {SIDE}² × {STEPS}", "by XLA's account", f"{many} cores over {few}"]
    for quantity in QUANTITIES:
        colour, mark = LOOKS[quantity]
        solid, dashed = {"color": colour, "marker": mark, "ms": 3.5}, {"color": colour, "ls": "--"}
        for ax, axis in zip(axes, AXES, strict=False):
            one, all_cores = (curves.curve(quantity, axis, n) for n in (few, many))
            if few != many:
                ax.plot([p["x"] for p in one], [p["median_ms"] for p in one], alpha=0.75, **dashed)
            x, y = [p["x"] for p in all_cores], [p["median_ms"] for p in all_cores]
            ax.plot(x, y, label=_label(quantity, fitted(all_cores, axis)), **solid)
        both = curves.curve(quantity, "cells", many)
        held = [(p["x"], (memory_of(p) or 0.0) / MIB) for p in both]
        label = _label(quantity, fitted(both, "cells", memory=True))
        axes[3].plot(*zip(*held, strict=True), label=label, **solid)
        alone = {p["x"]: p["min_ms"] for p in curves.curve(quantity, "cells", few)}
        gains = [(p["x"], alone[p["x"]] / p["min_ms"]) for p in both if p["x"] in alone]
        axes[4].plot(*zip(*gains, strict=True), label=quantity, **solid)
    axes[4].axhline(1.0, color="0.5", linewidth=0.8)
    cells = sorted({p["x"] for p in curves.points if p["axis"] == "cells"})
    ylabels = (*["time of a call (ms)"] * 3, "memory (MiB)", "gain in time")
    xlabels = (*AXES, "cells", "cells")
    for letter, title, ax, x, y in zip("abcde", titles, axes, xlabels, ylabels, strict=False):
        ax.set(xscale="log", yscale="linear" if letter == "e" else "log", xlabel=x, ylabel=y)
        if x == "cells":
            ax.set_xticks(cells, [x_text("cells", n) for n in cells])
            ax.minorticks_off()
        ax.legend(loc="lower right" if letter == "e" else "upper left")
        ax.set_title(rf"$\bf{{{letter}}}$   {title}", loc="left")
        ax.grid(True, which="major")
    axes[4].set_ylim(0.0, None)
    axes[5].annotate("a–c: solid on all cores, dashed on one", (0.0, 0.9), xycoords="axes fraction")
    axes[5].set_axis_off()
    return figure


def _label(quantity: str, fit: PowerLaw | None) -> str:
    return quantity if fit is None else f"{quantity},  p = {fit.exponent:.2f}"
