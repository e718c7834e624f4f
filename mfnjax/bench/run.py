"""Measuring cases, in this process or in several one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from mfnjax.bench.baselines import Baseline, baseline
from mfnjax.bench.calibration import gauge
from mfnjax.bench.cases import SUITES, Case
from mfnjax.bench.results import Measurement, Results, merged
from mfnjax.errors import MfnError, ParameterError

Progress = Callable[[int, int], None]

SCALE = {"s": 1.0, "ms": 1e-3, "MB": 1e6, "KB": 1e3}
"""Unit → seconds or bytes in one of it (KB and MB are decimal, as documented)."""


def measure_case(case: Case) -> Measurement:
    """Measure one case: mean, fastest run, and the calibrated ratio."""
    limit = baseline(case.key)
    if case.kind == "memory":
        value = case.prepare()() / SCALE[limit.unit]
        return Measurement(case.key, case.label, value, limit.unit, values=(value,))
    gauged = gauge(case.prepare(), repeats=case.repeats, burst=case.burst)
    mean_s = 1e-3 * gauged.timing.mean_ms
    value = case.work / mean_s if case.kind == "rate" else mean_s / SCALE[limit.unit]
    return Measurement(
        case.key,
        case.label,
        value,
        limit.unit,
        values=(value,),
        ratios=(gauged.ratio,),
        first=1e-3 * gauged.timing.first_ms,
        best=1e-3 * gauged.timing.min_ms,
    )


def measure_suites(names: Iterable[str], *, progress: Progress | None = None) -> Results:
    """Measure the cases of some suites in this process.

    Raises:
        ParameterError: There is no suite of that name.
    """
    cases = [case for name in names for case in _suite(name)]
    rows = []
    for done, case in enumerate(cases):
        if progress is not None:
            progress(done, len(cases))
        rows.append(measure_case(case))
    return Results(tuple(rows))


def measure_in_processes(
    names: Iterable[str], processes: int, *, progress: Progress | None = None
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
        if progress is not None:
            progress(done, processes)
        parts.append(_measure_in_child(names))
    return merged(parts)


def _measure_in_child(names: list[str]) -> Results:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        command = [sys.executable, "-m", "mfnjax.bench.run", json.dumps(names), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise MfnError(f"a measuring process failed: {last}")
        return Results.load(path)


def _suite(name: str) -> list[Case]:
    if name not in SUITES:
        raise ParameterError(f"no suite is called {name!r}; there are {', '.join(SUITES)}")
    return SUITES[name]()


def verdict(row: Measurement, limit: Baseline | None = None) -> tuple[str, str, str]:
    """A row's target, margin and 'pass' or 'MISS', as texts."""
    limit = baseline(row.key) if limit is None else limit
    margin = limit.margin(row.value)
    shown = f"{margin:.1f}×" if margin < 10 else f"{margin:,.0f}×"
    return str(limit), shown, "pass" if limit.meets(row.value) else "MISS"


if __name__ == "__main__":
    measure_suites(json.loads(sys.argv[1])).save(sys.argv[2])
