"""The results as tables: on a terminal and in a document."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.scaling.measuring import Curves
from benchmarks.scaling.points import AXES, QUANTITIES, SIDE, STEPS, Point
from benchmarks.scaling.power_law import PowerLaw, fit_power_law, local_exponents
from benchmarks.scaling.roofline import COMPULSORY, bounds
from benchmarks.tables import Table, console
from mfnjax.bench.machine import machine_text

MIB = 2**20
FITTED_FROM = {"cells": 128**2, "steps": 100, "members": 4}
"""Where an exponent's range begins: below, the fixed cost of a call is part of what is seen."""

NONE = "–"
HEADINGS = {
    "cells": f"against cells: runs and gradients of {STEPS} steps, features of one field",
    "steps": f"against steps at {SIDE}² (features: of a history of so many frames)",
    "members": f"against members at {SIDE}² × {STEPS} (features: of one field each)",
}


def fitted(points: Sequence[Point], axis: str, *, memory: bool = False) -> PowerLaw | None:
    """The exponent of a curve: of its median times, or of its memory by XLA's account."""
    kept = [p for p in points if not memory or p.memory is not None]
    values = [p.memory or 0.0 if memory else p.median_ms for p in kept]
    start = FITTED_FROM[axis]
    return fit_power_law([p.task.x for p in kept], values, start=start)


def exponent_table(curves: Curves) -> Table:
    """Every fitted exponent with its interval and its range."""
    rows = []
    for axis in AXES:
        for quantity in QUANTITIES:
            for cores in curves.cores:
                points = curves.curve(quantity, axis, cores)
                fit, memory = fitted(points, axis), fitted(points, axis, memory=True)
                if fit is not None:
                    reach = f"{x_text(axis, fit.start)} … {x_text(axis, fit.stop)}"
                    held = NONE if memory is None else str(memory)
                    rows.append((f"{quantity}, {axis}", str(cores), reach, str(fit), held))
    head = ("time and memory grow as x^p", "cores", "fitted over", "p of time", "p of memory")
    return Table("Exponents, with 95 % intervals", head, tuple(rows))


def curve_table(curves: Curves, axis: str) -> Table:
    """Time, local exponent and memory of every point against one axis."""
    few, many = min(curves.cores, default=1), max(curves.cores, default=1)
    head = ["what", axis]
    head += [f"ms on {_cores(n)}" for n in curves.cores]
    head += ["gain", "local p", "XLA, MiB", "resident, MiB"]
    rows = []
    for quantity in QUANTITIES:
        by_cores = {n: {p.task.x: p for p in curves.curve(quantity, axis, n)} for n in curves.cores}
        base = list(by_cores.get(few, {}).values())
        local = local_exponents([p.task.x for p in base], [p.median_ms for p in base])
        for point, exponent in zip(base, local, strict=True):
            x = point.task.x
            seen = [by_cores[n].get(x) for n in curves.cores]
            other = by_cores[many].get(x)
            gain = NONE if other is None or few == many else _ratio(point, other)
            rows.append(
                (
                    quantity,
                    x_text(axis, x),
                    *(NONE if p is None else f"{p.median_ms:.3g} ± {p.spread:.0%}" for p in seen),
                    gain,
                    NONE if exponent is None else f"{exponent:.2f}",
                    NONE if point.memory is None else f"{point.memory / MIB:.3g}",
                    f"{point.more.get('resident', 0.0) / MIB:.3g}",
                )
            )
    return Table(f"Cost {HEADINGS[axis]}", tuple(head), tuple(rows))


def roofline_table(curves: Curves) -> Table:
    """What a step takes, what it would take at least, and what bounds it."""
    head = (
        "grid",
        "cores",
        "MiB",
        "held in",
        "GB/s",
        "B a cell",
        "µs a step",
        "kernels",
        "instructions",
        "bytes",
        f"least ({COMPULSORY} B)",
        "explained",
        "bound by",
    )
    rows = []
    for cores in curves.cores:
        for b in bounds(curves, cores):
            times = (b.achieved, b.start, b.instructions, b.traffic, b.least)
            rows.append(
                (
                    x_text("cells", b.cells),
                    str(cores),
                    f"{b.working_set / MIB:.2g}",
                    b.level,
                    f"{b.bandwidth / 1e9:.3g}",
                    f"{b.moved:.0f}",
                    *(f"{time:.3g}" for time in times),
                    f"{b.estimate / b.achieved:.0%}",
                    b.verdict,
                )
            )
    return Table("Roofline of a step", head, tuple(rows))


def roof_table(curves: Curves) -> Table:
    """The machine as measured: bandwidth by working set, arithmetic, and starting a step."""
    rows = []
    for cores in curves.cores:
        for point in curves.curve("bandwidth", "bytes", cores):
            told = f"{point.more['bytes_a_second'] / 1e9:.1f} GB/s"
            rows.append((f"bandwidth, {_size(point.task.x)}", str(cores), told))
        for point in curves.curve("arithmetic", "once", cores):
            told = f"{point.more['instructions_a_second'] / 1e9:.1f} · 10⁹/s"
            rows.append(("instructions of an element", str(cores), told))
        for point in curves.curve("start-up", "once", cores):
            step, call = (1e3 * point.more[name] for name in ("step_ms", "call_ms"))
            rows.append(("starting a step; a call", str(cores), f"{step:.2f} µs; {call:.1f} µs"))
    return Table("The machine, measured in the same run", ("", "cores", ""), tuple(rows))


def all_tables(curves: Curves) -> list[Table]:
    """Every table, in the order of reading."""
    tables = [exponent_table(curves), roofline_table(curves), roof_table(curves)]
    tables[1:1] = [curve_table(curves, axis) for axis in AXES]
    return [table for table in tables if table.rows]


def print_tables(curves: Curves) -> None:
    """All tables on a terminal, and where it was measured."""
    terminal = console()
    for table in all_tables(curves):
        table.print(terminal)
    for point in curves.points:
        if point.left_out:
            t = point.task
            told = f"{t.quantity}, {x_text(t.axis, t.x)} {t.axis}, {_cores(t.cores)}"
            terminal.print(f"left out: {told}: {point.left_out}")
    terminal.print(f"{curves.date}, {curves.seconds:.0f} s, on {machine_text(curves.machine)}.")


def x_text(axis: str, x: float) -> str:
    """A place on an axis: 64² for 4096 cells."""
    return f"{round(x**0.5)}²" if axis == "cells" else f"{x:,.0f}".replace(",", " ")


def _cores(count: int) -> str:
    return f"{count} core" if count == 1 else f"{count} cores"


def _ratio(one: Point, other: Point) -> str:
    return f"{one.median_ms / other.median_ms:.2f} ×"


def _size(num_bytes: int) -> str:
    return f"{num_bytes // 2**10} KiB" if num_bytes < MIB else f"{num_bytes // MIB} MiB"
