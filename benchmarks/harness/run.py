"""Measuring cases, in this process or in fresh ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.harness.baselines import baseline
from benchmarks.harness.cases import SUITES, Case
from benchmarks.harness.child import Child
from benchmarks.harness.machine import machine_text
from benchmarks.harness.results import Measurement, Results, merged
from benchmarks.harness.tables import Row, Table, judged
from benchmarks.harness.timing import gauge
from mfnjax.errors import ParameterError

Progress = Callable[[int, int], None]

SCALE = {"s": 1.0, "ms": 1e-3, "MB": 1e6, "KB": 1e3}
"""Unit → seconds or bytes in one of it (KB and MB are decimal, as documented)."""


def measure_case(case: Case) -> Measurement:
    """Measure one case: mean, fastest run, and the calibrated ratio."""
    unit = baseline(case.key).unit
    if case.kind == "memory":
        value = case.prepare()() / SCALE[unit]
        return Measurement(case.key, case.label, value, unit, values=(value,))
    timing, ratio = gauge(case.prepare(), repeats=case.repeats, burst=case.burst)
    mean_s, first, best = (1e-3 * t for t in (timing.mean_ms, timing.first_ms, timing.min_ms))
    value = case.work / mean_s if case.kind == "rate" else mean_s / SCALE[unit]
    return Measurement(case.key, case.label, value, unit, (value,), (ratio,), first, best)


def measure_suites(
    names: Iterable[str], *, progress: Progress = lambda done, total: None
) -> Results:
    """Measure the cases of some suites in this process.

    Raises:
        ParameterError: There is no suite of that name.
    """
    cases = [case for name in names for case in _suite(name)]
    rows = []
    for done, case in enumerate(cases):
        progress(done, len(cases))
        rows.append(measure_case(case))
    return Results(tuple(rows))


def measured(names: list[str]) -> dict[str, Any]:
    """What a child process measures."""
    return measure_suites(names).to_dict()


def measure_in_processes(
    names: Iterable[str], processes: int, *, progress: Progress = lambda done, total: None
) -> Results:
    """Measure some suites in several fresh processes, one after the other.

    What differs between processes (where memory lies, how a program was compiled) is part of the
    noise: a result of one process alone knows nothing of it.

    Raises:
        ParameterError: There is no suite of that name.
        MfnError: A process failed.
    """
    names = list(names)
    for name in names:
        _suite(name)
    parts = []
    for done in range(processes):
        progress(done, processes)
        with Child() as child:
            parts.append(Results.from_dict(child.call(measured, names)))
    return merged(parts)


def _suite(name: str) -> list[Case]:
    if name not in SUITES:
        raise ParameterError(f"no suite is called {name!r}; there are {', '.join(SUITES)}")
    return SUITES[name]()


def result_table(title: str, results: Results) -> Table:
    """Value, target, margin and verdict of every row."""
    table = Table(title, [_row(row) for row in results.rows])
    score = f"{len(table.rows) - table.missed}/{len(table.rows)} passed"
    return Table(title, table.rows, f"{score} on {machine_text(results.machine)}.")


def _row(row: Measurement) -> Row:
    limit = baseline(row.key)
    value = f"{row.value:,.4g}" if row.value < 1e4 else f"{row.value:,.0f}"
    low, high = min(row.ratios, default=None), max(row.ratios, default=None)
    return {
        "benchmark": row.label,
        "value": f"{value} {row.unit}",
        "margin": limit.margin_text(row.value),
        "first call": None if row.first is None else f"{row.first:.2f} s",
        "fastest / calibration": low if low == high else f"{low:.3g} … {high:.3g}",
        **judged(row.value, limit),
    }
